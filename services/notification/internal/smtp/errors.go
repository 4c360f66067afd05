package smtp

import (
	"errors"
	"fmt"
	"net/textproto"

	"github.com/switchboard-phone/switchboard/services/notification/internal/message"
)

// CodeOK is the reply to a mail that was taken (RFC 5321, section 4.2.3).
const CodeOK = 250

// Kind says what a failure means for the mail.
type Kind int

// The kinds of failure.
const (
	// Temporary failures may pass: the same mail may be tried again. The server may even have taken it, when the connection
	// broke before its answer came.
	Temporary Kind = iota
	// Permanent refusals of this mail: a repeat would be refused again.
	Permanent
	// Unreachable means that no session with the mail server came about, whatever the mail: it is down, or refuses this
	// client. The mail was not sent.
	Unreachable
)

// Error says why a mail was not delivered.
type Error struct {
	Kind Kind
	// Code is the server's reply code (RFC 5321), 0 when there was none.
	Code  int
	stale bool // the connection was dead before the mail's first command
	err   error
}

// Error implements error. It is one line, and fit for an administrator's eyes.
func (e *Error) Error() string { return message.SingleLine(e.err.Error(), 500) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.err }

// replyCode finds the server's reply in err, if there is one.
func replyCode(err error) int {
	var reply *textproto.Error
	if errors.As(err, &reply) {
		return reply.Code
	}
	return 0
}

func connectionError(err error) *Error {
	return &Error{Kind: Unreachable, Code: replyCode(err), err: err}
}

// sessionError classifies a failure inside a session. Replies 5yz are final (RFC 5321, section 4.2.1), with the exception of
// those that speak of the client and not of the mail: they end when the configuration is put right.
func sessionError(stage string, err error) *Error {
	e := &Error{Kind: Temporary, Code: replyCode(err), err: fmt.Errorf("%s: %w", stage, err)}
	if e.Code < 500 {
		return e
	}
	e.Kind = Permanent
	switch e.Code {
	case 521, 530, 534, 535, 538: // accepts no mail, authentication required, too weak, failed, needs encryption
		e.Kind = Unreachable
	}
	if stage == stageMail { // refuses the sender's address, which all mails share
		e.Kind = Unreachable
	}
	return e
}
