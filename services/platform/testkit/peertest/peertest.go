// Package peertest gives a service under test, and those who call it, their certificates.
package peertest

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/switchboard-phone/switchboard/services/platform/localca"
	"github.com/switchboard-phone/switchboard/services/platform/mtls"
)

// Peers issues certificates for one test.
type Peers struct {
	tb testing.TB
	ca *localca.CA

	mu     sync.Mutex
	issued map[string]mtls.Config
}

// New makes an authority that ends with the test.
func New(tb testing.TB) *Peers {
	tb.Helper()
	ca, err := localca.Open(tb.TempDir(), "")
	require.NoError(tb, err)
	return &Peers{tb: tb, ca: ca, issued: map[string]mtls.Config{}}
}

// TLS is the identity of a service.
func (p *Peers) TLS(service string) mtls.Config {
	p.tb.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	cfg, ok := p.issued[service]
	if !ok {
		var err error
		cfg, err = p.ca.Issue(service)
		require.NoError(p.tb, err)
		p.issued[service] = cfg
	}
	return cfg
}

type asKey struct{}

// As returns a context whose calls over a Conn show the certificate of that service.
func As(ctx context.Context, service string) context.Context {
	return context.WithValue(ctx, asKey{}, service)
}

// Conn calls one server over as many connections as there are identities: that of As, or without it one that shows no
// certificate. It implements grpc.ClientConnInterface.
type Conn struct {
	peers         *Peers
	addr, service string

	mu    sync.Mutex
	conns map[string]*grpc.ClientConn
}

// Dial returns a Conn to the service at addr. Close it.
func (p *Peers) Dial(addr, service string) *Conn {
	return &Conn{peers: p, addr: addr, service: service, conns: map[string]*grpc.ClientConn{}}
}

func (c *Conn) of(ctx context.Context) (*grpc.ClientConn, error) {
	as, _ := ctx.Value(asKey{}).(string)
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn, ok := c.conns[as]; ok {
		return conn, nil
	}
	cfg := mtls.Config{CAFile: c.peers.ca.CAFile(), TrustDomain: mtls.DefaultTrustDomain}
	if as != "" {
		cfg = c.peers.TLS(as)
	}
	creds, err := mtls.Client(cfg, c.service, nil)
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient(c.addr, grpc.WithTransportCredentials(creds))
	if err == nil {
		c.conns[as] = conn
	}
	return conn, err
}

// Invoke implements grpc.ClientConnInterface.
func (c *Conn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	conn, err := c.of(ctx)
	if err != nil {
		return err
	}
	return conn.Invoke(ctx, method, args, reply, opts...)
}

// NewStream implements grpc.ClientConnInterface.
func (c *Conn) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	conn, err := c.of(ctx)
	if err != nil {
		return nil, err
	}
	return conn.NewStream(ctx, desc, method, opts...)
}

// Close closes all connections.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		if err := conn.Close(); err != nil {
			return err
		}
	}
	return nil
}
