package smtp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"os"
	"strings"
	"time"
)

// The ways to protect the connection.
const (
	TLSStartTLS = "starttls" // begins in clear and must upgrade (RFC 3207), port 587
	TLSImplicit = "implicit" // TLS from the first byte (RFC 8314), port 465
	TLSNone     = "none"     // clear text: for a server on this machine or inside a protected network only
)

// Config says which mail server to use and how mails name their sender.
type Config struct {
	// Address is host:port of the mail server.
	Address string `koanf:"address"`
	// TLS is "starttls" (the default), "implicit" or "none".
	TLS string `koanf:"tls"`
	// CAFile is a PEM file of authorities that may vouch for the server, instead of the system's.
	CAFile string `koanf:"ca_file"`
	// Username turns authentication on.
	Username string `koanf:"username"`
	// PasswordFile is the path of a file that holds the password. It is read at each new connection, so it may change.
	PasswordFile string `koanf:"password_file"`
	// Hello is the name this client gives itself; default: the machine's host name.
	Hello string `koanf:"hello"`
	// From is the sender, "Name <address>".
	From string `koanf:"from"`
	// ReplyTo is where answers go; may be empty.
	ReplyTo string `koanf:"reply_to"`
	// MessageIDDomain is the right side of Message-ID headers; default: the domain of From. It must stay the same as long
	// as there are mails to repeat, since mailboxes recognise a repeated mail by this header.
	MessageIDDomain string `koanf:"message_id_domain"`
	// DialTimeout bounds connecting, from the first packet to the end of authentication.
	DialTimeout time.Duration `koanf:"dial_timeout"`
	// SendTimeout bounds the delivery of one mail on an open connection.
	SendTimeout time.Duration `koanf:"send_timeout"`
	// IdleTimeout is after how long an unused connection is closed.
	IdleTimeout time.Duration `koanf:"idle_timeout"`
	// MailsPerConnection is after how many mails a connection is replaced, since mail servers set such a limit.
	MailsPerConnection int `koanf:"mails_per_connection"`
}

// DefaultConfig returns the settings used where Config says nothing. Address and From have no default.
func DefaultConfig() Config {
	return Config{
		TLS: TLSStartTLS, DialTimeout: 10 * time.Second, SendTimeout: 30 * time.Second, IdleTimeout: 10 * time.Second,
		MailsPerConnection: 100,
	}
}

// settings is a Config that has been checked.
type settings struct {
	Config
	host string
	tls  *tls.Config // nil with TLSNone
	from *mail.Address
	re   *mail.Address // nil for none
}

func (c Config) complete() (settings, error) {
	s := settings{Config: c}
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil || host == "" {
		return s, fmt.Errorf("smtp: address %q is not host:port", c.Address)
	}
	s.host = host
	if s.from, err = mail.ParseAddress(c.From); err != nil {
		return s, fmt.Errorf("smtp: from %q is not a mail address: %w", c.From, err)
	}
	if c.ReplyTo != "" {
		if s.re, err = mail.ParseAddress(c.ReplyTo); err != nil {
			return s, fmt.Errorf("smtp: reply_to %q is not a mail address: %w", c.ReplyTo, err)
		}
	}
	if c.DialTimeout <= 0 || c.SendTimeout <= 0 || c.IdleTimeout <= 0 || c.MailsPerConnection <= 0 {
		return s, errors.New("smtp: timeouts and mails_per_connection must be positive")
	}
	if s.MessageIDDomain == "" {
		s.MessageIDDomain = s.from.Address[strings.LastIndex(s.from.Address, "@")+1:]
	}
	if s.Hello == "" {
		if s.Hello, err = os.Hostname(); err != nil {
			s.Hello = "localhost"
		}
	}
	return s, s.completeTLS()
}

func (s *settings) completeTLS() error {
	switch s.TLS {
	case TLSNone:
		return nil
	case TLSStartTLS, TLSImplicit:
	default:
		return fmt.Errorf("smtp: tls is %q, but must be one of %s, %s, %s", s.TLS, TLSStartTLS, TLSImplicit, TLSNone)
	}
	s.tls = &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12}
	if s.CAFile == "" {
		return nil
	}
	pem, err := os.ReadFile(s.CAFile)
	if err != nil {
		return fmt.Errorf("smtp: read ca_file: %w", err)
	}
	s.tls.RootCAs = x509.NewCertPool()
	if !s.tls.RootCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("smtp: ca_file %s holds no certificate", s.CAFile)
	}
	return nil
}
