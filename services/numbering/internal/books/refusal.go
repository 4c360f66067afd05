package books

import (
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// ErrBroken is wrapped by errors that show the books to be wrong: a rule that always holds does not. It is a fault of the
// program and never the caller's.
var ErrBroken = errors.New("the books are broken")

// Kind says why something was refused.
type Kind string

// The refusals.
const (
	// PackageNotFound: the account has no package Package.
	PackageNotFound Kind = "package not found"
	// PackageInactive: Package cannot be given to new holders, which Items names.
	PackageInactive Kind = "package is inactive"
	// SeatsExhausted: Package has Seats, of which Assigned are taken, and Requested more are needed. Items names those for
	// whom there is none.
	SeatsExhausted Kind = "package has too few seats"
	// SeatsInUse: Package cannot have as few as Seats, since Assigned are taken.
	SeatsInUse Kind = "package has more holders than seats"
	// PackageRequired: the owner holds no package, so it cannot be given numbers.
	PackageRequired Kind = "a number needs a package"
	// NumberNotAvailable: the numbers in Items are not the account's, or assigned, or in quarantine.
	NumberNotAvailable Kind = "number is not available"
	// NumberNotFound: the account does not have the numbers in Items.
	NumberNotFound Kind = "number not found"
	// NumberExists: the account has the numbers in Items already.
	NumberExists Kind = "number exists"
	// TooManyNumbers: an owner would hold more than Limit numbers.
	TooManyNumbers Kind = "owner would have too many numbers"
	// NameInUse: another package of the account is called Name.
	NameInUse Kind = "display name is in use"
	// TooManyPackages: the account has Limit packages.
	TooManyPackages Kind = "account has too many packages"
	// RevisionMismatch: the package has been changed since it was read; Revision is the present one.
	RevisionMismatch Kind = "package was changed meanwhile"
)

// RefusalError is an error that the request itself is to blame for. Which fields are set is said at each Kind.
type RefusalError struct {
	Kind                       Kind
	Package                    uuid.UUID
	Name                       string
	Seats, Assigned, Requested int64
	Limit, Revision            int64
	Items                      []Item
	// Cause is what the database said, if it was the one to notice.
	Cause error
}

// Item points at the part of a request that is to blame.
type Item struct {
	// Owner is the index of the owner in the request.
	Owner int
	// Index is the index of the number among the owner's (or the request's) numbers; -1 when the owner itself is to blame.
	Index int
	// Number is the number, if one is to blame.
	Number string
}

// Error implements error.
func (r *RefusalError) Error() string { return fmt.Sprintf("refused: %s", r.Kind) }

// Unwrap returns the cause.
func (r *RefusalError) Unwrap() error { return r.Cause }
