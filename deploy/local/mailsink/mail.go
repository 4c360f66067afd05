// Package mailsink is a mail server for one machine: it takes every mail over SMTP, sends none of them on, and shows them
// over HTTP. It belongs to the local stack and to tests.
//
// Like a mailbox provider it knows a mail by its Message-ID: a mail that is delivered to the same person again under the
// same Message-ID is the same mail, is listed once, and is counted as a duplicate delivery.
package mailsink

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"time"
)

// Mail is a mail to one person.
type Mail struct {
	// To is the address that it was delivered to (of the envelope).
	To string `json:"to"`
	// From is the sender's address of the envelope.
	From string `json:"from"`
	// Subject is the decoded subject.
	Subject string `json:"subject"`
	// Text is the decoded plain-text body.
	Text string `json:"text"`
	// HTML is the decoded HTML body; empty for none.
	HTML string `json:"html"`
	// Time is when the sink took it, the first time where it was delivered more than once.
	Time time.Time `json:"time"`
	// MessageID is the Message-ID header, with its angle brackets.
	MessageID string `json:"messageId"`
	// RequestID is the X-Request-Id header: the call that caused the mail. Empty for none.
	RequestID string `json:"requestId"`
	// Deliveries is how often it was delivered: 1, or more where the sender did not know that it had got through.
	Deliveries int `json:"deliveries"`

	// size is what it counts for in the sink's bound.
	size int
}

// maxDepth bounds the nesting of multipart bodies.
const maxDepth = 8

// parse reads a mail as it came over the wire.
func parse(raw []byte) (*Mail, error) {
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("reading the mail's header: %w", err)
	}
	m := &Mail{MessageID: strings.TrimSpace(msg.Header.Get("Message-ID")), RequestID: msg.Header.Get("X-Request-Id")}
	m.Subject, err = new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject"))
	if err != nil {
		return nil, fmt.Errorf("reading the mail's subject: %w", err)
	}
	if err := m.addPart(header(msg.Header), msg.Body, 0); err != nil {
		return nil, err
	}
	m.size = len(m.Subject) + len(m.Text) + len(m.HTML) + 256
	return m, nil
}

// header is what mails and their parts have in common.
type header map[string][]string

func (h header) get(key string) string {
	if v := h[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// addPart takes the text out of one part, and of those within it.
func (m *Mail) addPart(h header, body io.Reader, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("the mail's parts are nested more than %d deep", maxDepth)
	}
	kind := h.get("Content-Type")
	if kind == "" {
		kind = "text/plain"
	}
	mediaType, params, err := mime.ParseMediaType(kind)
	if err != nil {
		return fmt.Errorf("reading the content type %q: %w", kind, err)
	}
	if strings.HasPrefix(mediaType, "multipart/") {
		return m.addParts(multipart.NewReader(body, params["boundary"]), depth)
	}
	text, err := io.ReadAll(decoder(h.get("Content-Transfer-Encoding"), body))
	if err != nil {
		return fmt.Errorf("reading the mail's body: %w", err)
	}
	// Lines end with CRLF on the wire and with LF for people.
	clean := strings.ReplaceAll(string(text), "\r\n", "\n")
	switch {
	case mediaType == "text/html" && m.HTML == "":
		m.HTML = clean
	case mediaType == "text/plain" && m.Text == "":
		m.Text = clean
	}
	return nil
}

func (m *Mail) addParts(parts *multipart.Reader, depth int) error {
	for {
		// A raw part keeps its transfer encoding, so that parts and whole mails are decoded in one place.
		part, err := parts.NextRawPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the mail's parts: %w", err)
		}
		if err := m.addPart(header(part.Header), part, depth+1); err != nil {
			return err
		}
	}
}

// decoder undoes a content transfer encoding (RFC 2045, section 6).
func decoder(encoding string, body io.Reader) io.Reader {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "quoted-printable":
		return quotedprintable.NewReader(body)
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, body)
	default:
		return body
	}
}
