// Package message holds what a notification is and the rules it follows: states, retries, what a reader may see. It knows
// neither SQL nor gRPC nor SMTP.
package message

import (
	"strings"
	"time"

	"github.com/google/uuid"
)

// Kind says why a mail is sent, and so which template it is made of. The values are stored.
type Kind string

// The kinds.
const (
	Welcome    Kind = "WELCOME"    // a licence was assigned
	Invitation Kind = "INVITATION" // a person is asked to confirm the account
	Confirmed  Kind = "CONFIRMED"  // an invited person confirmed
)

// State says how far a message is. The values are stored.
type State string

// The states. SENT and FAILED are final, with one exception: a success that is reported late turns FAILED into SENT.
const (
	Queued State = "QUEUED" // to be sent, for the first time or again
	Sent   State = "SENT"   // taken by the mail server
	Failed State = "FAILED" // given up
)

// Key names a message.
type Key struct {
	Account uuid.UUID
	ID      uuid.UUID
}

// New is a message as it is put into the queue.
type New struct {
	Key
	Kind        Kind
	Recipient   string
	DisplayName string
	Subject     string
	// TextBody is the text that readers may see, without working tokens.
	TextBody string
	// MailText and MailHTML are the two forms of the mail itself.
	MailText string
	MailHTML string
	// PhoneUser is the phone user that it is about, if any.
	PhoneUser uuid.NullUUID
	// RequestID is the request id of the call that caused it, TraceParent its trace (W3C traceparent); both may be empty.
	RequestID   string
	TraceParent string
}

// Message is a message as readers see it.
type Message struct {
	Key
	Kind      Kind
	Recipient string
	Subject   string
	TextBody  string
	PhoneUser uuid.NullUUID
	State     State
	// Attempts counts the tries at delivery that were begun.
	Attempts int
	// LastError is what went wrong last; empty when nothing ever did.
	LastError  string
	CreateTime time.Time
	// NextAttemptTime is when delivery is tried next, or by when the try under way has ended; zero unless QUEUED.
	NextAttemptTime time.Time
	// SendTime is when the mail server took it; zero unless SENT.
	SendTime time.Time
}

// Attempt is one try at delivery.
type Attempt struct {
	// Number counts from 1.
	Number int
	// Time is when it began.
	Time time.Time
	// Finished says whether its outcome is on record. It stays false when the sender died in the middle.
	Finished bool
	// Succeeded says whether the mail server took the mail.
	Succeeded bool
	// SMTPCode is the server's reply code (RFC 5321), 0 when there was none.
	SMTPCode int
	// Error says what went wrong.
	Error string
}

// Claimed is a message that a sender has taken out of the queue for one try.
type Claimed struct {
	Claim
	// Failures is how many earlier tries brought it nearer to being given up.
	Failures    int
	Recipient   string
	DisplayName string
	Subject     string
	MailText    string
	MailHTML    string
	Kind        Kind
	RequestID   string
	TraceParent string
	CreateTime  time.Time
}

// RecipientKey is the form of an e-mail address under which it is searched: letter case does not matter.
func RecipientKey(address string) string { return strings.ToLower(strings.TrimSpace(address)) }

// Claim names one try at delivery of one message.
type Claim struct {
	Key
	Attempt int
}

// Outcome is what became of one try at delivery.
type Outcome struct {
	Claim
	// State is SENT, FAILED (given up) or QUEUED (to be tried again after RetryAfter).
	State      State
	RetryAfter time.Duration
	// Counts says whether a failure brings the message nearer to being given up.
	Counts bool
	// SMTPCode is the server's reply code, 0 when there was none.
	SMTPCode int
	// Error says what went wrong; empty when State is SENT.
	Error string
}

// Backlog says what waits to be sent.
type Backlog struct {
	// Queued is the number of messages in the queue, counted up to a limit.
	Queued int
	// OldestDue is for how long the message that is due longest has been due; 0 when none is.
	OldestDue time.Duration
}
