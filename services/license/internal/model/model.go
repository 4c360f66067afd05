// Package model holds the license service's records as plain values: what the store keeps and the rules work on. It knows
// neither SQL nor gRPC.
package model

import (
	"time"

	"github.com/google/uuid"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
)

// Account is one customer organisation.
type Account struct {
	ID          uuid.UUID
	DisplayName string
	// Seats is how many licences the account has bought, Taken how many of them are in use.
	Seats, Taken int
	Policy       Policy
	Revision     int64
	CreateTime   time.Time
	UpdateTime   time.Time
}

// Policy is what an account has decided about the life cycle of its phone users.
type Policy struct {
	// SoftDelete sends active phone users to the trash before they can be removed.
	SoftDelete bool
	// ExtensionQuarantine and PhoneNumberQuarantine keep freed numbers out of use, in whole seconds.
	ExtensionQuarantine   time.Duration
	PhoneNumberQuarantine time.Duration
}

// Site is a place that phone users belong to.
type Site struct {
	AccountID   uuid.UUID
	ID          uuid.UUID
	DisplayName string
	SiteCode    string
	IsMain      bool
	Revision    int64
	CreateTime  time.Time
}

// Role is what a person may do in an account, in the words of the database and of the API.
type Role string

// The roles.
const (
	RoleOwner  Role = "OWNER"
	RoleAdmin  Role = "ADMIN"
	RoleMember Role = "MEMBER"
)

// UserStatus is how far a person has come.
type UserStatus string

// The statuses.
const (
	UserActive  UserStatus = "ACTIVE"
	UserPending UserStatus = "PENDING"
)

// User is a person of the directory.
type User struct {
	AccountID   uuid.UUID
	ID          uuid.UUID
	Email       string
	GivenName   string
	FamilyName  string
	DisplayName string
	Role        Role
	Status      UserStatus
	// Phone says that the person was added with a phone licence.
	Phone bool
	// SiteID is the site asked for when the person was added; uuid.Nil for none.
	SiteID     uuid.UUID
	CreateTime time.Time
	// PhoneUserID is the living licence, filled by reads; uuid.Nil for none.
	PhoneUserID uuid.UUID
}

// Room is a meeting room.
type Room struct {
	AccountID   uuid.UUID
	ID          uuid.UUID
	DisplayName string
	SiteID      uuid.UUID
	CreateTime  time.Time
	// PhoneUserID is the living licence, filled by reads; uuid.Nil for none.
	PhoneUserID uuid.UUID
}

// Template is a set of settings under a name.
type Template struct {
	AccountID   uuid.UUID
	ID          uuid.UUID
	DisplayName string
	// SiteID is the only site that it may be used at; uuid.Nil for every site.
	SiteID     uuid.UUID
	Settings   *licensev1.Settings
	Revision   int64
	CreateTime time.Time
}

// AssigneeKind says what holds a licence.
type AssigneeKind string

// The kinds.
const (
	KindUser AssigneeKind = "USER"
	KindRoom AssigneeKind = "ROOM"
)

// State is where a phone user is in its life.
type State string

// The states.
const (
	StatePending      State = "PENDING"
	StateProvisioning State = "PROVISIONING"
	StateActive       State = "ACTIVE"
	StateTrashed      State = "TRASHED"
)

// PhoneUser is a person or room with a phone licence.
type PhoneUser struct {
	AccountID       uuid.UUID
	ID              uuid.UUID
	AssigneeKind    AssigneeKind
	AssigneeID      uuid.UUID
	DisplayName     string
	Email           string
	State           State
	ExtensionNumber string
	SiteID          uuid.UUID
	// PackageID is the package held; uuid.Nil for none.
	PackageID    uuid.UUID
	PhoneNumbers []string
	// TrashedPackageID and TrashedPhoneNumbers are what it held when it was trashed, for restoring.
	TrashedPackageID    uuid.UUID
	TrashedPhoneNumbers []string
	Settings            *licensev1.Settings
	SetupComplete       bool
	// Invited says that the person came in by invitation and so may change the own extension.
	Invited bool
	// ResendTime is when the mail was last sent again; zero for never.
	ResendTime time.Time
	// SagaID is the operation under way, which alone may change the record; uuid.Nil for none.
	SagaID     uuid.UUID
	Revision   int64
	CreateTime time.Time
	UpdateTime time.Time
	// DeleteTime and PurgeTime are set in the trash.
	DeleteTime time.Time
	PurgeTime  time.Time
}

// Live says whether the phone user counts as its assignee's licence: it does everywhere but in the trash.
func (p *PhoneUser) Live() bool { return p.State != StateTrashed }

// LogKind is what happened, in the words of licensev1.LogEntry_Kind.
type LogKind string

// The kinds of log entries written so far.
const (
	LogAssigned               LogKind = "ASSIGNED"
	LogInvited                LogKind = "INVITED"
	LogConfirmed              LogKind = "CONFIRMED"
	LogExtensionChanged       LogKind = "EXTENSION_CHANGED"
	LogSiteChanged            LogKind = "SITE_CHANGED"
	LogSettingsChanged        LogKind = "SETTINGS_CHANGED"
	LogSetupCompleted         LogKind = "SETUP_COMPLETED"
	LogInviteResent           LogKind = "INVITE_RESENT"
	LogPackageAssigned        LogKind = "PACKAGE_ASSIGNED"
	LogPackagesRemoved        LogKind = "PACKAGES_REMOVED"
	LogPhoneNumbersAssigned   LogKind = "PHONE_NUMBERS_ASSIGNED"
	LogPhoneNumbersUnassigned LogKind = "PHONE_NUMBERS_UNASSIGNED"
	LogTrashed                LogKind = "TRASHED"
	LogRestored               LogKind = "RESTORED"
	LogRemoved                LogKind = "REMOVED"
	LogPurged                 LogKind = "PURGED"
	LogRecord                 LogKind = "RECORD"
)

// LogEntry is one change of a phone user.
type LogEntry struct {
	AccountID    uuid.UUID
	ID           uuid.UUID
	Time         time.Time
	Kind         LogKind
	PhoneUserID  uuid.UUID
	AssigneeKind AssigneeKind
	AssigneeID   uuid.UUID
	DisplayName  string
	Actor        string
	RequestID    string
	// Before and After are JSON objects of the fields that changed.
	Before, After map[string]any
}

// Actors of log entries that are not callers with a token.
const (
	// ActorSystem is the service itself.
	ActorSystem = "system"
	// ActorPhoneUser is the person behind a link in a mail.
	ActorPhoneUser = "phone-user"
)
