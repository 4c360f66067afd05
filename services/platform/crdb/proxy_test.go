package crdb_test

import (
	"bytes"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// proxy stands between a pool and its server and cuts a connection at a chosen statement.
type proxy struct {
	listener net.Listener
	upstream string
	wg       sync.WaitGroup

	mu    sync.Mutex
	cut   []byte // cut at the next statement that holds this
	after bool   // …once the server has carried it out
	cuts  int
	conns map[net.Conn]bool
}

// newProxy returns a proxy and the URL of a database through it.
func newProxy(t *testing.T, rawURL string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(rawURL)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{listener: l, upstream: u.Host, conns: map[net.Conn]bool{}}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		for c := range p.conns {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.wg.Wait()
	})
	u.Host = l.Addr().String()
	return p, u.String()
}

// cutAt arms the proxy: the connection that carries text next is cut, before the server gets it or after it has answered.
func (p *proxy) cutAt(text string, after bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut, p.after = bytes.ToLower([]byte(text)), after
}

func (p *proxy) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.upstream)
		if err != nil {
			_ = client.Close()
			return
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		swallow := make(chan struct{})
		p.wg.Go(func() { p.forward(client, server, swallow) })
		p.wg.Go(func() { p.back(client, server, swallow) })
	}
}

// forward carries statements to the server until one is to be cut.
func (p *proxy) forward(client, server net.Conn, swallow chan struct{}) {
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			_ = server.Close()
			return
		}
		if due, after := p.due(buf[:n]); due {
			if !after {
				_, _ = client.Close(), server.Close()
				return
			}
			close(swallow) // the answer goes no further
		}
		if _, err := server.Write(buf[:n]); err != nil {
			_ = client.Close()
			return
		}
	}
}

// back carries answers to the client; one to swallow ends the connection.
func (p *proxy) back(client, server net.Conn, swallow chan struct{}) {
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			_ = client.Close()
			return
		}
		select {
		case <-swallow:
			_, _ = client.Close(), server.Close()
			return
		default:
		}
		if _, err := client.Write(buf[:n]); err != nil {
			_ = server.Close()
			return
		}
	}
}

func (p *proxy) due(chunk []byte) (due, after bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut == nil || !bytes.Contains(bytes.ToLower(chunk), p.cut) {
		return false, false
	}
	p.cut = nil
	p.cuts++
	return true, p.after
}
