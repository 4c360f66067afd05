package store

import (
	"context"

	"github.com/google/uuid"

	"github.com/switchboard-phone/switchboard/services/license/internal/model"
)

// Records keeps what operations work on, and reads all that callers can list.
type Records interface {
	Accounts
	Sites
	Directory
	Templates
	PhoneUserReader
	LogReader
}

// Remember makes a call repeatable: its answer is kept under the caller's request id in the transaction that does the work.
type Remember struct {
	// RequestID is the key. Empty means that nothing is remembered.
	RequestID string
	// Owner is whose request id it is, where the account does not say so.
	Owner string
	// BodyHash tells whether a repeated call is the same.
	BodyHash []byte
	// Answer is the serialised answer.
	Answer []byte
}

// Key is what the answer is kept under.
func (r Remember) Key() string {
	if r.Owner == "" {
		return r.RequestID
	}
	return r.Owner + "/" + r.RequestID
}

// Accounts keeps accounts.
type Accounts interface {
	// CreateAccount adds an account with its seats and its main site. Where a call with the same request id succeeded before,
	// nothing is added and its answer is returned as replay; another body under that id is refused with REQUEST_ID_REUSED.
	// Request ids of this call are one name space per Remember.Owner.
	CreateAccount(ctx context.Context, a model.Account, main model.Site, r Remember) (replay []byte, err error)

	// GetAccount reads an account, with the seats taken, or refuses with NOT_FOUND.
	GetAccount(ctx context.Context, id uuid.UUID) (model.Account, error)

	// UpdateAccount reads an account, has change decide, and writes what it returns under the next revision. An error of change
	// is returned as it is, and nothing is written. change may be called several times and must not have effects; Taken, which
	// it is shown, cannot change before the write. Refused with NOT_FOUND.
	UpdateAccount(ctx context.Context, id uuid.UUID, change func(model.Account) (model.Account, error)) (model.Account, error)
}

// Sites keeps sites. Every account has at least one, and exactly one of them is the main site.
type Sites interface {
	// CreateSite adds a site; a main one takes the mark from the present main site. Refused with NOT_FOUND (account), NAME_IN_USE,
	// and with LIMIT_REACHED when the account has limit sites.
	CreateSite(ctx context.Context, s model.Site, limit int) error

	// GetSite reads a site or refuses with NOT_FOUND.
	GetSite(ctx context.Context, account, id uuid.UUID) (model.Site, error)

	// ResolveSite returns the site, or for uuid.Nil the account's only one. Refused with NOT_FOUND (site or account) and
	// SITE_REQUIRED (several sites and none named).
	ResolveSite(ctx context.Context, account, id uuid.UUID) (uuid.UUID, error)

	// ListSites reads up to limit sites that follow after, the main site first, then by name.
	ListSites(ctx context.Context, account uuid.UUID, after *SiteCursor, limit int) ([]model.Site, error)

	// UpdateSite is UpdateAccount for a site. A site that becomes the main one takes the mark from the present one; change must not
	// take it off the main site. Also refused with NAME_IN_USE.
	UpdateSite(ctx context.Context, account, id uuid.UUID, change func(model.Site) (model.Site, error)) (model.Site, error)

	// DeleteSite removes a site. Refused with NOT_FOUND, and with RESOURCE_IN_USE while it is the main site or phone users
	// (trashed ones too), rooms or templates refer to it.
	DeleteSite(ctx context.Context, account, id uuid.UUID) error
}

// Directory keeps people and rooms.
type Directory interface {
	// CreateUsers adds people to an account, all or none, and remembers the answer as CreateAccount does, with request ids of
	// the account. Refused with NOT_FOUND (account or site), EMAIL_IN_USE and REQUEST_ID_REUSED; refusals name every offending
	// person.
	CreateUsers(ctx context.Context, account uuid.UUID, n NewUsers, r Remember) (replay []byte, err error)

	// GetUser reads a person, with the living licence, or refuses with NOT_FOUND.
	GetUser(ctx context.Context, account, id uuid.UUID) (model.User, error)

	// GetUsers and GetRooms read those of the ids that exist, without licences.
	GetUsers(ctx context.Context, account uuid.UUID, ids []uuid.UUID) (map[uuid.UUID]model.User, error)
	GetRooms(ctx context.Context, account uuid.UUID, ids []uuid.UUID) (map[uuid.UUID]model.Room, error)

	// ListUsers reads people by name, with their living licences; CountUsers counts all that match.
	ListUsers(ctx context.Context, account uuid.UUID, q UserQuery) ([]model.User, error)
	CountUsers(ctx context.Context, account uuid.UUID, q UserQuery) (int, error)

	// CreateRoom adds a room at its site, or without one at the account's only site, and returns it. Refused with NAME_IN_USE,
	// NOT_FOUND (site or account) and SITE_REQUIRED.
	CreateRoom(ctx context.Context, room model.Room) (model.Room, error)

	// ListRooms reads rooms by name, with their living licences.
	ListRooms(ctx context.Context, account uuid.UUID, q RoomQuery) ([]model.Room, error)
}

// NewUsers are people to add.
type NewUsers struct {
	Users []model.User
	// Path says how the i-th person is called in refusals, such as "users[3]".
	Path func(i int) string
	// Invited are PENDING phone users of some of the people, each of which takes a licence seat, with the log entries and mails
	// that go with them. All of it is written in the same transaction; also refused with LICENSE_EXHAUSTED.
	Invited []model.PhoneUser
	Log     []model.LogEntry
	Outbox  []OutboxMessage
}

// Templates keeps setting templates.
type Templates interface {
	// CreateTemplate adds a template. Refused with NOT_FOUND (account or site), NAME_IN_USE, and with LIMIT_REACHED when the
	// account has limit templates.
	CreateTemplate(ctx context.Context, t model.Template, limit int) error

	// GetTemplate reads a template or refuses with NOT_FOUND.
	GetTemplate(ctx context.Context, account, id uuid.UUID) (model.Template, error)

	// ListTemplates reads up to limit templates whose names follow after, by name.
	ListTemplates(ctx context.Context, account uuid.UUID, after *NameCursor, limit int) ([]model.Template, error)

	// UpdateTemplate is UpdateAccount for a template. Also refused with NAME_IN_USE. The site is fixed.
	UpdateTemplate(ctx context.Context, account, id uuid.UUID, change func(model.Template) (model.Template, error)) (model.Template, error)

	// DeleteTemplate removes a template or refuses with NOT_FOUND.
	DeleteTemplate(ctx context.Context, account, id uuid.UUID) error
}

// PhoneUserReader reads phone users.
type PhoneUserReader interface {
	// GetPhoneUser reads a phone user in whatever state, or refuses with NOT_FOUND.
	GetPhoneUser(ctx context.Context, account, id uuid.UUID) (model.PhoneUser, error)

	// GetPhoneUsers reads phone users in the order asked; NOT_FOUND names each that is missing as phone_users[i].
	GetPhoneUsers(ctx context.Context, account uuid.UUID, ids []uuid.UUID) ([]model.PhoneUser, error)

	// LivePhoneUsers returns the phone users of those of the assignees that have a licence outside the trash.
	LivePhoneUsers(ctx context.Context, account uuid.UUID, assignees []uuid.UUID) (map[uuid.UUID]uuid.UUID, error)

	// ListPhoneUsers reads a page of phone users; CountPhoneUsers counts all that match.
	ListPhoneUsers(ctx context.Context, account uuid.UUID, q PhoneUserQuery) ([]model.PhoneUser, error)
	CountPhoneUsers(ctx context.Context, account uuid.UUID, q PhoneUserQuery) (int, error)
}

// LogReader reads the account log.
type LogReader interface {
	// ListLog reads entries, newest first.
	ListLog(ctx context.Context, account uuid.UUID, q LogQuery) ([]model.LogEntry, error)
}
