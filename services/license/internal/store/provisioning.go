package store

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-phone/switchboard/services/license/internal/model"
)

// Provisioning keeps operations that touch other services, so that each is carried to its end whatever process dies meanwhile.
//
// An operation (saga) is begun in one transaction that makes its intent durable, is worked on by calls to other services that
// can be repeated, and is finished or undone in one transaction. Between the two its phone users carry its id and nobody else
// may change them.
type Provisioning interface {
	// BeginSagas begins operations of one account in one transaction, each accepted or refused by itself: a refused one leaves
	// nothing. Results come in the order asked. Beginning a saga whose id exists already answers as the first time, so that an
	// ambiguous commit is repeated safely. The error is for trouble that has nothing to do with what was asked.
	BeginSagas(ctx context.Context, account uuid.UUID, begins []Begin) ([]BeginResult, error)

	// FinishSagas finishes operations of one account in one transaction. Done is false for each whose saga is not RUNNING any
	// more (another worker finished or undid it); of those nothing is written.
	FinishSagas(ctx context.Context, account uuid.UUID, finishes []Finish) (done []bool, err error)

	// MarkUndoing turns a RUNNING saga into an UNDOING one with the refusal it is undone for. It answers false when the saga is
	// not RUNNING any more.
	MarkUndoing(ctx context.Context, saga uuid.UUID, failure []byte) (bool, error)

	// AbortSagas ends UNDOING sagas of one account in one transaction: it removes each, gives its seats back, forgets its request id
	// and either deletes the phone users that it made or unlocks those that it held. Done is false for each that is gone already.
	AbortSagas(ctx context.Context, account uuid.UUID, aborts []Abort) (done []bool, err error)

	// ClaimSagas hands out up to limit sagas that nobody works on, for the length of claim; after that others get them again.
	// Only those whose claim ended within the last window are looked at; 0 looks at all (see Look).
	ClaimSagas(ctx context.Context, window time.Duration, limit int, claim time.Duration) ([]Saga, error)

	// KeepSagas has claims end after claim from now, for whoever is still at work on the sagas; 0 ends them, so that others may go on at
	// once. Sagas that are gone are left out, and whose the claims are is not asked.
	KeepSagas(ctx context.Context, sagas []uuid.UUID, claim time.Duration) error

	// LockedPhoneUsers reads the phone users of a saga, in the order of its plan; those gone are left out.
	LockedPhoneUsers(ctx context.Context, s *Saga) ([]model.PhoneUser, error)

	// FindRequest reads what is remembered under a caller's request id; nil when nothing is.
	FindRequest(ctx context.Context, account uuid.UUID, requestID string) (*Request, error)

	// DuePhoneUsers reads up to limit trashed phone users whose purge time has passed and that no operation holds, those due longest
	// first.
	DuePhoneUsers(ctx context.Context, now time.Time, limit int) ([]model.PhoneUser, error)

	// RemovedPhoneUsers returns those of the ids that were phone users and are not any more.
	RemovedPhoneUsers(ctx context.Context, account uuid.UUID, ids []uuid.UUID) (map[uuid.UUID]bool, error)

	// CountSagas counts the unfinished sagas and says when the oldest began (zero without any), for metrics.
	CountSagas(ctx context.Context) (count int, oldest time.Time, err error)
}

// SagaState says which way a saga goes.
type SagaState string

// The states of a saga. A finished one has no record.
const (
	SagaRunning SagaState = "RUNNING"
	SagaUndoing SagaState = "UNDOING"
)

// Saga is an operation under way.
type Saga struct {
	ID        uuid.UUID
	AccountID uuid.UUID
	Kind      string
	State     SagaState
	// Plan is what was decided when it began, as JSON; only the package provisioning reads it.
	Plan []byte
	// PhoneUserIDs are the phone users that it made or holds, in the order asked.
	PhoneUserIDs []uuid.UUID
	// Seats is how many licence seats it took when it began.
	Seats     int
	RequestID string
	Actor     string
	// TraceID is the request id of the call that began it, as found in logs.
	TraceID string
	// TraceParent is the trace in which it is driven at present; it is not stored.
	TraceParent string
	Failure     []byte
	Attempts    int
	CreateTime  time.Time
}

// Begin asks for an operation to begin.
type Begin struct {
	// Saga is the operation; its Seats are taken.
	Saga Saga
	// Claim is how long no other worker takes the saga up.
	Claim time.Duration
	// BodyHash is the hash of the caller's request; used when Saga.RequestID is set.
	BodyHash []byte
	// Insert are phone users to make. Mutually exclusive with Lock.
	Insert []model.PhoneUser
	// Lock are phone users to hold, in the order asked.
	Lock []uuid.UUID
	// Check looks at the phone users that are locked, as they are, and refuses. It may be called several times and must not
	// have effects.
	Check func(locked []model.PhoneUser) error
	// Revive says that the phone users locked leave the trash: each becomes its assignee's licence at once, which is refused with
	// ALREADY_LICENSED when the assignee has another one.
	Revive bool
	// SiteIDs must exist when the operation begins; the refusal names no index.
	SiteIDs []uuid.UUID
}

// BeginResult is what became of a Begin.
type BeginResult struct {
	// Locked are the phone users held, in the order asked, as they were.
	Locked []model.PhoneUser
	// Response is the remembered answer of an earlier call under the same request id; nil if there was none.
	Response []byte
	// InProgress is the saga of an earlier call under the same request id that is still under way; uuid.Nil for none.
	InProgress uuid.UUID
	// Err is the refusal.
	Err error
}

// Finish says how an operation ends.
type Finish struct {
	Saga *Saga
	// Update are phone users as they become; each must be one of the saga's. They are unlocked, and their revision is raised.
	Update []model.PhoneUser
	// Delete are phone users that are gone.
	Delete []uuid.UUID
	// ReleaseSeats is how many licence seats are given back.
	ReleaseSeats int
	Log          []model.LogEntry
	Outbox       []OutboxMessage
	// ActivateUsers are directory users that become ACTIVE.
	ActivateUsers []uuid.UUID
	// Response is remembered under the caller's request id.
	Response []byte
}

// Abort says how an undone operation ends.
type Abort struct {
	Saga *Saga
	// DeletePhoneUsers deletes the phone users, which the saga made; otherwise they are unlocked.
	DeletePhoneUsers bool
}

// OutboxMessage is a message for the notification service.
type OutboxMessage struct {
	ID        uuid.UUID
	AccountID uuid.UUID
	// Message is a serialised switchboard.notification.v1.Message.
	Message []byte
}

// Request is what is remembered under a caller's request id.
type Request struct {
	BodyHash []byte
	// Response is nil while the operation is under way.
	Response []byte
	SagaID   uuid.UUID
}

// Outbox hands messages over to the notification service.
type Outbox interface {
	// ClaimOutbox hands out up to limit messages, oldest first, for the length of claim; after that others get them again. window
	// is as in ClaimSagas.
	ClaimOutbox(ctx context.Context, window time.Duration, limit int, claim time.Duration) ([]OutboxMessage, error)
	// DeleteOutbox forgets messages that were taken.
	DeleteOutbox(ctx context.Context, ids []uuid.UUID) error
	// ReleaseOutbox ends claims ahead of their time, so that others get the messages at once; those that are gone are left out. It does
	// not ask whose the claims are: a message that two hand over is taken once.
	ReleaseOutbox(ctx context.Context, ids []uuid.UUID) error
	// CountOutbox counts the messages and says when the oldest was written (zero without any), for metrics.
	CountOutbox(ctx context.Context) (count int, oldest time.Time, err error)
}

// PhoneUserWriter changes phone users where no other service is involved.
type PhoneUserWriter interface {
	// ChangePhoneUser reads a phone user, has change decide, and writes what it returns, in one transaction. change may be called
	// several times and must not have effects. A phone user that an operation holds is refused with OPERATION_IN_PROGRESS, one
	// that is not there with NOT_FOUND.
	ChangePhoneUser(ctx context.Context, account, id uuid.UUID, change func(p model.PhoneUser) (Change, error)) (model.PhoneUser, error)
}

// Change is what becomes of one phone user.
type Change struct {
	PhoneUser model.PhoneUser
	// Unchanged says that nothing is to be written.
	Unchanged bool
	Log       []model.LogEntry
	Outbox    []OutboxMessage
}

// PhoneRecords keeps records of telephony backends. They are entries of the account log, of the kind RECORD, from the beginning: a
// phone user shows those about itself while it lives, and nothing has to be moved when it is removed.
type PhoneRecords interface {
	// AddRecord writes a record about a phone user, who must exist (NOT_FOUND). A record with the same id about the same phone user
	// is left as it is and returned.
	AddRecord(ctx context.Context, entry model.LogEntry) (model.LogEntry, error)
	// CountRecords counts the records about each of the phone users; those without any are left out.
	CountRecords(ctx context.Context, account uuid.UUID, phoneUsers []uuid.UUID) (map[uuid.UUID]int, error)
}

// Look says how far back a worker looks for claims that have ended. Rows that are gone are kept by CockroachDB for a day, and a
// look at everything walks over them, so most looks go back a minute only, which is enough while any replica is looking;
// one look a minute takes all.
type Look struct{ whole time.Time }

// lookBack is how far back most looks go, and how often one looks at everything.
const lookBack = time.Minute

// Window returns the window of the next look, at now: 0 for everything.
func (l *Look) Window(now time.Time) time.Duration {
	if now.Sub(l.whole) < lookBack {
		return lookBack
	}
	l.whole = now
	return 0
}
