package store

import (
	"context"

	"github.com/google/uuid"

	"github.com/switchboard-phone/switchboard/services/license/internal/model"
)

// Checkup reads what the doctor compares, and sets counts right.
type Checkup interface {
	// AccountIDs returns up to limit accounts in the order of their ids, behind after; uuid.Nil for the first.
	AccountIDs(ctx context.Context, after uuid.UUID, limit int) ([]uuid.UUID, error)
	// PhoneUsersByID returns up to limit phone users of an account in any state, in the order of their ids, behind after.
	PhoneUsersByID(ctx context.Context, account, after uuid.UUID, limit int) ([]model.PhoneUser, error)
	// FindPhoneUsers returns those of the phone users that there are, in any state and in no order.
	FindPhoneUsers(ctx context.Context, account uuid.UUID, ids []uuid.UUID) ([]model.PhoneUser, error)
	// ExistingSagas returns those of the operations that there are.
	ExistingSagas(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]bool, error)
	// Unlock frees a phone user from an operation that does not exist. It does nothing when the operation exists, or another one holds
	// the phone user.
	Unlock(ctx context.Context, account, phoneUser, saga uuid.UUID) error
	// InOutbox returns those of the messages that wait to be handed over.
	InOutbox(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]bool, error)
	// AuditSeats says how many seats the account counts as taken and how many licences there are, of one instant; with repair the count
	// becomes the latter, and the seats at least as many.
	AuditSeats(ctx context.Context, account uuid.UUID, repair bool) (counted, licences int, err error)
}
