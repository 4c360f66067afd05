package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
)

// ledger is what the services know of an account, trash and invitations included.
type ledger struct {
	account    gatewayclient.Account
	users      []gatewayclient.PhoneUser
	extensions []gatewayclient.Extension
	packages   []gatewayclient.Package
	numbers    []gatewayclient.PhoneNumber
}

// everyState finds phone users whatever their state.
var everyState = url.Values{
	"showDeleted": {"true"}, "filter": {"state = PENDING OR state = PROVISIONING OR state = ACTIVE OR state = TRASHED"},
}

// ledger reads it. Nothing may be under way meanwhile.
func (tn *tenant) ledger(ctx context.Context) (*ledger, error) {
	l := &ledger{}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return tn.admin.Get(ctx, tn.path, &l.account) })
	fetch(ctx, g, tn, "/phoneUsers", "phoneUsers", everyState, &l.users)
	fetch(ctx, g, tn, "/extensions", "extensions", nil, &l.extensions)
	fetch(ctx, g, tn, "/packages", "packages", nil, &l.packages)
	fetch(ctx, g, tn, "/phoneNumbers", "phoneNumbers", nil, &l.numbers)
	return l, g.Wait()
}

func fetch[T any](ctx context.Context, g *errgroup.Group, tn *tenant, path, items string, query url.Values, into *[]T) {
	g.Go(func() (err error) {
		*into, err = gatewayclient.List[T](ctx, tn.admin, tn.path+path, items, query)
		return err
	})
}

// faults collects what is wrong.
type faults []error

func (f *faults) check(ok bool, format string, args ...any) {
	if !ok {
		*f = append(*f, fmt.Errorf(format, args...))
	}
}

// disagreements checks what always holds when nothing is under way.
func (l *ledger) disagreements() []error {
	var out faults
	live, seats, packages, numbers := map[string]string{}, 0, map[string]int{}, map[string]string{}
	kept := map[string]gatewayclient.Extension{} // by holder
	for _, e := range l.inUse() {
		out.check(kept[e.Holder].Number == "", "%s has the extensions %s and %s", e.Holder, e.Number, kept[e.Holder].Number)
		kept[e.Holder] = e
	}
	extensions := 0
	for _, u := range l.users {
		out.check(u.State == pending || u.State == active || u.State == trashed, "%s is %s", u.Name, u.State)
		if u.State != trashed {
			seats++
			out.check(live[u.Assignee] == "", "%s has the licences %s and %s", u.Assignee, u.Name, live[u.Assignee])
			live[u.Assignee] = u.Name
		}
		extensions += out.extension(u, kept[u.Name])
		out.check(u.State == active || u.Package == "" && len(u.PhoneNumbers) == 0, "%s is %s and holds %s %v", u.Name, u.State, u.Package, u.PhoneNumbers)
		if u.Package != "" {
			packages[u.Package]++
		}
		for _, n := range u.PhoneNumbers {
			out.check(numbers[n] == "", "number %s reaches %s and %s", n, numbers[n], u.Name)
			out.check(u.Package != "", "%s has the number %s and no package", u.Name, n)
			numbers[n] = u.Name
		}
	}
	out.check(extensions == len(l.inUse()), "%d extensions are somebody's and %d phone users have one", len(l.inUse()), extensions)
	out.check(l.account.LicensesAssigned == seats, "%d seats are taken by %d living licences", l.account.LicensesAssigned, seats)
	for _, p := range l.packages {
		out.check(p.Assigned == packages[p.Name] && p.Assigned <= p.Seats, "%s counts %d of %d seats for %d holders", p.DisplayName, p.Assigned, p.Seats, packages[p.Name])
	}
	for _, n := range l.numbers {
		out.check(n.Assignee == numbers[n.Number], "number %s is assigned to %q and listed with %q", n.Number, n.Assignee, numbers[n.Number])
		out.check((n.State == "ASSIGNED") == (n.Assignee != ""), "number %s is %s with assignee %q", n.Number, n.State, n.Assignee)
	}
	return out
}

// inUse are the extensions that are neither free nor in quarantine.
func (l *ledger) inUse() []gatewayclient.Extension {
	return slices.DeleteFunc(slices.Clone(l.extensions), func(e gatewayclient.Extension) bool { return e.State == quarantined })
}

// quarantined are the extensions and numbers that are kept out of use, sorted.
func (l *ledger) quarantined() (out []string) {
	for _, e := range l.extensions {
		if e.State == quarantined {
			out = append(out, e.Number)
		}
	}
	for _, n := range l.numbers {
		if n.State == quarantined {
			out = append(out, n.Number)
		}
	}
	slices.Sort(out)
	return out
}

// extension checks the extension of one phone user and answers how many it has.
func (f *faults) extension(u gatewayclient.PhoneUser, e gatewayclient.Extension) int {
	f.check(e.Number == u.ExtensionNumber, "%s (%s) has the extension %q, and extension %q is its own", u.Name, u.State, u.ExtensionNumber, e.Number)
	want := map[string]string{pending: "", active: "ASSIGNED", trashed: "HELD"}[u.State]
	f.check(e.State == want, "extension %q of %s, who is %s, is %q", e.Number, u.Name, u.State, e.State)
	if e.Number == "" {
		return 0
	}
	f.check(e.Site == u.Site, "extension %s of %s is one of %s, and not of %s", e.Number, u.Name, e.Site, u.Site)
	return 1
}

// agrees compares what the services know with the model.
func (m *model) agrees(l *ledger) []error {
	var out faults
	known := map[string]gatewayclient.PhoneUser{}
	for _, u := range l.users {
		known[u.Name] = u
	}
	for _, p := range m.licences {
		u, there := known[p.name]
		out.check(there == (p.state != removed), "%s is listed: %t, and must be %s", p.name, there, p.state)
		if there {
			if err := m.sees(p, u); err != nil {
				out = append(out, err)
			}
		}
		delete(known, p.name)
	}
	kept, keptOut := slices.Sorted(maps.Keys(m.out)), l.quarantined()
	out.check(slices.Equal(kept, keptOut), "in quarantine must be %v and are %v", kept, keptOut)
	out.check(len(known) == 0, "phone users that nobody made: %v", known)
	return out
}

// possibleRefusals are those that a call can meet when others act at the same time, by kind.
var possibleRefusals = map[string][]string{
	"policy":               {},
	"quarantine":           {},
	"advance":              {},
	"template":             {},
	"import":               {},
	"resend":               {"LICENSE_REQUIRED", "ALREADY_SET_UP", "RESEND_TOO_SOON"},
	"setup":                {"LICENSE_REQUIRED", "FIELD_INVALID", "TOKEN_INVALID", "EXTENSION_IN_USE", "EXTENSION_OUT_OF_RANGE"},
	"invite":               {"LICENSE_EXHAUSTED"},
	"confirm":              {"TOKEN_INVALID", "EXTENSION_RANGE_EXHAUSTED"},
	"assign":               {"USER_PENDING", "ALREADY_LICENSED", "LICENSE_EXHAUSTED", "EXTENSION_RANGE_EXHAUSTED", "PACKAGE_SEATS_EXHAUSTED"},
	"assignPackage":        {"LICENSE_REQUIRED", "PACKAGE_SEATS_EXHAUSTED", "NUMBER_NOT_AVAILABLE"},
	"batchAssignPackage":   {"LICENSE_REQUIRED", "PACKAGE_SEATS_EXHAUSTED"},
	"assignPhoneNumbers":   {"LICENSE_REQUIRED", "PACKAGE_REQUIRED", "NUMBER_NOT_AVAILABLE"},
	"unassignPhoneNumbers": {"LICENSE_REQUIRED", "NUMBER_NOT_AVAILABLE"},
	"patchExtension":       {"LICENSE_REQUIRED", "ETAG_MISMATCH", "EXTENSION_IN_USE", "EXTENSION_OUT_OF_RANGE"},
	"patchBoth":            {"LICENSE_REQUIRED", "ETAG_MISMATCH", "EXTENSION_IN_USE", "EXTENSION_OUT_OF_RANGE"},
	"patchSite":            {"LICENSE_REQUIRED", "ETAG_MISMATCH", "EXTENSION_RANGE_EXHAUSTED"},
	"patchSettings":        {"LICENSE_REQUIRED", "ETAG_MISMATCH"},
	"batchRemovePackages":  {"LICENSE_REQUIRED"},
	"batchRemove":          {"TRASH_REQUIRED"},
	"batchTrash":           {"LICENSE_REQUIRED", "SOFT_DELETE_DISABLED", "NOT_TRASHABLE"},
	"batchRestore":         {"NOT_DELETED", "ALREADY_LICENSED", "LICENSE_EXHAUSTED"},
}

// certainRefusals do not depend on what others do.
var certainRefusals = []string{"BATCH_EMPTY", "DUPLICATE_IN_BATCH", "SITE_REQUIRED", "FIELD_INVALID", "TEMPLATE_SITE_MISMATCH"}

// argumentRefusals depend on the call's arguments, but others may be met first.
var argumentRefusals = []string{"NOT_FOUND", "PACKAGE_INACTIVE", "NUMBER_INVALID", "EXTENSION_INVALID", "EXTENSION_OUT_OF_RANGE", "OPERATION_IN_PROGRESS"}

// possible checks an answer to a call that was made while others acted. predicted is what it would have met before.
func possible(c call, predicted *refusal, err error) error {
	if predicted != nil && slices.Contains(certainRefusals, predicted.reason) {
		return predicted.any().is(err)
	}
	if err == nil {
		return nil
	}
	reason := gatewayclient.Reason(err)
	if !slices.Contains(possibleRefusals[c.Kind], reason) && !slices.Contains(argumentRefusals, reason) {
		return fmt.Errorf("that cannot be: %w", err)
	}
	return refuse(reason).is(err)
}
