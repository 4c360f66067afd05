// Package store says what the extension service keeps, and what it may rely on. The implementation is in sqlstore; storetest
// has the suite that an implementation must pass.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/platform/filter"
)

// State is where a number that has a row is in its life.
type State string

// The states. A number without a row is free.
const (
	Assigned    State = "ASSIGNED"
	Held        State = "HELD"
	Quarantined State = "QUARANTINED"
	Reserved    State = "RESERVED"
)

// Range is a run of numbers at a site.
type Range struct {
	ID, Account, Site uuid.UUID
	number.Span
	CreateTime time.Time
}

// Extension is a number that is not free.
type Extension struct {
	Number number.Number
	State  State
	// Owner is set when the state is Assigned or Held.
	Owner uuid.UUID
	// QuarantineUntil is set when the state is Quarantined: the first instant at which the number is free.
	QuarantineUntil time.Time
}

// Claim asks for one number for one owner.
type Claim struct {
	// Request groups claims: either all claims of a request are settled, or none of them is written.
	Request int
	Owner   uuid.UUID
	Number  number.Number
	// Range is the range that Number was taken from.
	Range uuid.UUID
}

// Outcome is what became of a claim. Exactly one of Got and Taken is set, or RangeGone, or none of them: then the claim itself
// was fine but another of its request was not.
type Outcome struct {
	// Got is what the owner has: the number claimed, or another one it had before.
	Got *Extension
	// Taken is the row that keeps the number from the owner.
	Taken *Extension
	// RangeGone is set when the range does not exist any more (or does not hold the number).
	RangeGone bool
}

// Settled says whether the owner has an extension now.
func (o Outcome) Settled() bool { return o.Got != nil }

// BlockUse says how many numbers of a block have live rows.
type BlockUse struct{ Block, Used int64 }

// Swap replaces an owner's number.
type Swap struct {
	Site, Owner uuid.UUID
	Number      number.Number
	// QuarantineUntil, when later than now, keeps the old number out of use until then.
	QuarantineUntil time.Time
}

// List selects a page.
type List struct {
	// After is the last number of the page before; zero for the first page.
	After number.Number
	Limit int
	// Filter narrows the list; its fields are FilterState and FilterHolder. For extensions only.
	Filter filter.Filter
}

// Fields of List.Filter: a State, and the owner's id.
const (
	FilterState  = "state"
	FilterHolder = "holder"
)

// Errors that callers tell apart. Everything else is a failure of the store.
var (
	ErrRangeNotFound = errors.New("no such range")
	ErrTooManyRanges = errors.New("the site has as many ranges as it may have")
	// ErrOutOfRange is a number that is in no range of the site.
	ErrOutOfRange = errors.New("the number is in no range of the site")
)

// OverlapError is a new range that shares numbers with an existing one.
type OverlapError struct{ With Range }

func (e *OverlapError) Error() string {
	return fmt.Sprintf("the range shares numbers with range %s", e.With.ID)
}

// RangeInUseError is a range with numbers that are assigned or held.
type RangeInUseError struct{ Used int64 }

func (e *RangeInUseError) Error() string {
	return fmt.Sprintf("%d numbers of the range are in use", e.Used)
}

// TakenError names the rows that are in the way.
type TakenError struct{ By []Extension }

func (e *TakenError) Error() string { return fmt.Sprintf("%d numbers are taken", len(e.By)) }

// NoExtensionError names owners without an extension.
type NoExtensionError struct{ Owners []uuid.UUID }

func (e *NoExtensionError) Error() string {
	return fmt.Sprintf("%d owners have no extension", len(e.Owners))
}

// Store keeps ranges and extensions. Every method is atomic and serializable with every other. now is the caller's time: a
// quarantine that ends at or before it is over, and its row counts as none ("live" rows are the others). Methods that are
// given ids or numbers take at most some thousands.
//
// A method that failed for another reason than the documented ones may have taken effect all the same (a commit whose answer
// was lost); all of them may be repeated then and answer as if the first had not been, except that Release and Unreserve name only what they
// freed themselves.
type Store interface {
	Ranges
	Lifecycle
	Reader
	Reconciliation
}

// Ranges keeps ranges.
type Ranges interface {
	// CreateRange makes a range. Repeating it with the same id does nothing. Errors: *OverlapError, ErrTooManyRanges (more than
	// maxPerSite).
	CreateRange(ctx context.Context, r Range, maxPerSite int) error
	// DeleteRange deletes a range that has no assigned or held number; reserved and quarantined numbers stay so. Errors:
	// ErrRangeNotFound, *RangeInUseError.
	DeleteRange(ctx context.Context, account, site, id uuid.UUID) error
	// SiteRanges returns all ranges of a site, lowest first.
	SiteRanges(ctx context.Context, account, site uuid.UUID) ([]Range, error)
	// ListRanges returns a page of the ranges of a site (of the account, when site is uuid.Nil), lowest first.
	ListRanges(ctx context.Context, account, site uuid.UUID, page List) ([]Range, error)
	// AllRanges returns up to limit ranges of all accounts in the order of account and number, from the one after account and number.
	AllRanges(ctx context.Context, account uuid.UUID, after number.Number, limit int) ([]Range, error)
	// RangesAcross returns the ranges of an account that share a number with the span from..to, whose ends may differ in length,
	// lowest first.
	RangesAcross(ctx context.Context, account uuid.UUID, from, to number.Number) ([]Range, error)
}

// Lifecycle moves numbers between states.
type Lifecycle interface {
	// Allocate settles claims, whose owners must be distinct, as must their numbers. An owner that has an extension keeps it. It
	// returns one outcome per claim in their order.
	Allocate(ctx context.Context, account uuid.UUID, claims []Claim, now time.Time) ([]Outcome, error)
	// Swap gives the owner the number in place of the one it has, if any, in the same state (Assigned, when it had none). It
	// returns the row it had before; nil when it had none or this very number. Errors: ErrOutOfRange, *TakenError.
	Swap(ctx context.Context, account uuid.UUID, s Swap, now time.Time) (*Extension, error)
	// Release takes the extensions of owners away, and returns the rows as they were. With until later than now the numbers are
	// quarantined until then.
	Release(ctx context.Context, account uuid.UUID, owners []uuid.UUID, until, now time.Time) ([]Extension, error)
	// Keep returns the extensions of the owners, in no order, and gives each a new update time: see Reconciliation.
	Keep(ctx context.Context, account uuid.UUID, owners []uuid.UUID, now time.Time) ([]Extension, error)
	// Hold makes extensions Held and returns those that are; owners without one are left out.
	Hold(ctx context.Context, account uuid.UUID, owners []uuid.UUID, now time.Time) ([]Extension, error)
	// Reclaim makes extensions Assigned and returns them, in no order. Errors: *NoExtensionError, and then nothing is changed.
	Reclaim(ctx context.Context, account uuid.UUID, owners []uuid.UUID, now time.Time) ([]Extension, error)
	// Reserve makes all the numbers Reserved, or none. Errors: *TakenError.
	Reserve(ctx context.Context, account uuid.UUID, numbers []number.Number, now time.Time) error
	// Unreserve frees those of the numbers that are Reserved, and returns them as they were.
	Unreserve(ctx context.Context, account uuid.UUID, numbers []number.Number) ([]Extension, error)
}

// Reader reads.
type Reader interface {
	// Lookup returns the live rows of the numbers, in no order.
	Lookup(ctx context.Context, account uuid.UUID, numbers []number.Number, now time.Time) ([]Extension, error)
	// ByOwner returns the extensions of the owners, in no order.
	ByOwner(ctx context.Context, account uuid.UUID, owners []uuid.UUID) ([]Extension, error)
	// ListByOwner returns up to limit extensions that have an owner, in the order of the owners' ids, behind the owner after; uuid.Nil for
	// the first.
	ListByOwner(ctx context.Context, account, after uuid.UUID, limit int) ([]Extension, error)
	// ListExtensions returns a page of the live rows, lowest first.
	ListExtensions(ctx context.Context, account uuid.UUID, page List, now time.Time) ([]Extension, error)
	// Used returns the live rows of the spans, each span's ascending.
	Used(ctx context.Context, account uuid.UUID, spans []number.Span, now time.Time) ([]Extension, error)
	// Occupancy counts the live rows of every block of every span, numbers in except not counted. Blocks without any are left
	// out. All counts are of the same instant.
	Occupancy(ctx context.Context, account uuid.UUID, spans []number.Span, except []number.Number, now time.Time) ([][]BlockUse, error)
	// Gaps returns the first runs of numbers of a span, at most limit, that have no live row, lowest first.
	Gaps(ctx context.Context, account uuid.UUID, sp number.Span, now time.Time, limit int) ([]number.Span, error)
	// CountUsed counts the live rows of every span, numbers in except not counted.
	CountUsed(ctx context.Context, queries []UseQuery, except []number.Number, now time.Time) ([]int64, error)
}

// UseQuery asks about a span of an account.
type UseQuery struct {
	Account uuid.UUID
	number.Span
}
