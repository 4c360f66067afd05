// Package importing assigns licences to many by a file: the batch contract for any number of rows. Each row is done once or
// refused with its own error.
//
// The call that brings the file checks it as a whole, writes its rows down and answers. Workers carry the rows out in chunks,
// through the operations of package provisioning, and write down what became of each. The rows are the work list: a worker
// that dies is followed by another, which goes on with the rows that have no outcome. A row that gives a licence names the phone
// user by an id that follows from import and row, so that what was done before a crash is known again.
package importing

import (
	"context"

	"github.com/google/uuid"

	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
)

// Store is what imports work on.
type Store interface {
	store.Records
	store.Imports
}

// Catalogue is what the other services say of packages and extension numbers.
type Catalogue interface {
	// Packages lists all packages of an account.
	Packages(ctx context.Context, account uuid.UUID) ([]Package, error)
	// FreeExtensions counts the free numbers in the ranges of a site.
	FreeExtensions(ctx context.Context, account, site uuid.UUID) (int, error)
	// CheckExtensions says of each of up to 1,000 numbers whether the site could give it out now: nil, or the refusal.
	CheckExtensions(ctx context.Context, account, site uuid.UUID, numbers []string) ([]error, error)
}

// Package is a calling package.
type Package struct {
	ID          uuid.UUID
	DisplayName string
	Active      bool
	// Seats is how many can hold it, Assigned how many do.
	Seats, Assigned int
}

// phoneUserID is the id of the phone user that a row of an import makes.
func phoneUserID(m *model.Import, row int) uuid.UUID {
	return uuid.NewSHA1(m.ID, []byte(itoa(row)))
}

// caller is who asked for an import.
func caller(m *model.Import) provisioning.Caller {
	return provisioning.Caller{Actor: m.Actor, TraceID: m.TraceID}
}
