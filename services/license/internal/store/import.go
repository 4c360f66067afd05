package store

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
)

// ErrImportLost says that an import is in the hands of another worker by now, or over.
var ErrImportLost = errors.New("the import is not this worker's any more")

// Imports keeps bulk imports: what was asked for, the rows as a durable work list, and what became of each.
//
// An import is made, given its rows and started by the call that brings the file. Workers then claim it for a time, which
// they extend while they work; a worker that dies is followed by another when its time is over. All that a worker writes is
// written only while its claim is the last one, so that a worker that was thought dead cannot disturb its follower.
type Imports interface {
	// CreateImport makes an import that is UPLOADING and returns its id, or with a request id that was used for the same request
	// before, the id of that import, whatever its state. A dry run does not use its request id up: the id is remembered apart, for
	// other dry runs. Refused with REQUEST_ID_REUSED.
	CreateImport(ctx context.Context, m model.Import, r Remember) (uuid.UUID, error)

	// AddImportRows adds rows to an import that is UPLOADING; those that it has already are left as they are, so that an upload
	// can be repeated. Refused with NOT_FOUND when there is no such import, with ErrImportLost when it was started already.
	AddImportRows(ctx context.Context, id uuid.UUID, rows []model.ImportRow) error

	// StartImport makes an import that is UPLOADING a QUEUED one, with its counts and first errors. One that was started already is
	// left as it is.
	StartImport(ctx context.Context, id uuid.UUID, counts model.ImportCounts, first []*licensev1.ImportRow) error

	// GetImport reads an import or refuses with NOT_FOUND.
	GetImport(ctx context.Context, id uuid.UUID) (model.Import, error)

	// CancelImport asks an import to stop. One that is over is left as it is. Refused with NOT_FOUND.
	CancelImport(ctx context.Context, id uuid.UUID) error

	// ListImportRows reads rows by number.
	ListImportRows(ctx context.Context, id uuid.UUID, q ImportRowQuery) ([]model.ImportRow, error)

	// ClaimImport hands out an import that is to be worked on and that nobody works on, for the length of claim, under the token
	// model.Import.Claim; nil when there is none. window is as in Provisioning.ClaimSagas.
	ClaimImport(ctx context.Context, window, claim time.Duration) (*model.Import, error)

	// RenewImport extends a claim to the length of claim from now, raises BegunRow to begun, and says whether the import is asked
	// to stop. The error is ErrImportLost when the claim is not the last one any more.
	RenewImport(ctx context.Context, m *model.Import, claim time.Duration, begun int) (cancel bool, err error)

	// MarkChanging marks rows of which a change begins. The error may be ErrImportLost.
	MarkChanging(ctx context.Context, m *model.Import, rows []int) error

	// RecordRows writes what became of rows (outcome, error, phone user), and with it the counts, the tally and the first errors of
	// the import. Rows that have an outcome are left as they are, so that the call can be repeated. The error may be
	// ErrImportLost.
	RecordRows(ctx context.Context, m *model.Import, rows []model.ImportRow) error

	// ReleaseImport gives a claim back, so that others need not wait for its end. A claim that is lost stays so.
	ReleaseImport(ctx context.Context, m *model.Import) error

	// EndImport ends an import. The error may be ErrImportLost.
	EndImport(ctx context.Context, m *model.Import, end model.ImportState) error

	// DeleteImports deletes imports that ended more than kept ago, and those that have been UPLOADING for more than abandoned, a
	// bounded number of rows per transaction and of imports per call. It says how many are gone.
	DeleteImports(ctx context.Context, kept, abandoned time.Duration) (int, error)

	ImportLookups
}

// ImportLookups find in bulk what the rows of an import name.
type ImportLookups interface {
	// FindUsers finds people by model.EmailKey of their addresses, FindRooms rooms by model.Fold of their names. Keys that nobody
	// has are left out.
	FindUsers(ctx context.Context, account uuid.UUID, emailKeys []string) (map[string]model.User, error)
	FindRooms(ctx context.Context, account uuid.UUID, nameKeys []string) (map[string]model.Room, error)

	// FindLicences finds the phone users outside the trash of assignees.
	FindLicences(ctx context.Context, account uuid.UUID, assignees []uuid.UUID) (map[uuid.UUID]model.PhoneUser, error)

	// LoggedPhoneUsers says which of the phone users the account log has entries of, also if they are gone. The first is written in
	// the transaction that assigns the licence.
	LoggedPhoneUsers(ctx context.Context, account uuid.UUID, phoneUsers []uuid.UUID) (map[uuid.UUID]bool, error)
}

// ImportRowQuery narrows a list of rows.
type ImportRowQuery struct {
	// After is the number of the row before the first one.
	After int
	// UpTo is the number of the last row; 0 for no bound.
	UpTo int
	// Outcome is the only outcome listed, where OnlyOutcome is set.
	Outcome     model.ImportOutcome
	OnlyOutcome bool
	// Wish picks rows by whether they name an extension number.
	Wish  Wish
	Limit int
}

// Wish says whether a row names an extension number.
type Wish int

// What can be asked for.
const (
	WishOrNot Wish = iota
	WithWish
	WithoutWish
)
