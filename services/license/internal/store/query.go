package store

import (
	"time"

	"github.com/google/uuid"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/platform/filter"
)

// Queries hold what a list is narrowed by. Limit is how many rows to read at most; After is where the page before ended, nil
// for the first page. Counting ignores both, and the order.

// NameCursor is a place in a list that is ordered by folded name and id.
type NameCursor struct {
	Key string    `json:"k"`
	ID  uuid.UUID `json:"i"`
}

// SiteCursor is a place in the list of sites.
type SiteCursor struct {
	Main bool   `json:"m"`
	Key  string `json:"k"`
}

// UserQuery narrows a list of people.
type UserQuery struct {
	// Words must each be a part of name or e-mail address; see model.QueryWords.
	Words []string
	// Filter is one of UserFilter.
	Filter filter.Filter
	After  *NameCursor
	Limit  int
}

// RoomQuery narrows a list of rooms.
type RoomQuery struct {
	// Words must each be a part of the name.
	Words []string
	After *NameCursor
	Limit int
}

// PhoneUserOrder is what phone users can be ordered by.
type PhoneUserOrder int

// The orders. The id decides among equals.
const (
	ByDisplayName PhoneUserOrder = iota
	ByExtension
	ByCreateTime
)

// PhoneUserQuery narrows a list of phone users.
type PhoneUserQuery struct {
	// States are those listed.
	States []model.State
	// Words must each begin a word of name or e-mail address, the extension or a direct number; see model.QueryWords.
	Words []string
	// Filter is one of PhoneUserFilter.
	Filter filter.Filter
	// InactivePackages are the account's packages that the filter field packageState finds as INACTIVE; all others are ACTIVE.
	InactivePackages []uuid.UUID
	Order            PhoneUserOrder
	Descending       bool
	After            *PhoneUserCursor
	Limit            int
}

// PhoneUserCursor is a place in a list of phone users: the key that it is ordered by, and the id.
type PhoneUserCursor struct {
	Key  string    `json:"k,omitempty"`
	Time time.Time `json:"t,omitzero"`
	ID   uuid.UUID `json:"i"`
}

// LogQuery narrows a list of log entries.
type LogQuery struct {
	// Filter is one of LogFilter.
	Filter filter.Filter
	After  *LogCursor
	Limit  int
}

// LogCursor is a place in the log.
type LogCursor struct {
	Time time.Time `json:"t"`
	ID   uuid.UUID `json:"i"`
}

// PhoneUserAfter is the cursor behind p in a list of that order.
func PhoneUserAfter(p *model.PhoneUser, order PhoneUserOrder) PhoneUserCursor {
	switch order {
	case ByExtension:
		return PhoneUserCursor{Key: p.ExtensionNumber, ID: p.ID}
	case ByCreateTime:
		return PhoneUserCursor{Time: p.CreateTime, ID: p.ID}
	}
	return PhoneUserCursor{Key: model.Fold(p.DisplayName), ID: p.ID}
}

// UserFilter is what lists of people can be filtered by.
func UserFilter() *filter.Schema {
	return filter.New(map[string]filter.Field{
		"licensed": filter.Bool(),
		"status":   filter.Enum(licensev1.User_STATUS_UNSPECIFIED.Descriptor()),
		"role":     filter.Values(map[string]any{"OWNER": "OWNER", "ADMIN": "ADMIN", "MEMBER": "MEMBER"}),
		"email": filter.Name("ana@example.com", func(address string) (any, error) {
			return model.EmailKey(address), nil
		}),
	})
}

// PhoneUserFilter is what lists of phone users of an account can be filtered by.
func PhoneUserFilter(account uuid.UUID) *filter.Schema {
	return filter.New(map[string]filter.Field{
		"site":          nameField(account, "accounts/a/sites/s", model.ParseSite),
		"package":       nameField(account, "accounts/a/packages/p", model.ParsePackage).Optional(),
		"packageState":  filter.Values(map[string]any{"ACTIVE": "ACTIVE", "INACTIVE": "INACTIVE"}).Optional(),
		"state":         filter.Enum(licensev1.PhoneUser_STATE_UNSPECIFIED.Descriptor()),
		"kind":          filter.Enum(licensev1.PhoneUser_KIND_UNSPECIFIED.Descriptor()),
		"setupComplete": filter.Bool(),
	})
}

// LogFilter is what the log of an account can be filtered by.
func LogFilter(account uuid.UUID) *filter.Schema {
	return filter.New(map[string]filter.Field{
		"phoneUser": nameField(account, "accounts/a/phoneUsers/p", model.ParsePhoneUser),
		"kind":      filter.Enum(licensev1.LogEntry_KIND_UNSPECIFIED.Descriptor()),
		"time":      filter.Time(),
		"actor":     filter.String(),
	})
}

// nameField compares with the id in a resource name; a name of another account, or one that cannot be, matches nothing.
func nameField(account uuid.UUID, pattern string, parse func(string) (uuid.UUID, uuid.UUID, error)) filter.Field {
	return filter.Name(pattern, func(name string) (any, error) {
		owner, id, err := parse(name)
		if err != nil || owner != account {
			return nil, filter.ErrNoMatch
		}
		return id, nil
	})
}
