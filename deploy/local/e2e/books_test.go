package e2e

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/mailsink"
)

// books is all that an account's callers can see of it, in a form that can be compared.
type books struct {
	Account    gatewayclient.Account
	PhoneUsers []gatewayclient.PhoneUser
	Extensions []gatewayclient.Extension
	Packages   []gatewayclient.Package
	Numbers    []gatewayclient.PhoneNumber
	Log        []gatewayclient.LogEntry
	Told       map[string]int
}

// books reads all of it.
func (tn *tenant) books() books {
	tn.Helper()
	b := tn.present()
	b.Log = list[gatewayclient.LogEntry](tn, "/log", "entries", nil)
	return b
}

// present reads all but the account log, of which a long test leaves a lot.
func (tn *tenant) present() books {
	tn.Helper()
	b := books{
		Account:    tn.accountNow(),
		PhoneUsers: list[gatewayclient.PhoneUser](tn, "/phoneUsers", "phoneUsers", nil),
		Extensions: tn.extensions(),
		Packages:   list[gatewayclient.Package](tn, "/packages", "packages", nil),
		Numbers:    list[gatewayclient.PhoneNumber](tn, "/phoneNumbers", "phoneNumbers", nil),
		Told:       map[string]int{},
	}
	for _, n := range tn.notifications("") {
		b.Told[n.Recipient+" "+n.Kind]++
	}
	return b
}

// settled reads the books once everybody who has a licence is told of it.
func (tn *tenant) settled() books {
	tn.Helper()
	tn.everybodyIsTold()
	return tn.books()
}

// everybodyIsTold waits until everybody who has a licence is told of it.
func (tn *tenant) everybodyIsTold() {
	tn.Helper()
	tn.eventually(func() error {
		told := map[string]bool{}
		for _, n := range tn.notifications("state = SENT") {
			told[n.PhoneUser] = true
		}
		for _, u := range tn.phoneUsers() {
			if u.Kind == "USER" && !told[u.Name] {
				return fmt.Errorf("%s is not told yet", u.Email)
			}
		}
		return nil
	})
}

// unchanged runs act and checks that nothing a caller can see is different afterwards.
func (tn *tenant) unchanged(act func()) {
	tn.Helper()
	before := tn.settled()
	act()
	require.Equal(tn, before, tn.books(), "nothing changed")
}

// addUp checks that the books of all services agree with each other: each living licence one seat and exactly one extension, each
// extension one holder, package seats as many as holders, numbers with their assignees, each person told exactly once. Everything on
// its way must have arrived.
func (tn *tenant) addUp() books {
	tn.Helper()
	tn.everybodyIsTold()
	b := tn.present()
	require.NoError(tn, errors.Join(b.disagreements()...))
	for _, u := range b.PhoneUsers {
		if u.Kind != "USER" {
			continue
		}
		require.Equal(tn, 1, b.Told[u.Email+" WELCOME"], "%s is told once", u.Email)
		mails := tn.mails(u.Email)
		require.Len(tn, mails, 1, "%s got one mail", u.Email)
		require.Contains(tn, mails[0].Text, u.ExtensionNumber)
	}
	return b
}

// mails lists what arrived for an address, newest first.
func (tn *tenant) mails(to string) []mailsink.Mail { return tn.stack.Mail().Mails(to, 0) }

// disagreements compares the services' books.
func (b books) disagreements() []error {
	var out []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			out = append(out, fmt.Errorf(format, args...))
		}
	}
	check(b.Account.LicensesAssigned == len(b.PhoneUsers), "%d seats are taken by %d phone users", b.Account.LicensesAssigned, len(b.PhoneUsers))
	holder := map[string]string{}
	for _, e := range b.Extensions {
		if e.State != "ASSIGNED" {
			continue
		}
		check(holder[e.Number] == "", "extension %s is held twice", e.Number)
		holder[e.Number] = e.Holder
	}
	check(len(holder) == len(b.PhoneUsers), "%d extensions are assigned to %d phone users", len(holder), len(b.PhoneUsers))
	packages, numbers := map[string]int{}, map[string]string{}
	for _, u := range b.PhoneUsers {
		check(u.State == "ACTIVE", "%s is %s", u.Name, u.State)
		check(holder[u.ExtensionNumber] == u.Name, "extension %s of %s is held by %q", u.ExtensionNumber, u.Name, holder[u.ExtensionNumber])
		if u.Package != "" {
			packages[u.Package]++
		}
		for _, n := range u.PhoneNumbers {
			check(numbers[n] == "", "number %s reaches two", n)
			check(u.Package != "", "%s has a number and no package", u.Name)
			numbers[n] = u.Name
		}
	}
	for _, p := range b.Packages {
		check(p.Assigned == packages[p.Name], "package %s counts %d seats for %d holders", p.DisplayName, p.Assigned, packages[p.Name])
	}
	for _, n := range b.Numbers {
		check(n.Assignee == numbers[n.Number], "number %s is assigned to %q and listed with %q", n.Number, n.Assignee, numbers[n.Number])
		check((n.State == "ASSIGNED") == (n.Assignee != ""), "number %s is %s with assignee %q", n.Number, n.State, n.Assignee)
	}
	return out
}

// numbersOf lists the extension numbers of phone users in order.
func numbersOf(users []gatewayclient.PhoneUser) []string {
	out := make([]string, len(users))
	for i, u := range users {
		out[i] = u.ExtensionNumber
	}
	slices.SortFunc(out, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	return out
}
