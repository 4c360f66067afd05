package e2e

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
)

// quarantines are the account's policies about what is given back.
type quarantines struct {
	ExtensionQuarantine   string `json:"extensionQuarantine"`
	PhoneNumberQuarantine string `json:"phoneNumberQuarantine"`
}

// quarantineMask changes them, and anHour is quarantineTime for both.
const quarantineMask = "?updateMask=policy.extensionQuarantine,policy.phoneNumberQuarantine"

var anHour = quarantines{"3600s", "3600s"}

// withQuarantine keeps extensions and direct numbers out of use for an hour. Without it they are not.
func (tn *tenant) withQuarantine() *tenant {
	tn.Helper()
	var account struct{ Policy quarantines }
	require.NoError(tn, tn.admin.Get(tn.Context(), tn.path, &account))
	require.Equal(tn, quarantines{"0s", "0s"}, account.Policy, "off unless it is turned on")
	require.NoError(tn, tn.admin.Patch(tn.Context(), tn.path+quarantineMask, map[string]any{"policy": anHour}, &account))
	require.Equal(tn, anHour, account.Policy)
	return tn
}

// checked is what callers are told about an extension number.
type checked struct {
	gatewayclient.Extension

	QuarantineTime time.Time
}

// check looks at extension numbers, in the order of the list.
func (tn *tenant) check(numbers ...string) []checked {
	tn.Helper()
	var out struct{ Extensions []checked }
	require.NoError(tn, tn.admin.Post(tn.Context(), tn.path+"/extensions:check", map[string]any{"numbers": numbers}, &out))
	require.Len(tn, out.Extensions, len(numbers))
	return out.Extensions
}

// keptOut checks that an extension is in quarantine until then.
func (tn *tenant) keptOut(number string, until time.Time) {
	tn.Helper()
	got := tn.check(number)[0]
	require.Equal(tn, quarantined, got.State)
	require.Empty(tn, got.Holder)
	require.WithinDuration(tn, until, got.QuarantineTime, time.Microsecond)
}

// numberKeptOut checks that a direct number is in quarantine until then.
func (tn *tenant) numberKeptOut(number string, until time.Time) {
	tn.Helper()
	type listed struct {
		gatewayclient.PhoneNumber

		QuarantineTime time.Time
	}
	got := list[listed](tn, "/phoneNumbers", "phoneNumbers", url.Values{"query": {number}})
	require.Len(tn, got, 1)
	require.Equal(tn, quarantined, got[0].State)
	require.Empty(tn, got[0].Assignee)
	require.WithinDuration(tn, until, got[0].QuarantineTime, time.Microsecond)
}

func TestSeed26_AQuarantineKeepsNumbersOut(t *testing.T) {
	t.Parallel()
	eachTimed(t, func(t *testing.T, s *stack.Stack, clk *clock.Fake) {
		tn := newBareTenant(t, s, 5).withQuarantine()
		tn.ranges(tn.main, "100", "100")
		pkg, numbers, people := tn.pkg("Domestic", 5), tn.numbers(1), tn.userNames(2)
		give := map[string]any{"package": pkg, "phoneNumbers": numbers}
		ada := tn.call(tn.assign(people[0])[0].Name, "assignPackage", give)
		tn.remove(ada)
		until := clk.Now().Add(time.Hour)
		tn.keptOut("100", until)
		tn.numberKeptOut(numbers[0], until)
		tn.refused(tn.try("/phoneUsers:batchAssign", gatewayclient.AssignRequest{Assignees: people[1:]}), "EXTENSION_RANGE_EXHAUSTED")

		tn.ranges(tn.main, "200", "200")
		bob := tn.call(tn.assign(people[1])[0].Name, "assignPackage", map[string]any{"package": pkg})
		tn.refused(tn.tryOn(bob.Name, "assignPhoneNumbers", map[string]any{"phoneNumbers": numbers}), "NUMBER_NOT_AVAILABLE", "phoneNumbers[0]")
		_, err := tn.tryExtension(bob, "100", "")
		refusal := tn.refused(err, "EXTENSION_IN_USE", "extensionNumber")
		require.NotContains(t, refusal.Metadata, "holder", "it is nobody's")
		told, err := time.Parse(time.RFC3339, refusal.Metadata["quarantine_time"])
		require.NoError(t, err)
		require.WithinDuration(t, until, told, time.Microsecond)

		clk.Advance(time.Hour)
		tn.refresh()
		require.Equal(t, "FREE", tn.check("100")[0].State)
		again := tn.call(tn.assign(people[0])[0].Name, "assignPackage", give)
		require.Equal(t, "100", again.ExtensionNumber)
		require.Equal(t, numbers, again.PhoneNumbers)
	})
}

func TestSeed26_AQuarantineKeepsOutWhatIsChanged(t *testing.T) {
	t.Parallel()
	eachTimed(t, func(t *testing.T, s *stack.Stack, clk *clock.Fake) {
		tn := newTenant(t, s, 5).withQuarantine()
		pkg, numbers := tn.pkg("Domestic", 5), tn.numbers(2)
		two := tn.assign(tn.userNames(2)...)
		ada := tn.call(two[0].Name, "assignPackage", map[string]any{"package": pkg, "phoneNumbers": numbers})
		bob := tn.call(two[1].Name, "assignPackage", map[string]any{"package": pkg})
		_, err := tn.tryExtension(ada, "4242", "")
		require.NoError(t, err)
		tn.call(ada.Name, "unassignPhoneNumbers", map[string]any{"phoneNumbers": numbers[:1]})
		until := clk.Now().Add(time.Hour)
		tn.keptOut(ada.ExtensionNumber, until)
		tn.numberKeptOut(numbers[0], until)

		row := "email,extension\n" + tn.users(1)[0].Email + "," + ada.ExtensionNumber + "\n"
		for _, validateOnly := range []bool{true, false} {
			refused := tn.rows(tn.imported(row, map[string]any{"validateOnly": validateOnly}))[0].Error
			require.NotNil(t, refused)
			require.Equal(t, "EXTENSION_IN_USE", refused.Details[0].Reason)
			require.NotContains(t, refused.Details[0].Metadata, "holder")
			told, err := time.Parse(time.RFC3339, refused.Details[0].Metadata["quarantine_time"])
			require.NoError(t, err)
			require.WithinDuration(t, until, told, time.Microsecond)
		}

		clk.Advance(time.Hour - time.Millisecond)
		tn.refresh()
		_, err = tn.tryExtension(bob, ada.ExtensionNumber, "")
		tn.refused(err, "EXTENSION_IN_USE", "extensionNumber")
		take := map[string]any{"phoneNumbers": numbers[:1]}
		tn.refused(tn.tryOn(bob.Name, "assignPhoneNumbers", take), "NUMBER_NOT_AVAILABLE", "phoneNumbers[0]")

		clk.Advance(time.Millisecond)
		moved, err := tn.tryExtension(bob, ada.ExtensionNumber, "")
		require.NoError(t, err)
		require.Equal(t, ada.ExtensionNumber, moved.ExtensionNumber)
		require.Equal(t, numbers[:1], tn.call(bob.Name, "assignPhoneNumbers", take).PhoneNumbers)
	})
}

func TestSeed42_OnesOwnNumbersComeBackOutOfQuarantine(t *testing.T) {
	t.Parallel()
	eachTimed(t, func(t *testing.T, s *stack.Stack, clk *clock.Fake) {
		tn := newTenant(t, s, 5).withTrash().withQuarantine()
		pkg, numbers := tn.pkg("Domestic", 5), tn.numbers(2)
		two := tn.assign(tn.userNames(2)...)
		u := tn.call(two[0].Name, "assignPackage", map[string]any{"package": pkg, "phoneNumbers": numbers})
		tn.call(two[1].Name, "assignPackage", map[string]any{"package": pkg})
		tn.trash(u)
		tn.numberKeptOut(numbers[0], clk.Now().Add(time.Hour))
		tn.refused(tn.tryOn(two[1].Name, "assignPhoneNumbers", map[string]any{"phoneNumbers": numbers}), "NUMBER_NOT_AVAILABLE",
			"phoneNumbers[0]", "phoneNumbers[1]")

		for _, validateOnly := range []bool{true, false} {
			users, said := tn.restore(map[string]any{"phoneUsers": []string{u.Name}, "validateOnly": validateOnly})
			require.Empty(t, said[0].MissingPhoneNumbers, "nobody else has them")
			require.Equal(t, numbers, users[0].PhoneNumbers)
		}
		require.Equal(t, numbers, tn.get(u.Name).PhoneNumbers)

		// What others have since the quarantine is over stays theirs.
		tn.trash(u)
		clk.Advance(time.Hour)
		tn.refresh()
		tn.call(two[1].Name, "assignPhoneNumbers", map[string]any{"phoneNumbers": numbers[:1]})
		tn.call(two[1].Name, "unassignPhoneNumbers", map[string]any{"phoneNumbers": numbers[:1]})
		users, said := tn.restore(map[string]any{"phoneUsers": []string{u.Name}})
		require.Equal(t, numbers[:1], said[0].MissingPhoneNumbers, "in quarantine since another one had it")
		require.Equal(t, numbers[1:], users[0].PhoneNumbers)
		tn.addUpNow()
	})
}
