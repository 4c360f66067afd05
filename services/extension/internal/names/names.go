// Package names reads and writes the resource names that the extension service deals with. Ids are UUIDs; a name with another
// id names nothing.
package names

import (
	"strings"

	"github.com/google/uuid"

	"github.com/switchboard-phone/switchboard/services/platform/resource"
)

const (
	accounts   = "accounts/"
	sites      = "/sites/"
	rangesOf   = "/extensionRanges/"
	phoneUsers = "/phoneUsers/"
	anySite    = "/sites/-"
	idLength   = 36
)

// Account returns the name of an account.
func Account(account uuid.UUID) string { return accounts + account.String() }

// Site returns the name of a site.
func Site(account, site uuid.UUID) string { return child(account, sites, site) }

// Range returns the name of an extension range.
func Range(account, site, rng uuid.UUID) string { return Site(account, site) + rangesOf + rng.String() }

// PhoneUser returns the name of a phone user.
func PhoneUser(account, phoneUser uuid.UUID) string { return child(account, phoneUsers, phoneUser) }

func child(account uuid.UUID, kind string, id uuid.UUID) string {
	return accounts + account.String() + kind + id.String()
}

// ParseAccount reads the name of an account. The error is NOT_FOUND, as it is of the other functions here.
func ParseAccount(name string) (account uuid.UUID, err error) {
	err = scan(name, part{accounts, &account})
	return account, err
}

// ParseSite reads the name of a site.
func ParseSite(name string) (account, site uuid.UUID, err error) {
	err = scan(name, part{accounts, &account}, part{sites, &site})
	return account, site, err
}

// ParseSiteOrAll reads the name of a site, or `accounts/{account}/sites/-`, for which site is uuid.Nil.
func ParseSiteOrAll(name string) (account, site uuid.UUID, err error) {
	if parent, ok := strings.CutSuffix(name, anySite); ok {
		account, err = ParseAccount(parent)
		return account, uuid.Nil, err
	}
	return ParseSite(name)
}

// ParseRange reads the name of an extension range.
func ParseRange(name string) (account, site, rng uuid.UUID, err error) {
	err = scan(name, part{accounts, &account}, part{sites, &site}, part{rangesOf, &rng})
	return account, site, rng, err
}

// ParsePhoneUser reads the name of a phone user.
func ParsePhoneUser(name string) (account, phoneUser uuid.UUID, err error) {
	err = scan(name, part{accounts, &account}, part{phoneUsers, &phoneUser})
	return account, phoneUser, err
}

// PhoneUsers reads and writes the names of the phone users of one account: batches have a thousand, which differ in their ends only.
type PhoneUsers struct{ prefix string }

// PhoneUsersOf returns the names of the phone users of an account.
func PhoneUsersOf(account uuid.UUID) PhoneUsers {
	return PhoneUsers{accounts + account.String() + phoneUsers}
}

// Name is PhoneUser.
func (p PhoneUsers) Name(phoneUser uuid.UUID) string { return p.prefix + phoneUser.String() }

// Parse is ParsePhoneUser; in says whether the phone user is one of the account.
func (p PhoneUsers) Parse(name string) (phoneUser uuid.UUID, in bool, err error) {
	if id, ok := strings.CutPrefix(name, p.prefix); ok {
		phoneUser, err = parseID(id, name)
		return phoneUser, err == nil, err
	}
	_, phoneUser, err = ParsePhoneUser(name)
	return phoneUser, false, err
}

// part is a piece of a name: a fixed text with an id behind it.
type part struct {
	text string
	id   *uuid.UUID
}

// scan is resource.Scan for names whose ids have one length, a tenth of the work: batches have a thousand names.
func scan(name string, parts ...part) error {
	rest := name
	for _, p := range parts {
		after, ok := strings.CutPrefix(rest, p.text)
		if !ok || len(after) < idLength {
			return resource.NotFound(name)
		}
		id, err := parseID(after[:idLength], name)
		if err != nil {
			return err
		}
		*p.id, rest = id, after[idLength:]
	}
	if rest != "" {
		return resource.NotFound(name)
	}
	return nil
}

// parseID reads an id that a name has.
func parseID(text, name string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil || len(text) != idLength || id == uuid.Nil || !lower(text) {
		return uuid.Nil, resource.NotFound(name)
	}
	return id, nil
}

// lower says whether an id is written in the one way that counts.
func lower(id string) bool {
	for _, c := range []byte(id) {
		if 'A' <= c && c <= 'F' {
			return false
		}
	}
	return true
}
