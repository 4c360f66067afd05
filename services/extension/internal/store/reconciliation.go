package store

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
)

// Owned is an extension with the one it belongs to, as it was at one time: whatever is done with an extension (Allocate for an owner
// who has it included) gives it another UpdateTime.
type Owned struct {
	Account    uuid.UUID
	Number     number.Number
	Owner      uuid.UUID
	UpdateTime time.Time
}

// Suspect is an extension whose owner is missing.
type Suspect struct {
	Owned
	// Rounds is in how many rounds running it was.
	Rounds int
}

// Reconciliation finds extensions whose owners do not exist.
type Reconciliation interface {
	// BeginRound begins the next round and returns its number, from 1 on; 0 when the last one began less than interval ago.
	BeginRound(ctx context.Context, interval time.Duration, now time.Time) (int64, error)
	// ListOwned returns up to limit assigned and held extensions of all accounts in the order of account and number, from the one
	// after account and number on.
	ListOwned(ctx context.Context, account uuid.UUID, after number.Number, limit int) ([]Owned, error)
	// ReportMissing notes that owners are missing in a round and returns those whose extension is still as it was listed.
	// Repeating it in a round changes nothing.
	ReportMissing(ctx context.Context, round int64, missing []Owned) ([]Suspect, error)
	// Suspects returns those of the extensions that are as they were listed, with what was noted of them in the present round.
	Suspects(ctx context.Context, missing []Owned) ([]Suspect, error)
	// ReleaseMissing frees up to limit extensions that are as they were when they were noted, in this round and in so many running
	// as are wanted, and returns them. What was noted before this round is forgotten.
	ReleaseMissing(ctx context.Context, round int64, rounds, limit int) ([]Owned, error)
}
