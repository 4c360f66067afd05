package model

import (
	"time"

	"github.com/google/uuid"
	"go.einride.tech/aip/resourcename"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/platform/resource"
)

const operationPattern = "operations/{operation}"

// OperationName returns the name of an operation that goes on after the call that began it.
func OperationName(id uuid.UUID) string {
	return resourcename.Sprint(operationPattern, id.String())
}

// ParseOperation reads an operation's name; it refuses other names with NOT_FOUND.
func ParseOperation(name string) (id uuid.UUID, err error) {
	err = resource.Scan(name, operationPattern, &id)
	return id, err
}

// ParseRoom reads a room's name; it refuses other names with NOT_FOUND.
func ParseRoom(name string) (account, id uuid.UUID, err error) { return parseChild(roomPattern, name) }

// ImportState is how far a bulk import is.
type ImportState string

// The states of an import.
const (
	// ImportUploading is an import whose rows are being written. A crash can leave it so for good; it is deleted then.
	ImportUploading ImportState = "UPLOADING"
	// ImportQueued waits for a worker, ImportRunning has or had one.
	ImportQueued  ImportState = "QUEUED"
	ImportRunning ImportState = "RUNNING"
	// ImportSucceeded and ImportCancelled are over.
	ImportSucceeded ImportState = "SUCCEEDED"
	ImportCancelled ImportState = "CANCELLED"
)

// Import is a bulk import of phone users.
type Import struct {
	ID        uuid.UUID
	AccountID uuid.UUID
	State     ImportState
	// AssignOnly refuses rows of people and rooms that have a licence; otherwise they are changed to what the row says.
	AssignOnly bool
	// ValidateOnly reports what would happen and changes nothing.
	ValidateOnly bool
	// RequestID is the caller's idempotency key, empty for none.
	RequestID string
	// Actor and TraceID are written into the account log.
	Actor   string
	TraceID string
	Counts  ImportCounts
	// BegunRow is the last row that may have been worked on.
	BegunRow int
	Tally    ImportTally
	// FirstErrors are the first refused rows, as callers see them.
	FirstErrors     []*licensev1.ImportRow
	CancelRequested bool
	// Claim is the token of the worker that has it; uuid.Nil for none.
	Claim      uuid.UUID
	CreateTime time.Time
	// StartTime is when a worker first took it up, EndTime when it ended; zero before.
	StartTime time.Time
	EndTime   time.Time
	// ReadTime is when the record was read, by the database's clock like all times here.
	ReadTime time.Time
}

// Done says whether the import is over.
func (m *Import) Done() bool { return m.State == ImportSucceeded || m.State == ImportCancelled }

// ImportCounts counts the rows of an import.
type ImportCounts struct {
	// Rows are all rows; Succeeded, Unchanged and Failed those done, each in one of the three.
	Rows, Succeeded, Unchanged, Failed int
	// Warnings are the rows with a warning.
	Warnings int
}

// Processed is how many rows are done or refused.
func (c ImportCounts) Processed() int { return c.Succeeded + c.Unchanged + c.Failed }

// ImportTally is what the rows that were looked at so far would take, for an import that only validates.
type ImportTally struct {
	// Seats are licence seats.
	Seats int `json:"seats,omitempty"`
	// Extensions are extension numbers by site.
	Extensions map[uuid.UUID]int `json:"extensions,omitempty"`
	// Packages are package seats by package.
	Packages map[uuid.UUID]int `json:"packages,omitempty"`
}

// ImportOutcome is what became of a row, in the words of licensev1.ImportRow_Outcome.
type ImportOutcome string

// The outcomes.
const (
	RowPending   ImportOutcome = ""
	RowAssigned  ImportOutcome = "ASSIGNED"
	RowUpdated   ImportOutcome = "UPDATED"
	RowUnchanged ImportOutcome = "UNCHANGED"
	RowFailed    ImportOutcome = "FAILED"
)

// ImportRow is one row of an import.
type ImportRow struct {
	// Number counts rows from 1, Line is the line of the file that the row begins on.
	Number, Line int
	Cells        ImportCells
	Warnings     []string
	// Changing says that a change of a phone user has begun for it.
	Changing bool
	Outcome  ImportOutcome
	// Error is a serialised google.rpc.Status, for RowFailed.
	Error []byte
	// PhoneUserID is the phone user; uuid.Nil for none.
	PhoneUserID uuid.UUID
}

// ImportCells are a row's cells, without the blanks around them. An empty one leaves a thing alone, "-" clears it.
type ImportCells struct {
	Email, Room, Site, Package, Template, Extension, PhoneNumbers string
}

// Key is what the row is called by: the e-mail address or the room.
func (c *ImportCells) Key() string {
	if c.Email != "" {
		return c.Email
	}
	return c.Room
}
