// Package names reads and writes the resource names that the numbering service deals in. Ids are UUIDs in their canonical
// lower-case form; a name with another id, or in another form, names nothing.
package names

import (
	"github.com/google/uuid"
	"go.einride.tech/aip/resourcename"

	"github.com/switchboard-phone/switchboard/services/platform/resource"
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
	return account, resource.Scan(name, accountPattern, &account)
}

// ParsePackage reads the name of a package.
func ParsePackage(name string) (account, id uuid.UUID, err error) {
	err = resource.Scan(name, packagePattern, &account, &id)
	return account, id, err
}

// ParsePhoneUser reads the name of a phone user.
func ParsePhoneUser(name string) (account, id uuid.UUID, err error) {
	err = resource.Scan(name, phoneUserPattern, &account, &id)
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
		err = resource.NotFound(name)
	}
	return id, err
}
