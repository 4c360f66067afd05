// Package store is the contract between the numbering service and its database. Package sqlstore implements it; package
// storetest is the suite that every implementation passes.
package store

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-phone/switchboard/services/numbering/internal/books"
	"github.com/switchboard-phone/switchboard/services/platform/filter"
)

// Store keeps the books of all accounts. Accounts are not known to it: one that was never heard of simply has nothing, and no
// method shows or changes anything of an account other than the one given.
//
// Every method is one transaction, serializable with all others: it happens wholly or not at all, as if nothing else ran at
// the time. An error that is a *books.RefusalError means that nothing was changed. After any other error it may have been: methods
// say what their repetition does. Times given are kept to the microsecond.
//
// Not promised: fairness between callers, and that a list walked page by page is a snapshot.
type Store interface {
	// CreatePackage adds a package. Refused with NameInUse, TooManyPackages. Repeated after it took effect, it is refused with
	// NameInUse.
	CreatePackage(ctx context.Context, account uuid.UUID, p books.Package) error
	// GetPackage reads a package. Refused with PackageNotFound.
	GetPackage(ctx context.Context, account, id uuid.UUID) (books.Package, error)
	// ListPackages reads up to limit packages in the order of books.FoldName of their names, beginning behind the name whose
	// fold is after; empty for the first.
	ListPackages(ctx context.Context, account uuid.UUID, after string, limit int) ([]books.Package, error)
	// UpdatePackage changes DisplayName, Kind, Seats and State of a package to what change leaves there, and returns the package.
	// Revision goes up by one if there is a difference. change may be called several times, each time with the package as it
	// is then; its error is returned and nothing changed. Refused with PackageNotFound, NameInUse, SeatsInUse.
	UpdatePackage(ctx context.Context, account, id uuid.UUID, change func(p *books.Package) error) (books.Package, error)

	// CreateNumbers adds distinct numbers, Available. Refused with NumberExists, whose items name all that exist. Repeated
	// after it took effect, it is refused so.
	CreateNumbers(ctx context.Context, account uuid.UUID, numbers []string, createTime time.Time) error
	// DeleteNumbers deletes distinct numbers. Refused with NumberNotFound or NumberNotAvailable (Assigned), whose items name all
	// that are.
	DeleteNumbers(ctx context.Context, account uuid.UUID, numbers []string) error
	// ListNumbers reads up to limit numbers that q matches, ascending, beginning behind the number after; empty for the first.
	ListNumbers(ctx context.Context, account uuid.UUID, q NumberQuery, after string, limit int) ([]books.PhoneNumber, error)
	// CountNumbers counts the numbers that q matches.
	CountNumbers(ctx context.Context, account uuid.UUID, q NumberQuery) (int64, error)

	// Change opens a ledger on scope, has apply change it, and writes what differs. apply may be called several times, each time
	// with a fresh ledger, also after a run took effect whose commit was not confirmed: so it must be idempotent, and only
	// what its last call left counts. An error that wraps books.ErrBroken says that the database refused what the rules allow.
	Change(ctx context.Context, account uuid.UUID, scope books.Scope, now time.Time, apply func(l *books.Ledger) error) error
	// Preview does the same and writes nothing.
	Preview(ctx context.Context, account uuid.UUID, scope books.Scope, now time.Time, apply func(l *books.Ledger) error) error

	// ListAccounts reads up to limit accounts that have packages, ascending, beginning behind after; uuid.Nil for the first.
	ListAccounts(ctx context.Context, after uuid.UUID, limit int) ([]uuid.UUID, error)
	// ListOwners reads up to limit of those who hold a package or a number, ascending, beginning behind after; uuid.Nil for the first.
	ListOwners(ctx context.Context, account, after uuid.UUID, limit int) ([]uuid.UUID, error)
	// RecountSeats sets the count of assigned seats of the packages to the number of their holders, and their seats to at least that.
	RecountSeats(ctx context.Context, account uuid.UUID, packages []uuid.UUID) error
	// Audit looks for places where the books of an account contradict themselves: a package whose count of assigned seats is
	// not the number of its holders, or an owner with numbers but no package. There are none unless the program, or somebody
	// with access to the database, made a mistake. At most 100 are returned. It reads all of the account's assignments.
	Audit(ctx context.Context, account uuid.UUID) ([]Discrepancy, error)
}

// NumberQuery says which direct numbers a list shows. The zero value, with Now, matches all.
type NumberQuery struct {
	// Now decides which quarantines are over; numbers whose is are Available.
	Now time.Time
	// Contains is text that numbers hold; one that begins with "+" is where they begin.
	Contains string
	// Filter compares the fields NumberState and NumberOwner.
	Filter filter.Filter
}

// Names of the fields that a filter of numbers may compare, and what their values are.
const (
	// NumberState is a books.NumberState, as text.
	NumberState = "state"
	// NumberOwner is the owner's uuid.UUID; it may be missing.
	NumberOwner = "assignee"
)

// Discrepancy is a place where the books contradict themselves: either about a package or about an owner.
type Discrepancy struct {
	// Package counts Assigned seats taken but has Holders holders.
	Package           uuid.UUID
	Assigned, Holders int64
	// Owner holds Number without a package.
	Owner  uuid.UUID
	Number string
}
