// Package names reads and writes the resource names that the extension service deals with. Ids are UUIDs; a name with another
// id names nothing.
package names

import (
	"strings"

	"github.com/google/uuid"
	"go.einride.tech/aip/resourcename"

	"github.com/switchboard-phone/switchboard/services/platform/resource"
)

const (
	accountPattern   = "accounts/{account}"
	sitePattern      = "accounts/{account}/sites/{site}"
	rangePattern     = "accounts/{account}/sites/{site}/extensionRanges/{range}"
	phoneUserPattern = "accounts/{account}/phoneUsers/{phone_user}"
)

// Account returns the name of an account.
func Account(account uuid.UUID) string {
	return resourcename.Sprint(accountPattern, account.String())
}

// Site returns the name of a site.
func Site(account, site uuid.UUID) string {
	return resourcename.Sprint(sitePattern, account.String(), site.String())
}

// Range returns the name of an extension range.
func Range(account, site, rng uuid.UUID) string {
	return resourcename.Sprint(rangePattern, account.String(), site.String(), rng.String())
}

// PhoneUser returns the name of a phone user.
func PhoneUser(account, phoneUser uuid.UUID) string {
	return resourcename.Sprint(phoneUserPattern, account.String(), phoneUser.String())
}

// ParseAccount reads the name of an account. The error is NOT_FOUND, as it is of the other functions here.
func ParseAccount(name string) (account uuid.UUID, err error) {
	err = resource.Scan(name, accountPattern, &account)
	return account, err
}

// ParseSite reads the name of a site.
func ParseSite(name string) (account, site uuid.UUID, err error) {
	err = resource.Scan(name, sitePattern, &account, &site)
	return account, site, err
}

// ParseSiteOrAll reads the name of a site, or `accounts/{account}/sites/-`, for which site is uuid.Nil.
func ParseSiteOrAll(name string) (account, site uuid.UUID, err error) {
	if parent, ok := strings.CutSuffix(name, "/sites/-"); ok {
		account, err = ParseAccount(parent)
		return account, uuid.Nil, err
	}
	return ParseSite(name)
}

// ParseRange reads the name of an extension range.
func ParseRange(name string) (account, site, rng uuid.UUID, err error) {
	err = resource.Scan(name, rangePattern, &account, &site, &rng)
	return account, site, rng, err
}

// ParsePhoneUser reads the name of a phone user.
func ParsePhoneUser(name string) (account, phoneUser uuid.UUID, err error) {
	err = resource.Scan(name, phoneUserPattern, &account, &phoneUser)
	return account, phoneUser, err
}
