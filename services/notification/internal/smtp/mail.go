package smtp

import (
	"bytes"
	"fmt"
	"net/mail"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/switchboard-phone/switchboard/services/notification/internal/message"
)

// Mail is a mail to be delivered.
type Mail struct {
	// ID becomes the left side of the Message-ID header. The same ID makes the same header, so that mailboxes recognise a
	// mail that was delivered twice.
	ID string
	// Date becomes the Date header; it should be the same in every repeat.
	Date time.Time
	// Recipient is the bare address; Name is shown with it and may be empty.
	Recipient string
	Name      string
	Subject   string
	Text      string
	HTML      string
	// RequestID is that of the call which caused the mail, for those who look into why it was sent; empty for none.
	RequestID string
}

// compose makes the mail as it travels, and the address to deliver it to. It fails when the recipient is no address.
//
// Names and subject come from typed text. They reach the headers through net/mail's and go-mail's encoders, which put
// whatever is not plain ASCII into encoded words (RFC 2047); line breaks are taken out before, so that nothing can begin a
// header of its own.
func (s *settings) compose(m Mail) (string, []byte, error) {
	to, err := mail.ParseAddress("<" + m.Recipient + ">")
	if err != nil {
		return "", nil, fmt.Errorf("%q is not a mail address", m.Recipient)
	}
	to.Name = message.SingleLine(m.Name, 120)
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(s.from)
	msg.ToMailAddress(to)
	if s.re != nil {
		msg.ReplyToMailAddress(s.re)
	}
	msg.Subject(message.SingleLine(m.Subject, 0))
	msg.SetMessageIDWithValue(m.ID + "@" + s.MessageIDDomain)
	msg.SetDateWithValue(m.Date.UTC())
	// Keeps out-of-office replies away (RFC 3834, section 5).
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	if m.RequestID != "" {
		msg.SetGenHeader("X-Request-Id", message.SingleLine(m.RequestID, 0))
	}
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	var b bytes.Buffer
	if _, err := msg.WriteTo(&b); err != nil {
		return "", nil, fmt.Errorf("compose mail: %w", err)
	}
	return to.Address, b.Bytes(), nil
}
