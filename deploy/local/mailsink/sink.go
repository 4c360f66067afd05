package mailsink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/emersion/go-smtp"
)

// Limits of the SMTP server.
const (
	maxMessageBytes = 4 << 20
	maxRecipients   = 100
	ioTimeout       = time.Minute
)

// Sink is the mail server. It is safe for concurrent use.
type Sink struct {
	*Mailbox
	smtp   *smtp.Server
	refuse atomic.Pointer[func(to string) error]
}

// New makes a sink that keeps its mails in memory (the newest 50,000) and, where dir is not empty, also in that folder, one .eml
// file each.
func New(dir string, log *slog.Logger) (*Sink, error) {
	box, err := newMailbox(dir)
	if err != nil {
		return nil, err
	}
	s := &Sink{Mailbox: box}
	s.smtp = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{sink: s}, nil }))
	s.smtp.Domain = "localhost"
	s.smtp.MaxMessageBytes = maxMessageBytes
	s.smtp.MaxRecipients = maxRecipients
	s.smtp.ReadTimeout = ioTimeout
	s.smtp.WriteTimeout = ioTimeout
	s.smtp.EnableSMTPUTF8 = true
	s.smtp.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	return s, nil
}

// Serve takes mails from lis until Close. It returns nil after Close.
func (s *Sink) Serve(lis net.Listener) error {
	if err := s.smtp.Serve(lis); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
		return fmt.Errorf("serving SMTP: %w", err)
	}
	return nil
}

// Close ends the SMTP server, after the conversations under way where ctx allows.
func (s *Sink) Close(ctx context.Context) error {
	if err := s.smtp.Shutdown(ctx); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
		return errors.Join(err, s.smtp.Close())
	}
	return nil
}

// Refuse makes the sink answer each delivery with what rule says of its recipient, nil for taking it. Use *smtp.SMTPError for a reply
// code; another error is a temporary refusal. A nil rule takes everything again.
func (s *Sink) Refuse(rule func(to string) error) {
	if rule == nil {
		s.refuse.Store(nil)
		return
	}
	s.refuse.Store(&rule)
}

// ServeHTTP answers GET with {"messages":[…]}, newest first: all mails, with ?to=ADDRESS those to one address, with ?limit=N the
// newest N of them.
func (s *Sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET is answered here", http.StatusMethodNotAllowed)
		return
	}
	limit := 0
	if v := r.URL.Query().Get("limit"); v != "" {
		var err error
		if limit, err = strconv.Atoi(v); err != nil || limit < 0 {
			http.Error(w, "limit must be a number from 0", http.StatusBadRequest)
			return
		}
	}
	_, _, duplicates := s.Stats()
	w.Header().Set("Content-Type", "application/json")
	// The caller may be gone; there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(struct {
		Messages []Mail `json:"messages"`
		// DuplicateDeliveries counts deliveries of mails that were there already.
		DuplicateDeliveries int `json:"duplicateDeliveries"`
	}{s.Mails(r.URL.Query().Get("to"), limit), duplicates})
}

// session is one SMTP conversation.
type session struct {
	sink *Sink
	from string
	to   []string
}

// Mail begins a mail.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from, s.to = from, nil
	return nil
}

// Rcpt adds a recipient.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if rule := s.sink.refuse.Load(); rule != nil {
		if err := (*rule)(to); err != nil {
			return err
		}
	}
	s.to = append(s.to, to)
	return nil
}

// Data takes the mail itself.
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("reading the mail: %w", err)
	}
	for _, to := range s.to {
		if err := s.sink.deliver(s.from, to, raw); err != nil {
			return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: err.Error()}
		}
	}
	return nil
}

// Reset drops the mail under way.
func (s *session) Reset() { s.from, s.to = "", nil }

// Logout ends the conversation.
func (s *session) Logout() error { return nil }
