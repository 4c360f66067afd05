package smtp_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/notification/internal/smtp"
	"github.com/switchboard-phone/switchboard/services/notification/internal/smtptest"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

func config(addr string) smtp.Config {
	cfg := smtp.DefaultConfig()
	cfg.Address, cfg.TLS, cfg.From = addr, smtp.TLSNone, "Switchboard <phone@example.com>"
	cfg.DialTimeout, cfg.SendTimeout = 5*time.Second, 5*time.Second
	return cfg
}

func newConn(t *testing.T, cfg smtp.Config) *smtp.Conn {
	t.Helper()
	client, err := smtp.NewClient(cfg)
	require.NoError(t, err)
	conn := client.Conn()
	t.Cleanup(conn.Close)
	return conn
}

func newMail() smtp.Mail {
	return smtp.Mail{
		ID: "018f0000-0000-7000-8000-000000000001", Date: time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC),
		Recipient: "ada@example.org", Name: "Ada Lovelace", Subject: "Your extension is 1001",
		Text: "Hello Ada,\n.\nthe line above holds a dot.\n", HTML: "<p>Hello <b>Ada</b></p>\n",
	}
}

func failure(t *testing.T, err error) *smtp.Error {
	t.Helper()
	var e *smtp.Error
	require.ErrorAs(t, err, &e)
	return e
}

func TestDeliver(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Options{})
	cfg := config(server.Addr)
	cfg.ReplyTo = "help@example.com"
	conn := newConn(t, cfg)
	caused := newMail()
	caused.RequestID = "support-case-17"
	require.NoError(t, conn.Deliver(t.Context(), caused))
	mails := server.Mails()
	require.Len(t, mails, 1)
	m := mails[0]
	require.Equal(t, "phone@example.com", m.From)
	require.Equal(t, "ada@example.org", m.To)
	require.Equal(t, `"Switchboard" <phone@example.com>`, m.Header.Get("From"))
	require.Equal(t, `"Ada Lovelace" <ada@example.org>`, m.Header.Get("To"))
	require.Equal(t, "<help@example.com>", m.Header.Get("Reply-To"))
	require.Equal(t, "Your extension is 1001", m.Header.Get("Subject"))
	require.Equal(t, "<018f0000-0000-7000-8000-000000000001@example.com>", m.MessageID())
	require.Equal(t, "Sun, 01 Mar 2026 09:30:00 +0000", m.Header.Get("Date"))
	require.Equal(t, "auto-generated", m.Header.Get("Auto-Submitted"))
	require.Equal(t, "support-case-17", m.Header.Get("X-Request-Id"))
	require.Equal(t, newMail().Text, m.Text)
	require.Equal(t, newMail().HTML, m.HTML)
}

func TestDeliver_reusesTheConnection(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Options{})
	cfg := config(server.Addr)
	cfg.MailsPerConnection = 4
	conn := newConn(t, cfg)
	for range 10 {
		require.NoError(t, conn.Deliver(t.Context(), newMail()))
	}
	require.Len(t, server.Mails(), 10)
	require.Equal(t, 3, server.Connections())
}

func TestDeliver_scripts(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Options{})
	conn := newConn(t, config(server.Addr))
	for _, name := range []string{"Žofie Nováková", "山田 太郎", "محمد علي", "O'Brien \"Bob\" <x>, Jr.", strings.Repeat("й", 120)} {
		m := newMail()
		m.Name, m.Subject, m.Text = name, "For "+name, "Hello "+name+"\n"
		require.NoError(t, conn.Deliver(t.Context(), m))
		got := server.Mails()[len(server.Mails())-1]
		to, err := got.Header.AddressList("To")
		require.NoError(t, err)
		require.Len(t, to, 1)
		require.Equal(t, name, to[0].Name)
		require.Equal(t, "ada@example.org", to[0].Address)
		require.Equal(t, "For "+name, got.Decoded("Subject"))
		require.Equal(t, "Hello "+name+"\n", got.Text)
	}
}

func TestDeliver_hostileText(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Options{})
	conn := newConn(t, config(server.Addr))
	for _, text := range []string{
		"Eve\r\nBcc: victim@example.net", "Eve\nX-Evil: 1", "Eve\r\n\r\nbody of my own", "Eve\x00\x0b\x1b[31m", "Eve\u2028Bcc: v@example.net",
		"\u202Eevil", "\"><script>", "=?utf-8?q?Eve=0D=0ABcc:_victim@example.net?=", string([]byte{'E', 0xff, 0xfe}),
		"Eve\r\n.\r\nMAIL FROM:<evil@example.net>",
	} {
		m := newMail()
		m.Name, m.Subject, m.RequestID = text, text, text
		require.NoError(t, conn.Deliver(t.Context(), m), "%q", text)
		got := server.Mails()[len(server.Mails())-1]
		require.Equal(t, "ada@example.org", got.To, "%q", text)
		require.ElementsMatch(t, []string{"Auto-Submitted", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Subject", "To", "X-Request-Id"},
			keys(got), "%q", text)
		to, err := got.Header.AddressList("To")
		require.NoError(t, err, "%q", text)
		require.Len(t, to, 1, "%q", text)
		require.Equal(t, "ada@example.org", to[0].Address, "%q", text)
		require.NotContains(t, got.Decoded("Subject"), "\u202e")
		require.Equal(t, newMail().Text, got.Text, "%q", text)
	}
}

func keys(m smtptest.Mail) []string {
	var out []string
	for k := range m.Header {
		out = append(out, k)
	}
	return out
}

func TestDeliver_badRecipients(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Options{})
	conn := newConn(t, config(server.Addr))
	for _, to := range []string{"nobody", "a@b@c", "a b@example.org", "a@example.org>\r\nRCPT TO:<v@example.net", "a@example.org, b@example.org",
		"x\r\n@example.org", "", "Eve <eve@example.org>", "a@example.org\x00"} {
		m := newMail()
		m.Recipient = to
		e := failure(t, conn.Deliver(t.Context(), m))
		require.Equal(t, smtp.Permanent, e.Kind, "%q", to)
		require.Zero(t, e.Code)
		require.NotContains(t, e.Error(), "\n")
	}
	require.Empty(t, server.Mails())
}

func reply(code int, text string) error {
	return &gosmtp.SMTPError{Code: code, EnhancedCode: gosmtp.EnhancedCode{code / 100, 0, 0}, Message: text}
}

func TestDeliver_refusals(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		hooks func(err error) smtptest.Hooks
		code  int
		kind  smtp.Kind
	}{
		"recipient for good": {rcpt, 550, smtp.Permanent},
		"recipient for now":  {rcpt, 450, smtp.Temporary},
		"content for good":   {accept, 554, smtp.Permanent},
		"content for now":    {accept, 451, smtp.Temporary},
		"sender for good":    {from, 553, smtp.Unreachable},
		"sender for now":     {from, 452, smtp.Temporary},
		"needs a login":      {rcpt, 530, smtp.Unreachable},
		"going down":         {rcpt, 421, smtp.Temporary},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := smtptest.Start(t, smtptest.Options{})
			conn := newConn(t, config(server.Addr))
			server.Set(test.hooks(reply(test.code, "said so")))
			e := failure(t, conn.Deliver(t.Context(), newMail()))
			require.Equal(t, test.kind, e.Kind)
			require.Equal(t, test.code, e.Code)
			require.Contains(t, e.Error(), "said so")
			require.Empty(t, server.Mails())

			server.Set(smtptest.Hooks{})
			require.NoError(t, conn.Deliver(t.Context(), newMail()), "the next mail goes through")
			require.Len(t, server.Mails(), 1)
		})
	}
}

func rcpt(err error) smtptest.Hooks {
	return smtptest.Hooks{Rcpt: func(*gosmtp.Conn, string) error { return err }}
}

func from(err error) smtptest.Hooks {
	return smtptest.Hooks{From: func(*gosmtp.Conn, string) error { return err }}
}

func accept(err error) smtptest.Hooks {
	return smtptest.Hooks{Accept: func(*gosmtp.Conn, smtptest.Mail) error { return err }}
}

func TestDeliver_greetingRefused(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Options{})
	server.Set(smtptest.Hooks{Connect: func(*gosmtp.Conn) error { return reply(554, "no service here") }})
	e := failure(t, newConn(t, config(server.Addr)).Deliver(t.Context(), newMail()))
	require.Equal(t, smtp.Unreachable, e.Kind)
}

func TestDeliver_nobodyListens(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	e := failure(t, newConn(t, config(addr)).Deliver(t.Context(), newMail()))
	require.Equal(t, smtp.Unreachable, e.Kind)
	require.Zero(t, e.Code)
	require.Contains(t, e.Error(), "connect")
}

// The server closes the connection after it has the mail and before it says so: whether it was taken is not known.
func TestDeliver_dropAfterData(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Options{})
	conn := newConn(t, config(server.Addr))
	server.Set(smtptest.Hooks{Accepted: func(c *gosmtp.Conn, _ smtptest.Mail) error { return c.Conn().Close() }})
	e := failure(t, conn.Deliver(t.Context(), newMail()))
	require.Equal(t, smtp.Temporary, e.Kind)
	require.Zero(t, e.Code)
	require.False(t, conn.Connected())

	server.Set(smtptest.Hooks{})
	require.NoError(t, conn.Deliver(t.Context(), newMail()))
	mails := server.Mails()
	require.Len(t, mails, 2)
	require.Equal(t, mails[0].MessageID(), mails[1].MessageID(), "mailboxes can tell that it is the same mail")
	require.Equal(t, mails[0].Header.Get("Date"), mails[1].Header.Get("Date"))
}

// A connection that the server closed while it was idle costs nothing but a new one.
func TestDeliver_staleConnection(t *testing.T) {
	t.Parallel()
	for name, hang := range map[string]func(c *gosmtp.Conn) error{
		"closed":       func(c *gosmtp.Conn) error { return c.Conn().Close() },
		"says goodbye": func(*gosmtp.Conn) error { return reply(421, "idle for too long") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := smtptest.Start(t, smtptest.Options{})
			conn := newConn(t, config(server.Addr))
			require.NoError(t, conn.Deliver(t.Context(), newMail()))
			var done atomic.Bool
			server.Set(smtptest.Hooks{From: func(c *gosmtp.Conn, _ string) error {
				if done.Swap(true) {
					return nil
				}
				return hang(c)
			}})
			require.NoError(t, conn.Deliver(t.Context(), newMail()))
			require.Len(t, server.Mails(), 2)
			require.Equal(t, 2, server.Connections())
		})
	}
}

func TestDeliver_hangs(t *testing.T) {
	t.Parallel()
	wait := func(s *smtptest.Server) error {
		<-s.Stopped
		return reply(451, "too late")
	}
	for name, test := range map[string]struct {
		hooks func(s *smtptest.Server) smtptest.Hooks
		kind  smtp.Kind
	}{
		"at the greeting": {func(s *smtptest.Server) smtptest.Hooks {
			return smtptest.Hooks{Connect: func(*gosmtp.Conn) error { return wait(s) }}
		}, smtp.Unreachable},
		"at the recipient": {func(s *smtptest.Server) smtptest.Hooks {
			return smtptest.Hooks{Rcpt: func(*gosmtp.Conn, string) error { return wait(s) }}
		}, smtp.Temporary},
		"after the content": {func(s *smtptest.Server) smtptest.Hooks {
			return smtptest.Hooks{Accept: func(*gosmtp.Conn, smtptest.Mail) error { return wait(s) }}
		}, smtp.Temporary},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := smtptest.Start(t, smtptest.Options{})
			server.Set(test.hooks(server))
			cfg := config(server.Addr)
			cfg.DialTimeout, cfg.SendTimeout = 100*time.Millisecond, 100*time.Millisecond
			e := failure(t, newConn(t, cfg).Deliver(t.Context(), newMail()))
			require.Equal(t, test.kind, e.Kind)
			require.Zero(t, e.Code)
		})
	}
}

func TestDeliver_contextEnds(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	server.Set(smtptest.Hooks{Rcpt: func(*gosmtp.Conn, string) error {
		cancel()
		<-server.Stopped
		return nil
	}})
	cfg := config(server.Addr)
	cfg.SendTimeout = time.Hour
	e := failure(t, newConn(t, cfg).Deliver(ctx, newMail()))
	require.Equal(t, smtp.Temporary, e.Kind)
}

// certificate makes a key pair for 127.0.0.1 and the file of its authority.
func certificate(t *testing.T) (*tls.Config, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, path
}

func TestDeliver_encryptedWithLogin(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{smtp.TLSStartTLS, smtp.TLSImplicit} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			serverTLS, ca := certificate(t)
			server := smtptest.Start(t, smtptest.Options{TLS: serverTLS, Implicit: mode == smtp.TLSImplicit, Username: "sender", Password: "s3cret"})
			cfg := config(server.Addr)
			cfg.TLS, cfg.CAFile, cfg.Username = mode, ca, "sender"
			cfg.PasswordFile = filepath.Join(t.TempDir(), "password")
			require.NoError(t, os.WriteFile(cfg.PasswordFile, []byte("wrong\n"), 0o600))
			conn := newConn(t, cfg)
			e := failure(t, conn.Deliver(t.Context(), newMail()))
			require.Equal(t, smtp.Unreachable, e.Kind)
			require.Equal(t, 535, e.Code)
			require.NotContains(t, e.Error(), "wrong")

			require.NoError(t, os.WriteFile(cfg.PasswordFile, []byte("s3cret\n"), 0o600))
			require.NoError(t, conn.Deliver(t.Context(), newMail()), "the file is read again")
			require.Len(t, server.Mails(), 1)
			require.Equal(t, 1, server.Encrypted())
		})
	}
}

func TestDeliver_distrusts(t *testing.T) {
	t.Parallel()
	serverTLS, _ := certificate(t)
	_, otherCA := certificate(t)
	server := smtptest.Start(t, smtptest.Options{TLS: serverTLS})
	cfg := config(server.Addr)
	cfg.TLS, cfg.CAFile = smtp.TLSStartTLS, otherCA
	require.Equal(t, smtp.Unreachable, failure(t, newConn(t, cfg).Deliver(t.Context(), newMail())).Kind)

	plain := smtptest.Start(t, smtptest.Options{})
	cfg = config(plain.Addr)
	cfg.TLS = smtp.TLSStartTLS
	e := failure(t, newConn(t, cfg).Deliver(t.Context(), newMail()))
	require.Equal(t, smtp.Unreachable, e.Kind, "never in clear when encryption is asked for")
	require.Contains(t, e.Error(), "STARTTLS")
	require.Empty(t, plain.Mails())
}

func TestNewClient_refusesBadConfig(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*smtp.Config){
		"no address":      func(c *smtp.Config) { c.Address = "" },
		"no port":         func(c *smtp.Config) { c.Address = "mail.example.com" },
		"no sender":       func(c *smtp.Config) { c.From = "" },
		"bad reply":       func(c *smtp.Config) { c.ReplyTo = "x" },
		"unknown TLS":     func(c *smtp.Config) { c.TLS = "maybe" },
		"missing CA":      func(c *smtp.Config) { c.TLS, c.CAFile = smtp.TLSImplicit, "/nonexistent" },
		"no timeout":      func(c *smtp.Config) { c.SendTimeout = 0 },
		"no mails at all": func(c *smtp.Config) { c.MailsPerConnection = 0 },
	} {
		cfg := config("127.0.0.1:25")
		change(&cfg)
		_, err := smtp.NewClient(cfg)
		require.Error(t, err, name)
	}
}
