package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

// remove removes licences.
func (tn *tenant) remove(users ...gatewayclient.PhoneUser) []gatewayclient.Release {
	tn.Helper()
	return tn.removeWith(map[string]any{"phoneUsers": names(users)})
}

func (tn *tenant) removeWith(body map[string]any) []gatewayclient.Release {
	tn.Helper()
	var out struct{ Releases []gatewayclient.Release }
	require.NoError(tn, tn.admin.Post(tn.Context(), tn.path+"/phoneUsers:batchRemove", body, &out))
	return out.Releases
}

func names(users []gatewayclient.PhoneUser) []string {
	out := make([]string, len(users))
	for i, u := range users {
		out[i] = u.Name
	}
	return out
}

func TestSeed04_SettingsPackageAndNumbersComeAfterTheLicence(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		pkg, numbers := tn.pkg("Domestic", 5), tn.numbers(1)
		u := tn.one()
		u = tn.call(u.Name, "assignPackage", map[string]any{"package": pkg})
		u = tn.call(u.Name, "assignPhoneNumbers", map[string]any{"phoneNumbers": numbers})
		require.Equal(t, numbers, u.PhoneNumbers)
		ring := 20
		require.NoError(t, tn.admin.Patch(t.Context(), "/v1/"+u.Name+"?updateMask=settings.ringSeconds",
			gatewayclient.PhoneUser{Settings: &gatewayclient.Settings{RingSeconds: &ring}}, &u))
		require.Equal(t, 20, *tn.get(u.Name).Settings.RingSeconds)
		tn.addUp()

		// Somebody without a licence has nothing to change.
		tn.withoutLicence(func(name, reason string) {
			var blamed []string
			if reason == "LICENSE_REQUIRED" {
				blamed = []string{"name"} // the field of the request that says who
			}
			err := tn.admin.Patch(t.Context(), "/v1/"+name+"?updateMask=settings.ringSeconds", map[string]any{"settings": map[string]any{"ringSeconds": 20}}, nil)
			tn.refused(err, reason, blamed...)
			_, err = tn.tryExtension(gatewayclient.PhoneUser{Name: name}, "4242", "")
			tn.refused(err, reason, blamed...)
			tn.refused(tn.tryOn(name, "assignPhoneNumbers", map[string]any{"phoneNumbers": numbers}), reason, blamed...)
			tn.refused(tn.tryOn(name, "unassignPhoneNumbers", map[string]any{"phoneNumbers": numbers}), reason, blamed...)
			tn.refused(tn.tryOn(name, "assignPackage", map[string]any{"package": pkg}), reason, blamed...)
			for _, preview := range []bool{true, false} {
				err := tn.try("/phoneUsers:batchRemovePackages", map[string]any{"phoneUsers": []string{u.Name, name}, "validateOnly": preview})
				tn.refused(err, reason, "phoneUsers[1]")
			}
		})
	})
}

// withoutLicence runs try, which is to change nothing, with the name of a phone user of each kind that has no active licence, and the
// reason for which it is to be refused.
func (tn *tenant) withoutLicence(try func(name, reason string)) {
	tn.Helper()
	removed, trashed, pending := tn.one(), tn.one(), tn.invite()
	tn.settled()
	tn.remove(removed)
	tn.withTrash().trash(trashed)
	tn.unchanged(func() {
		for _, name := range []string{pending.PhoneUser, trashed.Name, removed.Name} { // not yet, not now, not any more
			try(name, "LICENSE_REQUIRED")
		}
		try(tn.unknown("phoneUsers"), "NOT_FOUND")
	})
}

func TestSeed17_APackageNeedsALicence(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		pkg := tn.pkg("Domestic", 5)
		active := tn.one()
		require.Equal(t, pkg, tn.call(active.Name, "assignPackage", map[string]any{"package": pkg}).Package)
		tn.withoutLicence(func(name, reason string) {
			tn.refused(tn.tryOn(name, "assignPackage", map[string]any{"package": pkg}), reason)
			tn.refused(tn.try("/phoneUsers:batchAssignPackage", map[string]any{"phoneUsers": []string{active.Name, name}, "package": pkg}), reason, "phoneUsers[1]")
		})
	})
}

func TestSeed18_ANumberNeedsAPackage(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		numbers, pkg := tn.numbers(3), tn.pkg("Domestic", 5)
		two := tn.assign(tn.userNames(2)...)
		tn.unchanged(func() {
			tn.refused(tn.tryOn(two[0].Name, "assignPhoneNumbers", map[string]any{"phoneNumbers": numbers[:1]}), "PACKAGE_REQUIRED")
		})
		u := tn.call(two[0].Name, "assignPackage", map[string]any{"package": pkg, "phoneNumbers": numbers[:1]})
		require.Equal(t, numbers[:1], u.PhoneNumbers)
		require.True(t, u.OutboundCalling)
		u = tn.call(two[0].Name, "assignPhoneNumbers", map[string]any{"phoneNumbers": numbers[1:2]})
		require.Equal(t, numbers[:2], u.PhoneNumbers, "in addition to those held")

		tn.call(two[1].Name, "assignPackage", map[string]any{"package": pkg})
		tn.unchanged(func() {
			many := make([]string, 21)
			for i := range many {
				many[i] = fmt.Sprintf("+441632961%03d", i)
			}
			for _, method := range []string{"assignPackage", "assignPhoneNumbers", "unassignPhoneNumbers"} {
				body := map[string]any{"phoneNumbers": many}
				if method == "assignPackage" {
					body["package"] = pkg
				}
				refusal := tn.refused(tn.tryOn(two[1].Name, method, body), "BATCH_TOO_LARGE", "phoneNumbers")
				require.Equal(t, []string{"20", "21"}, []string{refusal.Metadata["limit"], refusal.Metadata["count"]}, method)
			}
			taken := map[string]any{"phoneNumbers": []string{numbers[2], numbers[0]}}
			tn.refused(tn.tryOn(two[1].Name, "assignPhoneNumbers", taken), "NUMBER_NOT_AVAILABLE", "phoneNumbers[1]")
			tn.refused(tn.tryOn(two[1].Name, "assignPhoneNumbers", map[string]any{"phoneNumbers": []string{"+441632960999"}}), "NUMBER_NOT_AVAILABLE", "phoneNumbers[0]")
			bad := map[string]any{"phoneNumbers": []string{numbers[2], "not a number"}}
			tn.refused(tn.tryOn(two[1].Name, "assignPhoneNumbers", bad), "NUMBER_INVALID", "phoneNumbers[1]")
			tn.refused(tn.tryOn(two[0].Name, "unassignPhoneNumbers", taken), "NUMBER_NOT_AVAILABLE", "phoneNumbers[0]")
			// The same with a package, which another method asks for.
			taken["package"], bad["package"] = pkg, pkg
			tn.refused(tn.tryOn(two[1].Name, "assignPackage", taken), "NUMBER_NOT_AVAILABLE", "phoneNumbers[1]")
			refusal := tn.refused(tn.tryOn(two[1].Name, "assignPackage", bad), "NUMBER_INVALID", "phoneNumbers[1]")
			require.True(t, strings.HasPrefix(refusal.Message, "phoneNumbers[1]: "), refusal.Message)
		})
		u = tn.call(two[0].Name, "unassignPhoneNumbers", map[string]any{"phoneNumbers": numbers[:1]})
		require.Equal(t, numbers[1:2], u.PhoneNumbers)
		u = tn.call(two[1].Name, "assignPhoneNumbers", map[string]any{"phoneNumbers": numbers[:1]})
		require.Equal(t, numbers[:1], u.PhoneNumbers, "what was given back is available to others")
		tn.addUp()
	})
}

func TestSeed19_SkippingLeavesNoNumber(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		tn.numbers(3)
		u := tn.one()
		u = tn.call(u.Name, "assignPackage", map[string]any{"package": tn.pkg("Domestic", 5)})
		require.Empty(t, u.PhoneNumbers)
		require.True(t, u.OutboundCalling)
		for _, n := range tn.addUp().Numbers {
			require.Equal(t, "AVAILABLE", n.State)
		}
	})
}

func TestSeed20_ReplacingAPackageKeepsTheNumbers(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		numbers := tn.numbers(2)
		first, second := tn.pkg("A first one", 1), tn.pkg("B second one", 1)
		u := tn.one()
		tn.call(u.Name, "assignPackage", map[string]any{"package": first, "phoneNumbers": numbers})
		u = tn.call(u.Name, "assignPackage", map[string]any{"package": second})
		require.Equal(t, second, u.Package)
		require.Equal(t, numbers, u.PhoneNumbers)
		b := tn.addUp()
		require.Equal(t, []int{0, 1}, []int{b.Packages[0].Assigned, b.Packages[1].Assigned}, "the seat of the first one is free")
	})
}

func TestSeed25_RemovedPeopleHaveNoAccess(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		three := tn.assign(tn.userNames(3)...)
		tn.settled()
		person, settings := tn.themself(three[0]), map[string]any{"settings": map[string]any{"language": "de"}}
		require.NoError(t, person.Get(t.Context(), "/v1/"+three[0].Name, nil))
		require.NoError(t, person.Patch(t.Context(), "/v1/"+three[0].Name, settings, nil))
		tn.remove(three[0], three[2])
		tn.refused(person.Get(t.Context(), "/v1/"+three[0].Name, nil), "PERMISSION_DENIED")
		tn.refused(person.Patch(t.Context(), "/v1/"+three[0].Name, settings, nil), "PERMISSION_DENIED")
		listed := tn.phoneUsers()
		require.Len(t, listed, 1)
		require.Equal(t, three[1].Name, listed[0].Name)
		for _, gone := range []gatewayclient.PhoneUser{three[0], three[2]} {
			tn.refused(tn.admin.Get(t.Context(), "/v1/"+gone.Name, nil), "NOT_FOUND")
			tn.refused(tn.tryOn(gone.Name, "resendInvite", map[string]any{}), "NOT_FOUND")
			var user gatewayclient.User
			require.NoError(t, tn.admin.Get(t.Context(), "/v1/"+gone.Assignee, &user), "the person stays in the directory")
			require.Empty(t, user.PhoneUser)
		}
		tn.refused(tn.try("/phoneUsers:batchRemove", map[string]any{"phoneUsers": []string{three[0].Name}}), "NOT_FOUND")
		tn.addUp()
	})
}

func TestSeed26_SeatAndNumberAreFreeAtOnce(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newBareTenant(t, s, 2)
		tn.ranges(tn.main, "100", "101")
		pkg, numbers := tn.pkg("Domestic", 1), tn.numbers(1)
		people := tn.userNames(3)
		two := tn.assign(people[:2]...)
		tn.call(two[0].Name, "assignPackage", map[string]any{"package": pkg, "phoneNumbers": numbers})
		tn.refused(tn.try("/phoneUsers:batchAssign", gatewayclient.AssignRequest{Assignees: people[2:]}), "LICENSE_EXHAUSTED")

		released := tn.remove(two[0])
		require.Len(t, released, 1)
		require.Equal(t, two[0].ExtensionNumber, released[0].ExtensionNumber)
		require.Equal(t, pkg, released[0].Package)
		require.Equal(t, numbers, released[0].PhoneNumbers)

		third := tn.assign(people[2])[0]
		require.Equal(t, two[0].ExtensionNumber, third.ExtensionNumber, "the only number left is the one given back")
		third = tn.call(third.Name, "assignPackage", map[string]any{"package": pkg, "phoneNumbers": numbers})
		require.Equal(t, numbers, third.PhoneNumbers)
		tn.addUp()
	})
}
