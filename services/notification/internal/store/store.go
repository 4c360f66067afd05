// Package store says what the notification service needs of its database. The suite in store/storetest holds every
// implementation to it.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-phone/switchboard/services/notification/internal/message"
	"github.com/switchboard-phone/switchboard/services/platform/filter"
)

// ErrNotFound is a message that is not there.
var ErrNotFound = errors.New("no such message")

// Store keeps messages and their delivery attempts. It is safe for concurrent use, by several processes at once. Times are the
// database's own, so that processes whose clocks differ agree on what is due.
//
// What is not promised: that messages are claimed in exactly the order of their enqueueing; that an error means that nothing
// was done (the answer may have been lost).
type Store interface {
	Queue
	Archive
}

// Queue is what delivery needs.
type Queue interface {
	// Enqueue adds messages, due at once, and says how many were not there yet. One that is there already, by account and id,
	// stays as it is, whatever its state; so does the second of two with the same key in one call. All are added or none.
	// Repeating the call after an error is safe.
	Enqueue(ctx context.Context, messages []message.New) (int, error)

	// Claim takes up to limit messages that are due, longest due first, for one try each, and notes the beginning of the try
	// under the sender's name. Nobody else gets them before lease is over, counted from a moment during the call. Two calls
	// never get the same message within a lease. When the answer is lost, the messages come back after lease.
	Claim(ctx context.Context, limit int, lease time.Duration, sender string) ([]message.Claimed, error)

	// Record notes outcomes, each message at most once per call. A success holds whatever happened meanwhile. A failure
	// changes the message only if it has not been claimed again since; the attempt itself is noted in any case. The texts of a
	// mail that is sent or given up are erased, except for the readable one. Repeating the call is safe.
	Record(ctx context.Context, outcomes []message.Outcome) error

	// Release gives claimed messages back for which no try was begun: they are due at once, and the claim leaves no trace. A
	// message that has been claimed again since stays as it is. Repeating the call is safe.
	Release(ctx context.Context, claims []message.Claim) error

	// Backlog says what waits, counting up to limit messages.
	Backlog(ctx context.Context, limit int) (message.Backlog, error)
}

// Cursor is the place of a message in a list.
type Cursor struct {
	CreateTime time.Time `json:"t"`
	ID         uuid.UUID `json:"i"`
}

// Archive is what readers need. Filters are those of FilterSchema.
type Archive interface {
	// List returns up to limit messages of an account that meet the filter, newest first, that follow after (nil: from the
	// newest). Two of the same instant are ordered by id, larger ids first.
	List(ctx context.Context, account uuid.UUID, where filter.Filter, after *Cursor, limit int) ([]message.Message, error)

	// Count says how many messages of an account meet the filter.
	Count(ctx context.Context, account uuid.UUID, where filter.Filter) (int, error)

	// Told returns those of the phone users whom there is a message to, in no order.
	Told(ctx context.Context, account uuid.UUID, phoneUsers []uuid.UUID) ([]uuid.UUID, error)

	// Get returns a message with its latest attempts, oldest of them first, up to maxAttempts. ErrNotFound when the account
	// has no such message.
	Get(ctx context.Context, key message.Key, maxAttempts int) (message.Message, []message.Attempt, error)
}
