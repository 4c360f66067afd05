package e2e

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
)

// trashTime is how long a phone user can be restored.
const trashTime = 30 * 24 * time.Hour

// withTrash turns the policy on.
func (tn *tenant) withTrash() *tenant {
	tn.Helper()
	body := gatewayclient.Account{Policy: &gatewayclient.Policy{SoftDelete: true}}
	require.NoError(tn, tn.admin.Patch(tn.Context(), tn.path+"?updateMask=policy.softDelete", body, nil))
	return tn
}

// trash moves phone users to the trash and answers them.
func (tn *tenant) trash(users ...gatewayclient.PhoneUser) []gatewayclient.PhoneUser {
	tn.Helper()
	var out struct{ PhoneUsers []gatewayclient.PhoneUser }
	require.NoError(tn, tn.admin.Post(tn.Context(), tn.path+"/phoneUsers:batchTrash", map[string]any{"phoneUsers": names(users)}, &out))
	require.Len(tn, out.PhoneUsers, len(users))
	return out.PhoneUsers
}

// restoration is what a restore says of one phone user.
type restoration struct {
	PhoneUser, ExtensionNumber, MissingPackage string
	MissingPhoneNumbers                        []string
}

// restore brings phone users back.
func (tn *tenant) restore(body map[string]any) (users []gatewayclient.PhoneUser, restorations []restoration) {
	tn.Helper()
	var out struct {
		PhoneUsers   []gatewayclient.PhoneUser
		Restorations []restoration
	}
	require.NoError(tn, tn.admin.Post(tn.Context(), tn.path+"/phoneUsers:batchRestore", body, &out))
	return out.PhoneUsers, out.Restorations
}

// tryRestore is restore that fails.
func (tn *tenant) tryRestore(users ...gatewayclient.PhoneUser) error {
	return tn.try("/phoneUsers:batchRestore", map[string]any{"phoneUsers": names(users)})
}

// goneForGood checks that a phone user cannot be restored any more. While it is being purged the answer is to repeat the call.
func (tn *tenant) goneForGood(u gatewayclient.PhoneUser) {
	tn.Helper()
	tn.eventually(func() error {
		err := tn.tryRestore(u)
		if gatewayclient.Reason(err) == "OPERATION_IN_PROGRESS" {
			return err
		}
		tn.refused(err, "NOT_FOUND")
		return nil
	})
}

// logKinds lists the kinds of a phone user's log entries, newest first.
func (tn *tenant) logKinds(phoneUser string) []string {
	tn.Helper()
	var kinds []string
	for _, e := range list[gatewayclient.LogEntry](tn, "/log", "entries", url.Values{"filter": {`phoneUser = "` + phoneUser + `"`}}) {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

func TestSeed33_WithTheTrashOnRemovalGoesThroughIt(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5).withTrash()
		two := tn.assign(tn.userNames(2)...)
		tn.unchanged(func() {
			tn.refused(tn.try("/phoneUsers:batchRemove", map[string]any{"phoneUsers": names(two)}), "TRASH_REQUIRED", "phoneUsers[0]", "phoneUsers[1]")
		})
		tn.trash(two...)
		tn.remove(two...)
		err := tn.admin.Get(t.Context(), "/v1/"+two[0].Name, nil)
		tn.refused(err, "NOT_FOUND")
		require.Equal(t, []string{"REMOVED", "TRASHED", "ASSIGNED"}, tn.logKinds(two[0].Name))
		require.Empty(t, tn.extensions())
		tn.addUp()
	})
}

func TestSeed34_WithoutTheTrashNothingIsTrashed(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5)
		u := tn.one()
		tn.unchanged(func() {
			tn.refused(tn.try("/phoneUsers:batchTrash", map[string]any{"phoneUsers": []string{u.Name}}), "SOFT_DELETE_DISABLED")
		})
		tn.withTrash()
		room := tn.assign(tn.room("Boardroom"))[0]
		tn.unchanged(func() {
			err := tn.try("/phoneUsers:batchTrash", map[string]any{"phoneUsers": []string{u.Name, room.Name}})
			tn.refused(err, "NOT_TRASHABLE", "phoneUsers[1]")
		})
		tn.remove(room) // a room is removed directly
		require.Len(t, tn.phoneUsers(), 1)
	})
}

func TestSeed35_RestorableForThirtyDays(t *testing.T) {
	t.Parallel()
	eachTimed(t, func(t *testing.T, s *stack.Stack, clk *clock.Fake) {
		tn := newTenant(t, s, 5).withTrash()
		two := tn.assign(tn.userNames(2)...)
		tn.settled()
		in := tn.trash(two...)
		require.Equal(t, "TRASHED", in[0].State)
		require.WithinDuration(t, clk.Now(), *in[0].DeleteTime, time.Microsecond)
		require.Equal(t, in[0].DeleteTime.Add(trashTime), *in[0].PurgeTime)
		require.Equal(t, two[0].ExtensionNumber, in[0].ExtensionNumber)
		for _, e := range tn.extensions() {
			require.Equal(t, "HELD", e.State)
		}
		next := tn.one()
		require.NotContains(t, numbersOf(two), next.ExtensionNumber, "held numbers are not given out")
		_, err := tn.tryExtension(next, two[0].ExtensionNumber, "")
		require.Equal(t, two[0].Name, tn.refused(err, "EXTENSION_IN_USE", "extensionNumber").Metadata["holder"], "nor to who wishes for one")
		require.Len(t, tn.phoneUsers(), 1, "the trash is not in the default list")
		require.Len(t, list[gatewayclient.PhoneUser](tn, "/phoneUsers", "phoneUsers", url.Values{"showDeleted": {"true"}}), 3)

		clk.Advance(in[0].PurgeTime.Sub(clk.Now())) // the last instant
		tn.refresh()
		back, _ := tn.restore(map[string]any{"phoneUsers": names(two), "requestId": "back"})
		for i, u := range back {
			require.Equal(t, "ACTIVE", u.State)
			require.Equal(t, two[i].ExtensionNumber, u.ExtensionNumber, "the extension is the same")
			require.Equal(t, two[i].Name, u.Name)
			require.Nil(t, u.DeleteTime)
			require.Nil(t, u.PurgeTime)
			require.Equal(t, []string{"RESTORED", "TRASHED", "ASSIGNED"}, tn.logKinds(u.Name))
		}
		again, _ := tn.restore(map[string]any{"phoneUsers": names(two), "requestId": "back"})
		require.Equal(t, back, again)
		tn.refused(tn.tryRestore(two...), "NOT_DELETED", "phoneUsers[0]", "phoneUsers[1]")
		tn.addUp()
	})
}

func TestSeed36_ThenDeletedForGoodByItself(t *testing.T) {
	t.Parallel()
	eachTimed(t, func(t *testing.T, s *stack.Stack, clk *clock.Fake) {
		tn := newTenant(t, s, 5).withTrash()
		two := tn.assign(tn.userNames(2)...)
		tn.record(two[0].Name, "VOICEMAIL")
		tn.trash(two[0])
		clk.Advance(trashTime / 2)
		tn.refresh()
		tn.trash(two[1])
		clk.Advance(trashTime/2 + time.Second)
		tn.refresh()
		tn.goneForGood(two[0])
		tn.eventually(func() error {
			if got := len(tn.extensions()); got != 1 {
				return fmt.Errorf("%d extensions are not free", got)
			}
			return nil
		})
		tn.goneForGood(two[0])
		tn.refused(tn.admin.Get(t.Context(), "/v1/"+two[0].Name, nil), "NOT_FOUND")
		require.Equal(t, []string{"PURGED", "TRASHED", "RECORD", "ASSIGNED"}, tn.logKinds(two[0].Name))
		kept := tn.retained(two[0].Name)
		require.Len(t, kept, 1, "the account log keeps the records")
		require.Equal(t, "VOICEMAIL", kept[0].After["kind"])
		require.Equal(t, "TRASHED", tn.get(two[1].Name).State, "whose time is not over stays")
		require.Equal(t, two[0].ExtensionNumber, tn.one().ExtensionNumber, "the number is free")
	})
}

func TestSeed37_TheTrashFreesSeatPackageAndNumbers(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 1).withTrash()
		pkg, numbers := tn.pkg("Domestic", 1), tn.numbers(2)
		u := tn.call(tn.one().Name, "assignPackage", map[string]any{"package": pkg, "phoneNumbers": numbers})
		tn.record(u.Name, "CALL")
		tn.settled()
		var preview struct{ Releases []gatewayclient.Release }
		body := map[string]any{"phoneUsers": []string{u.Name}, "validateOnly": true}
		tn.unchanged(func() {
			require.NoError(t, tn.admin.Post(t.Context(), tn.path+"/phoneUsers:batchTrash", body, &preview))
		})
		require.ElementsMatch(t, numbers, preview.Releases[0].PhoneNumbers)
		require.Equal(t, 1, preview.Releases[0].RecordCount)
		var done struct{ Releases []gatewayclient.Release }
		require.NoError(t, tn.admin.Post(t.Context(), tn.path+"/phoneUsers:batchTrash", map[string]any{"phoneUsers": []string{u.Name}}, &done))
		require.Equal(t, preview, done, "what was announced is what went")
		require.Zero(t, tn.accountNow().LicensesAssigned)
		other := tn.call(tn.one().Name, "assignPackage", map[string]any{"package": pkg, "phoneNumbers": numbers})
		require.Equal(t, numbers, other.PhoneNumbers)
		require.Len(t, tn.retained(u.Name), 1, "records stay in the account log")
		require.Equal(t, "TRASHED", tn.logKinds(u.Name)[0])
	})
}

func TestSeed42_ARestoreSaysWhatIsGone(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 2).withTrash()
		pkg, numbers := tn.pkg("Domestic", 1), tn.numbers(2)
		u := tn.call(tn.one().Name, "assignPackage", map[string]any{"package": pkg, "phoneNumbers": numbers})
		tn.settled()
		tn.trash(u)
		others := tn.assign(tn.userNames(2)...)
		body := map[string]any{"phoneUsers": []string{u.Name}}
		preview := map[string]any{"phoneUsers": []string{u.Name}, "validateOnly": true}
		tn.refused(tn.try("/phoneUsers:batchRestore", preview), "LICENSE_EXHAUSTED")
		tn.refused(tn.try("/phoneUsers:batchRestore", body), "LICENSE_EXHAUSTED")
		require.Equal(t, "TRASHED", tn.get(u.Name).State)

		tn.call(others[0].Name, "assignPackage", map[string]any{"package": pkg, "phoneNumbers": numbers[:1]})
		tn.trash(others[1])
		var said []restoration
		before := tn.books()
		_, said = tn.restore(preview)
		require.Equal(t, before, tn.books(), "a look changes nothing")
		require.Equal(t, pkg, said[0].MissingPackage, "its only seat is taken")
		require.ElementsMatch(t, numbers, said[0].MissingPhoneNumbers, "without a package there is no number")
		users, really := tn.restore(body)
		require.Equal(t, said, really)
		require.Equal(t, u.ExtensionNumber, users[0].ExtensionNumber)
		require.Empty(t, users[0].Package)

		// With everything free again, everything comes back.
		tn.removePackages(map[string]any{"phoneUsers": []string{others[0].Name}})
		whole := tn.call(u.Name, "assignPackage", map[string]any{"package": pkg, "phoneNumbers": numbers})
		tn.trash(whole)
		users, said = tn.restore(body)
		require.Empty(t, said[0].MissingPackage)
		require.Equal(t, whole.PhoneNumbers, users[0].PhoneNumbers)
		require.Equal(t, pkg, users[0].Package)
	})
}

func TestSeed42_WhatOthersHaveIsGoneAndTheRestComesBack(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 2).withTrash()
		pkg, numbers := tn.pkg("Domestic", 2), tn.numbers(3)
		two := tn.assign(tn.userNames(2)...)
		u := tn.call(two[0].Name, "assignPackage", map[string]any{"package": pkg, "phoneNumbers": numbers})
		tn.settled()
		tn.trash(u)
		tn.call(two[1].Name, "assignPackage", map[string]any{"package": pkg, "phoneNumbers": numbers[:1]})
		want := []restoration{{PhoneUser: u.Name, ExtensionNumber: u.ExtensionNumber, MissingPhoneNumbers: numbers[:1]}}
		for _, validateOnly := range []bool{true, false} {
			users, said := tn.restore(map[string]any{"phoneUsers": []string{u.Name}, "validateOnly": validateOnly})
			require.Equal(t, want, said)
			require.Equal(t, pkg, users[0].Package)
			require.Equal(t, numbers[1:], users[0].PhoneNumbers)
		}
		tn.addUp()
	})
}

func TestSeed42_APersonLicensedMeanwhileIsNotRestored(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5).withTrash()
		u := tn.one()
		tn.trash(u)
		tn.assign(u.Assignee)
		tn.refused(tn.try("/phoneUsers:batchRestore", map[string]any{"phoneUsers": []string{u.Name}, "validateOnly": true}), "ALREADY_LICENSED", "phoneUsers[0]")
		tn.refused(tn.tryRestore(u), "ALREADY_LICENSED", "phoneUsers[0]")
		require.Equal(t, "TRASHED", tn.get(u.Name).State)
	})
}
