// Package smtp delivers mails to one mail server over connections that are used again, and says precisely what became of each:
// taken, refused for now, refused for good, or unknown.
package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// Client opens connections to the mail server. It is safe for concurrent use.
type Client struct{ settings }

// NewClient checks the configuration. It does not connect.
func NewClient(cfg Config) (*Client, error) {
	s, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	return &Client{s}, nil
}

// Budget is the longest that one Deliver takes: connecting anew and sending.
func (c *Client) Budget() time.Duration { return c.DialTimeout + 2*c.SendTimeout }

// Conn delivers mails one after the other. It connects when it must, keeps the connection while it is of use, and replaces it
// when it is not. It is not safe for concurrent use.
type Conn struct {
	client *Client
	raw    net.Conn
	smtp   *smtp.Client // nil while not connected
	mails  int          // delivered or tried on this connection
}

// Conn returns a Conn that is not connected yet. The caller closes it.
func (c *Client) Conn() *Conn { return &Conn{client: c} }

// Connected reports whether a connection is open.
func (c *Conn) Connected() bool { return c.smtp != nil }

// IdleTimeout is how long the connection should stay open while there is nothing to deliver.
func (c *Conn) IdleTimeout() time.Duration { return c.client.IdleTimeout }

// Deliver hands m to the mail server and returns nil once the server has taken it. Every other result is an *Error. It takes
// no longer than Budget, and ends early when ctx does, in which case the server may or may not have taken the mail.
func (c *Conn) Deliver(ctx context.Context, m Mail) error {
	to, data, err := c.client.compose(m)
	if err != nil {
		return &Error{Kind: Permanent, err: err}
	}
	reused := c.smtp != nil
	for {
		if err := c.connect(ctx); err != nil {
			return err
		}
		err := c.transmit(ctx, to, data)
		// A connection that was idle may have been closed by the server meanwhile; it shows at the first command.
		if err != nil && reused && err.stale {
			reused = false
			continue
		}
		if err != nil {
			return err
		}
		return nil
	}
}

// connect opens a connection, greets, encrypts and authenticates, unless that has been done.
func (c *Conn) connect(ctx context.Context) error {
	if c.smtp != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.client.DialTimeout)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.client.Address)
	if err != nil {
		return connectionError(fmt.Errorf("connect: %w", err))
	}
	stop := closeWhenDone(ctx, raw)
	defer stop()
	session, err := c.client.open(raw)
	if err != nil {
		_ = raw.Close()
		return connectionError(err)
	}
	if !stop() { // ctx ended at the last moment and took the connection along
		return connectionError(context.Cause(ctx))
	}
	c.raw, c.smtp, c.mails = raw, session, 0
	return nil
}

// open speaks the opening of an SMTP session on a fresh connection. raw carries the deadline.
func (c *Client) open(raw net.Conn) (*smtp.Client, error) {
	_ = raw.SetDeadline(time.Now().Add(c.DialTimeout))
	conn := raw
	if c.TLS == TLSImplicit {
		conn = tls.Client(raw, c.tls)
	}
	session, err := smtp.NewClient(conn, c.host)
	if err != nil {
		return nil, fmt.Errorf("greeting: %w", err)
	}
	if err := session.Hello(c.Hello); err != nil {
		return nil, fmt.Errorf("hello: %w", err)
	}
	if c.TLS == TLSStartTLS {
		if ok, _ := session.Extension("STARTTLS"); !ok {
			return nil, errors.New("the mail server does not offer STARTTLS")
		}
		if err := session.StartTLS(c.tls); err != nil {
			return nil, fmt.Errorf("STARTTLS: %w", err)
		}
	}
	if c.Username == "" {
		return session, nil
	}
	auth, err := c.auth(session)
	if err != nil {
		return nil, err
	}
	if err := session.Auth(auth); err != nil {
		return nil, fmt.Errorf("authentication: %w", err)
	}
	return session, nil
}

// auth picks the best mechanism that the server offers. PLAIN and LOGIN refuse by themselves to run in clear text, except
// towards this machine.
func (c *Client) auth(session *smtp.Client) (smtp.Auth, error) {
	var password []byte
	if c.PasswordFile != "" {
		var err error
		if password, err = os.ReadFile(c.PasswordFile); err != nil {
			return nil, fmt.Errorf("read password_file: %w", err)
		}
	}
	pass := strings.TrimRight(string(password), "\r\n")
	_, offered := session.Extension("AUTH")
	mechanisms := strings.Fields(strings.ToUpper(offered))
	switch {
	case slices.Contains(mechanisms, "SCRAM-SHA-256"):
		return smtp.ScramSHA256Auth(c.Username, pass), nil
	case slices.Contains(mechanisms, "PLAIN"):
		return smtp.PlainAuth("", c.Username, pass, c.host, false), nil
	case slices.Contains(mechanisms, "LOGIN"):
		return smtp.LoginAuth(c.Username, pass, c.host, false), nil
	}
	return nil, fmt.Errorf("the mail server offers none of SCRAM-SHA-256, PLAIN and LOGIN, but %q", offered)
}

// stageMail is the first command of a mail.
const stageMail = "MAIL"

// transmit carries one mail over the open connection, which it gives up where the session cannot go on.
func (c *Conn) transmit(ctx context.Context, to string, data []byte) *Error {
	stop := closeWhenDone(ctx, c.raw)
	defer stop()
	_ = c.raw.SetDeadline(time.Now().Add(c.client.SendTimeout))
	c.mails++
	if err := c.smtp.Mail("<" + c.client.from.Address + ">"); err != nil {
		return c.failed(stageMail, err)
	}
	if err := c.smtp.Rcpt("<" + to + ">"); err != nil {
		return c.failed("RCPT", err)
	}
	w, err := c.smtp.Data()
	if err != nil {
		return c.failed("DATA", err)
	}
	if _, err := w.Write(data); err != nil {
		return c.failed("content", err)
	}
	if err := w.Close(); err != nil {
		return c.failed("end of content", err)
	}
	if c.mails >= c.client.MailsPerConnection || !stop() {
		c.Close()
	}
	return nil
}

// failed classifies a failure and brings the session back to where the next mail can begin, or drops it.
func (c *Conn) failed(stage string, err error) *Error {
	e := sessionError(stage, err)
	gone := e.Code == 0 || e.Code == 421 // no answer, or the server is closing the connection (RFC 5321, section 3.8)
	e.stale = stage == stageMail && gone
	if gone {
		c.drop()
	} else if c.mails >= c.client.MailsPerConnection || c.smtp.Reset() != nil {
		c.Close()
	}
	return e
}

// Close says goodbye to the server and closes the connection, if there is one.
func (c *Conn) Close() {
	if c.smtp == nil {
		return
	}
	_ = c.raw.SetDeadline(time.Now().Add(time.Second))
	_ = c.smtp.Quit()
	c.drop()
}

func (c *Conn) drop() {
	_ = c.raw.Close()
	c.raw, c.smtp = nil, nil
}

// closeWhenDone closes conn when ctx ends. The function it returns stops that and reports whether it came in time.
func closeWhenDone(ctx context.Context, conn net.Conn) func() bool {
	return context.AfterFunc(ctx, func() { _ = conn.Close() })
}
