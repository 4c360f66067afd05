// Package smtptest is a mail server for tests, which takes mails, and misbehaves as it is told.
package smtptest

import (
	"crypto/tls"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Mail is a mail that arrived.
type Mail struct {
	// From and To are the addresses of the envelope.
	From, To string
	// Header is the mail's own header, decoded by Decoded only.
	Header mail.Header
	// Raw is the mail as it came.
	Raw string
	// Text and HTML are its two parts, decoded.
	Text, HTML string
}

// MessageID returns the Message-ID header.
func (m Mail) MessageID() string { return m.Header.Get("Message-Id") }

// Decoded returns a header field with its encoded words (RFC 2047) decoded.
func (m Mail) Decoded(field string) string {
	text, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get(field))
	if err != nil {
		return m.Header.Get(field)
	}
	return text
}

// Hooks change what the server does. Each may be nil; an error that is an *smtp.SMTPError is the reply. They run on the
// goroutine of the connection and may block until Server.Stopped is closed.
type Hooks struct {
	// Connect runs before the greeting.
	Connect func(c *smtp.Conn) error
	// From runs at MAIL FROM.
	From func(c *smtp.Conn, from string) error
	// Rcpt runs at RCPT TO.
	Rcpt func(c *smtp.Conn, to string) error
	// Accept runs when a mail has come in whole and before the reply; on an error the mail is not kept.
	Accept func(c *smtp.Conn, m Mail) error
	// Accepted runs after the mail was kept and before the reply.
	Accepted func(c *smtp.Conn, m Mail) error
}

// Server is a running mail server.
type Server struct {
	// Addr is its host:port.
	Addr string
	// Stopped is closed when the server ends.
	Stopped chan struct{}

	username, password string

	mu          sync.Mutex
	hooks       Hooks
	mails       []Mail
	connections int
	encrypted   int
}

// Options say how the server is reached. The zero value is clear text without authentication.
type Options struct {
	// TLS offers STARTTLS, or is used from the first byte if Implicit.
	TLS      *tls.Config
	Implicit bool
	// Username and Password are asked for when set.
	Username, Password string
	// Addr is where to listen; default: a free port of this machine.
	Addr string
}

// Start starts a server that ends with the test.
func Start(tb testing.TB, opts Options) *Server {
	tb.Helper()
	s := &Server{Stopped: make(chan struct{}), username: opts.Username, password: opts.Password}
	addr := opts.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		tb.Fatalf("smtptest: %v", err)
	}
	s.Addr = l.Addr().String()
	if opts.Implicit {
		l = tls.NewListener(l, opts.TLS)
	}
	server := smtp.NewServer(smtp.BackendFunc(s.session))
	server.Domain, server.EnableSMTPUTF8, server.AllowInsecureAuth = "mail.test", true, true
	server.ErrorLog = silent{}
	if !opts.Implicit {
		server.TLSConfig = opts.TLS
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	tb.Cleanup(func() {
		close(s.Stopped)
		_ = server.Close()
		_ = l.Close() // which Close does not know if Serve has not come to it yet
		<-served
	})
	return s
}

// Set replaces the hooks.
func (s *Server) Set(h Hooks) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks = h
}

// Mails returns the mails kept so far, in the order of their arrival.
func (s *Server) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.mails...)
}

// Count says how many mails were kept so far.
func (s *Server) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mails)
}

// Connections says how many connections there were so far.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connections
}

// Encrypted says how many of the mails came over TLS.
func (s *Server) Encrypted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.encrypted
}

func (s *Server) current() Hooks {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hooks
}

func (s *Server) session(c *smtp.Conn) (smtp.Session, error) {
	s.mu.Lock()
	s.connections++
	s.mu.Unlock()
	if hook := s.current().Connect; hook != nil {
		if err := hook(c); err != nil {
			return nil, err
		}
	}
	return &session{server: s, conn: c, known: s.username == ""}, nil
}

type session struct {
	server   *Server
	conn     *smtp.Conn
	known    bool
	from, to string
}

// AuthMechanisms implements smtp.AuthSession.
func (s *session) AuthMechanisms() []string {
	if s.server.username == "" {
		return nil
	}
	return []string{sasl.Plain}
}

// Auth implements smtp.AuthSession.
func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if username != s.server.username || password != s.server.password {
			return smtp.ErrAuthFailed
		}
		s.known = true
		return nil
	}), nil
}

// Mail implements smtp.Session.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if !s.known {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "authentication required"}
	}
	s.from = from
	if hook := s.server.current().From; hook != nil {
		return hook(s.conn, from)
	}
	return nil
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	if hook := s.server.current().Rcpt; hook != nil {
		return hook(s.conn, to)
	}
	return nil
}

// Data implements smtp.Session.
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m, err := parse(s.from, s.to, string(raw))
	if err != nil {
		return err
	}
	hooks := s.server.current()
	if hooks.Accept != nil {
		if err := hooks.Accept(s.conn, m); err != nil {
			return err
		}
	}
	_, encrypted := s.conn.TLSConnectionState()
	s.server.mu.Lock()
	s.server.mails = append(s.server.mails, m)
	if encrypted {
		s.server.encrypted++
	}
	s.server.mu.Unlock()
	if hooks.Accepted != nil {
		return hooks.Accepted(s.conn, m)
	}
	return nil
}

// Reset implements smtp.Session.
func (s *session) Reset() { s.from, s.to = "", "" }

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }

// parse takes a multipart/alternative mail apart.
func parse(from, to, raw string) (Mail, error) {
	out := Mail{From: from, To: to, Raw: raw}
	m, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		return out, err
	}
	out.Header = m.Header
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		return out, errors.New("not multipart/alternative")
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for {
		p, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		body, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			return out, err
		}
		text := strings.ReplaceAll(string(body), "\r\n", "\n")
		if strings.HasPrefix(p.Header.Get("Content-Type"), "text/html") {
			out.HTML = text
		} else {
			out.Text = text
		}
	}
}

// silent swallows the server's complaints about connections that tests break.
type silent struct{}

// Printf implements smtp.Logger.
func (silent) Printf(string, ...any) {}

// Println implements smtp.Logger.
func (silent) Println(...any) {}
