package model

import (
	"github.com/google/uuid"
	"go.einride.tech/aip/resourcename"

	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/resource"
)

// Patterns of resource names. Each {variable} is a UUID in its usual form.
const (
	accountPattern      = "accounts/{account}"
	sitePattern         = "accounts/{account}/sites/{site}"
	userPattern         = "accounts/{account}/users/{user}"
	roomPattern         = "accounts/{account}/rooms/{room}"
	templatePattern     = "accounts/{account}/templates/{template}"
	packagePattern      = "accounts/{account}/packages/{package}"
	phoneUserPattern    = "accounts/{account}/phoneUsers/{phone_user}"
	logEntryPattern     = "accounts/{account}/log/{entry}"
	notificationPattern = "accounts/{account}/notifications/{notification}"
)

// AccountName returns the account's resource name.
func AccountName(account uuid.UUID) string {
	return resourcename.Sprint(accountPattern, account.String())
}

// SiteName returns a site's resource name, "" for uuid.Nil.
func SiteName(account, id uuid.UUID) string { return childName(sitePattern, account, id) }

// UserName returns a person's resource name.
func UserName(account, id uuid.UUID) string { return childName(userPattern, account, id) }

// RoomName returns a room's resource name.
func RoomName(account, id uuid.UUID) string { return childName(roomPattern, account, id) }

// TemplateName returns a template's resource name, "" for uuid.Nil.
func TemplateName(account, id uuid.UUID) string { return childName(templatePattern, account, id) }

// PackageName returns a package's resource name, "" for uuid.Nil.
func PackageName(account, id uuid.UUID) string { return childName(packagePattern, account, id) }

// PhoneUserName returns a phone user's resource name, "" for uuid.Nil.
func PhoneUserName(account, id uuid.UUID) string { return childName(phoneUserPattern, account, id) }

// LogEntryName returns a log entry's resource name.
func LogEntryName(account, id uuid.UUID) string { return childName(logEntryPattern, account, id) }

// NotificationName returns a notification's resource name.
func NotificationName(account, id uuid.UUID) string {
	return childName(notificationPattern, account, id)
}

// AssigneeName returns the name of the person or room that holds a licence.
func AssigneeName(account uuid.UUID, kind AssigneeKind, id uuid.UUID) string {
	if kind == KindRoom {
		return RoomName(account, id)
	}
	return UserName(account, id)
}

func childName(pattern string, account, id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	return resourcename.Sprint(pattern, account.String(), id.String())
}

// ParseAccount reads an account's name; like all functions below it refuses other names with NOT_FOUND.
func ParseAccount(name string) (account uuid.UUID, err error) {
	err = resource.Scan(name, accountPattern, &account)
	return account, err
}

// ParseSite reads a site's name.
func ParseSite(name string) (account, id uuid.UUID, err error) { return parseChild(sitePattern, name) }

// ParseUser reads a person's name.
func ParseUser(name string) (account, id uuid.UUID, err error) { return parseChild(userPattern, name) }

// ParseTemplate reads a template's name.
func ParseTemplate(name string) (account, id uuid.UUID, err error) {
	return parseChild(templatePattern, name)
}

// ParsePackage reads a package's name.
func ParsePackage(name string) (account, id uuid.UUID, err error) {
	return parseChild(packagePattern, name)
}

// ParsePhoneUser reads a phone user's name.
func ParsePhoneUser(name string) (account, id uuid.UUID, err error) {
	return parseChild(phoneUserPattern, name)
}

// ParseAssignee reads the name of a person or a room.
func ParseAssignee(name string) (account uuid.UUID, kind AssigneeKind, id uuid.UUID, err error) {
	kind, pattern := KindUser, userPattern
	if resourcename.Match(roomPattern, name) {
		kind, pattern = KindRoom, roomPattern
	}
	account, id, err = parseChild(pattern, name)
	return account, kind, id, err
}

func parseChild(pattern, name string) (account, id uuid.UUID, err error) {
	err = resource.Scan(name, pattern, &account, &id)
	return account, id, err
}

// NotFound returns the error for a resource that is not there.
func NotFound(name string) *errs.Error { return resource.NotFound(name) }
