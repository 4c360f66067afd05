package e2e

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/issuer"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

// removePackages removes the packages of phone users.
func (tn *tenant) removePackages(body map[string]any) (users []gatewayclient.PhoneUser, releases []gatewayclient.Release) {
	tn.Helper()
	var out struct {
		PhoneUsers []gatewayclient.PhoneUser
		Releases   []gatewayclient.Release
	}
	require.NoError(tn, tn.admin.Post(tn.Context(), tn.path+"/phoneUsers:batchRemovePackages", body, &out))
	return out.PhoneUsers, out.Releases
}

func TestSeed27_RemovingPackagesLeavesLicenceAndExtension(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5)
		pkg, numbers := tn.pkg("Domestic", 5), tn.numbers(2)
		u := tn.call(tn.one().Name, "assignPackage", map[string]any{"package": pkg, "phoneNumbers": numbers})
		users, _ := tn.removePackages(map[string]any{"phoneUsers": []string{u.Name}})
		require.Equal(t, u.ExtensionNumber, users[0].ExtensionNumber)
		require.Equal(t, "ACTIVE", users[0].State)
		require.Empty(t, users[0].Package)
		require.False(t, users[0].OutboundCalling)
		require.Equal(t, 1, tn.accountNow().LicensesAssigned)
		tn.addUp()
	})
}

func TestSeed28_OneOrMany(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		pkg := tn.pkg("Domestic", 10)
		us := tn.assign(tn.userNames(5)...)
		single := tn.call(us[0].Name, "assignPackage", map[string]any{"package": pkg})
		var many struct{ PhoneUsers []gatewayclient.PhoneUser }
		require.NoError(t, tn.admin.Post(t.Context(), tn.path+"/phoneUsers:batchAssignPackage",
			map[string]any{"phoneUsers": []string{us[1].Name}, "package": pkg}, &many))
		require.Equal(t, single.PackageState, many.PhoneUsers[0].PackageState)
		require.Equal(t, single.OutboundCalling, many.PhoneUsers[0].OutboundCalling)
		require.Equal(t, single.Package, many.PhoneUsers[0].Package)

		require.Len(t, tn.remove(us[0]), 1)
		require.Len(t, tn.remove(us[1:]...), 4)
		require.Empty(t, tn.phoneUsers())
		tn.addUp()
	})
}

func TestSeed29_RemovalCanBeLookedAtFirst(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5)
		pkg, numbers := tn.pkg("Domestic", 5), tn.numbers(2)
		two := tn.assign(tn.userNames(2)...)
		tn.call(two[0].Name, "assignPackage", map[string]any{"package": pkg, "phoneNumbers": numbers})
		tn.record(two[0].Name, "CALL")
		tn.record(two[0].Name, "VOICEMAIL")
		body := map[string]any{"phoneUsers": names(two), "validateOnly": true}
		var preview []gatewayclient.Release
		tn.unchanged(func() { preview = tn.removeWith(body) })
		require.Equal(t, two[0].Name, preview[0].PhoneUser)
		require.Equal(t, two[0].ExtensionNumber, preview[0].ExtensionNumber)
		require.Equal(t, pkg, preview[0].Package)
		require.ElementsMatch(t, numbers, preview[0].PhoneNumbers)
		require.Equal(t, 2, preview[0].RecordCount)
		require.Empty(t, preview[1].Package)
		require.Equal(t, preview, tn.remove(two...), "what was announced is what went")

		tn.refused(tn.try("/phoneUsers:batchRemove", map[string]any{"phoneUsers": names(two), "validateOnly": true}), "NOT_FOUND",
			"phoneUsers[0]", "phoneUsers[1]")
	})
}

// record writes a record as a telephony backend does.
func (tn *tenant) record(phoneUser, kind string) {
	tn.Helper()
	body := map[string]any{"kind": kind, "peer": "+12025550123", "duration": "61s", "direction": "INBOUND", "uri": "store://voice/1"}
	require.NoError(tn, tn.operator.Post(tn.Context(), "/v1/"+phoneUser+"/records", body, nil))
}

// records lists a phone user's records.
func (tn *tenant) records(phoneUser string) ([]map[string]any, error) {
	return tn.recordsAs(tn.admin, phoneUser)
}

// recordsAs lists a phone user's records as another caller.
func (tn *tenant) recordsAs(caller *gatewayclient.Client, phoneUser string) ([]map[string]any, error) {
	return gatewayclient.List[map[string]any](tn.Context(), caller, "/v1/"+phoneUser+"/records", "records", nil)
}

// themself makes a caller who is the person that a phone user belongs to.
func (tn *tenant) themself(u gatewayclient.PhoneUser) *gatewayclient.Client {
	tn.Helper()
	return tn.as(issuer.Claims{Subject: id(u.Assignee), Account: tn.account})
}

// retained lists the records about a phone user in the account log.
func (tn *tenant) retained(phoneUser string) []gatewayclient.LogEntry {
	tn.Helper()
	return list[gatewayclient.LogEntry](tn, "/log", "entries", url.Values{"filter": {`phoneUser = "` + phoneUser + `" AND kind = RECORD`}})
}

func TestSeed30_RemovalTakesTheRecordsFromThePerson(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5)
		u := tn.one()
		for _, kind := range []string{"CALL", "VOICEMAIL", "RECORDING"} {
			tn.record(u.Name, kind)
		}
		got, err := tn.records(u.Name)
		require.NoError(t, err)
		require.Len(t, got, 3)
		require.Equal(t, "RECORDING", got[0]["kind"], "newest first")
		require.Equal(t, "+12025550123", got[0]["peer"])
		person := tn.themself(u)
		own, err := tn.recordsAs(person, u.Name)
		require.NoError(t, err)
		require.Equal(t, got, own, "the person has them")
		tn.remove(u)
		_, err = tn.recordsAs(person, u.Name)
		tn.refused(err, "PERMISSION_DENIED")
		_, err = tn.records(u.Name)
		tn.refused(err, "NOT_FOUND")
		err = tn.operator.Post(t.Context(), "/v1/"+u.Name+"/records", map[string]any{"kind": "CALL"}, nil)
		tn.refused(err, "NOT_FOUND")
	})
}

func TestSeed31_ANewLicenceDoesNotBringRecordsBack(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5)
		u := tn.one()
		tn.record(u.Name, "CALL")
		tn.remove(u)
		again := tn.assign(u.Assignee)[0]
		require.NotEqual(t, u.Name, again.Name)
		person := tn.themself(u)
		for _, caller := range []*gatewayclient.Client{tn.admin, person} {
			got, err := tn.recordsAs(caller, again.Name)
			require.NoError(t, err)
			require.Empty(t, got)
		}
		_, err := tn.recordsAs(person, u.Name)
		tn.refused(err, "PERMISSION_DENIED")
	})
}

func TestSeed32_TheAccountLogKeepsTheRecords(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5)
		u := tn.one()
		tn.record(u.Name, "CALL")
		tn.record(u.Name, "VOICEMAIL")
		tn.remove(u)
		tn.assign(u.Assignee)
		kept := tn.retained(u.Name)
		require.Len(t, kept, 2)
		require.Equal(t, "VOICEMAIL", kept[0].After["kind"])
		require.Equal(t, u.Assignee, kept[0].Assignee)
		err := tn.member.Get(t.Context(), tn.path+"/log", nil)
		tn.refused(err, "PERMISSION_DENIED")
	})
}

func TestSeed38_RemovingPackagesUnassignsEveryNumber(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5)
		pkg, numbers := tn.pkg("Domestic", 2), tn.numbers(4)
		us := tn.assign(tn.userNames(3)...)
		tn.call(us[0].Name, "assignPackage", map[string]any{"package": pkg, "phoneNumbers": numbers[:2]})
		tn.call(us[1].Name, "assignPackage", map[string]any{"package": pkg, "phoneNumbers": numbers[2:3]})
		preview := map[string]any{"phoneUsers": names(us), "validateOnly": true}
		tn.unchanged(func() {
			_, releases := tn.removePackages(preview)
			require.ElementsMatch(t, numbers[:2], releases[0].PhoneNumbers)
		})
		users, releases := tn.removePackages(map[string]any{"phoneUsers": names(us), "requestId": "off"})
		for i, u := range users {
			require.Empty(t, u.Package)
			require.Empty(t, u.PhoneNumbers)
			require.Equal(t, us[i].ExtensionNumber, u.ExtensionNumber)
		}
		require.Empty(t, releases[2].Package, "one without a package stays as it is")
		for _, n := range list[gatewayclient.PhoneNumber](tn, "/phoneNumbers", "phoneNumbers", nil) {
			require.Equal(t, "AVAILABLE", n.State)
		}
		again, _ := tn.removePackages(map[string]any{"phoneUsers": names(us), "requestId": "off"})
		require.Equal(t, users, again, "the first answer is replayed")
		tn.addUp()
	})
}

func TestSeed39_FreedNumbersCanBeGivenToOthers(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5)
		pkg, numbers := tn.pkg("Domestic", 1), tn.numbers(1)
		two := tn.assign(tn.userNames(2)...)
		give := map[string]any{"package": pkg, "phoneNumbers": numbers}
		tn.call(two[0].Name, "assignPackage", give)
		tn.refused(tn.tryOn(two[1].Name, "assignPackage", give), "NUMBER_NOT_AVAILABLE")
		tn.refused(tn.tryOn(two[1].Name, "assignPackage", map[string]any{"package": pkg}), "PACKAGE_SEATS_EXHAUSTED")
		tn.removePackages(map[string]any{"phoneUsers": names(two[:1])})
		require.Equal(t, numbers, tn.call(two[1].Name, "assignPackage", give).PhoneNumbers)
		tn.addUp()
	})
}

func TestSeed40_HoldersOfInactivePackagesAreFound(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		branch := tn.site("Branch", "300", "399")
		old, current := tn.pkg("Old", 9), tn.pkg("Current", 9)
		here := tn.assignWith(gatewayclient.AssignRequest{Assignees: tn.userNames(2), Site: tn.main, Package: old})
		there := tn.assignWith(gatewayclient.AssignRequest{Assignees: tn.userNames(2), Site: branch, Package: old})
		tn.assignWith(gatewayclient.AssignRequest{Assignees: tn.userNames(1), Site: branch, Package: current})
		tn.assign(tn.userNames(1)...)
		find := func(filter, query string) []gatewayclient.PhoneUser {
			return list[gatewayclient.PhoneUser](tn, "/phoneUsers", "phoneUsers", url.Values{"filter": {filter}, "query": {query}})
		}
		require.Empty(t, find("packageState = INACTIVE", ""))
		require.NoError(t, tn.tryOn(old, "deactivate", map[string]any{}))
		require.ElementsMatch(t, append(names(here), names(there)...), names(find("packageState=INACTIVE", "")), "exactly its holders")
		for _, u := range find("packageState = INACTIVE", "") {
			require.Equal(t, "INACTIVE", u.PackageState)
			require.False(t, u.OutboundCalling)
		}
		require.ElementsMatch(t, names(there), names(find(`packageState = INACTIVE AND site = "`+branch+`"`, "")))
		require.Equal(t, names(there[1:]), names(find("packageState = INACTIVE", there[1].ExtensionNumber)))
		require.Len(t, find("packageState = ACTIVE", ""), 1)
		require.NoError(t, tn.tryOn(old, "activate", map[string]any{}))
		require.Empty(t, find("packageState = INACTIVE", ""))
		require.True(t, tn.get(here[0].Name).OutboundCalling)
	})
}

func TestSeed41_FromThereAnotherPackageOrRemoval(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		old, current, numbers := tn.pkg("Old", 9), tn.pkg("Current", 9), tn.numbers(1)
		us := tn.assignWith(gatewayclient.AssignRequest{Assignees: tn.userNames(2), Site: tn.main, Package: old})
		tn.call(us[0].Name, "assignPhoneNumbers", map[string]any{"phoneNumbers": numbers})
		require.NoError(t, tn.tryOn(old, "deactivate", map[string]any{}))
		third := tn.one()
		tn.unchanged(func() {
			tn.refused(tn.tryOn(third.Name, "assignPackage", map[string]any{"package": old}), "PACKAGE_INACTIVE")
		})
		moved := tn.call(us[0].Name, "assignPackage", map[string]any{"package": current})
		require.True(t, moved.OutboundCalling)
		require.Equal(t, numbers, moved.PhoneNumbers, "replacing a package keeps the numbers")
		tn.remove(us[1])
		require.Empty(t, list[gatewayclient.PhoneUser](tn, "/phoneUsers", "phoneUsers", url.Values{"filter": {"packageState = INACTIVE"}}))
		tn.addUp()
	})
}
