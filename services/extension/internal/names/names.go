// Package names reads and writes the resource names that the extension service deals with. Ids are UUIDs; a name with another
// id names nothing.
package names

import (
	"strings"

	"github.com/google/uuid"
	"go.einride.tech/aip/resourcename"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
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
	err = scan(name, accountPattern, &account)
	return account, err
}

// ParseSite reads the name of a site.
func ParseSite(name string) (account, site uuid.UUID, err error) {
	err = scan(name, sitePattern, &account, &site)
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
	err = scan(name, rangePattern, &account, &site, &rng)
	return account, site, rng, err
}

// ParsePhoneUser reads the name of a phone user.
func ParsePhoneUser(name string) (account, phoneUser uuid.UUID, err error) {
	err = scan(name, phoneUserPattern, &account, &phoneUser)
	return account, phoneUser, err
}

// scan reads the ids of a name that has the form of pattern.
func scan(name, pattern string, ids ...*uuid.UUID) error {
	texts := make([]string, len(ids))
	refs := make([]*string, len(ids))
	for i := range texts {
		refs[i] = &texts[i]
	}
	if err := resourcename.Sscan(name, pattern, refs...); err != nil {
		return notFound(name)
	}
	for i, text := range texts {
		id, err := uuid.Parse(text)
		if err != nil || id == uuid.Nil || id.String() != text {
			return notFound(name)
		}
		*ids[i] = id
	}
	if resourcename.Sprint(pattern, texts...) != name {
		return notFound(name) // another way to write it, such as with a leading slash
	}
	return nil
}

func notFound(name string) error {
	return errs.New(commonv1.Reason_NOT_FOUND, "%.200q does not exist", name).With("resource", name)
}
