// Package names reads and writes the resource names that the numbering service deals in. Ids are UUIDs in their canonical
// lower-case form; a name with another id, or in another form, names nothing.
package names

import (
	"github.com/google/uuid"
	"go.einride.tech/aip/resourcename"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

const (
	accountPattern     = "accounts/{account}"
	packagePattern     = "accounts/{account}/packages/{package}"
	phoneUserPattern   = "accounts/{account}/phoneUsers/{phone_user}"
	phoneNumberPattern = "accounts/{account}/phoneNumbers/{number}"
)

// Package returns the name of a package; empty for uuid.Nil.
func Package(account, id uuid.UUID) string { return child(packagePattern, account, id) }

// PhoneUser returns the name of a phone user; empty for uuid.Nil.
func PhoneUser(account, id uuid.UUID) string { return child(phoneUserPattern, account, id) }

// PhoneNumber returns the name of a direct number in E.164 form.
func PhoneNumber(account uuid.UUID, number string) string {
	return resourcename.Sprint(phoneNumberPattern, account.String(), number)
}

func child(pattern string, account, id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	return resourcename.Sprint(pattern, account.String(), id.String())
}

// ParseAccount reads the name of an account. The error is NOT_FOUND, as it is of the other functions here.
func ParseAccount(name string) (uuid.UUID, error) {
	var account uuid.UUID
	return account, scan(name, accountPattern, &account)
}

// ParsePackage reads the name of a package.
func ParsePackage(name string) (account, id uuid.UUID, err error) {
	err = scan(name, packagePattern, &account, &id)
	return account, id, err
}

// ParsePhoneUser reads the name of a phone user.
func ParsePhoneUser(name string) (account, id uuid.UUID, err error) {
	err = scan(name, phoneUserPattern, &account, &id)
	return account, id, err
}

// PackageOf reads the name of a package of an account.
func PackageOf(account uuid.UUID, name string) (uuid.UUID, error) {
	return of(account, name, ParsePackage)
}

// PhoneUserOf reads the name of a phone user of an account.
func PhoneUserOf(account uuid.UUID, name string) (uuid.UUID, error) {
	return of(account, name, ParsePhoneUser)
}

func of(account uuid.UUID, name string, parse func(string) (account, id uuid.UUID, err error)) (uuid.UUID, error) {
	its, id, err := parse(name)
	if err == nil && its != account {
		err = NotFound(name)
	}
	return id, err
}

// scan reads the ids of a name that has the form of pattern.
func scan(name, pattern string, ids ...*uuid.UUID) error {
	texts, refs := make([]string, len(ids)), make([]*string, len(ids))
	for i := range texts {
		refs[i] = &texts[i]
	}
	if err := resourcename.Sscan(name, pattern, refs...); err != nil {
		return NotFound(name)
	}
	for i, text := range texts {
		id, err := uuid.Parse(text)
		if err != nil || id == uuid.Nil || id.String() != text {
			return NotFound(name)
		}
		*ids[i] = id
	}
	if resourcename.Sprint(pattern, texts...) != name {
		return NotFound(name) // another way to write it, such as with a leading slash
	}
	return nil
}

// NotFound returns the error for a name of nothing.
func NotFound(name string) *errs.Error {
	return errs.New(commonv1.Reason_NOT_FOUND, "%.200q does not exist", name).With("resource", name)
}
