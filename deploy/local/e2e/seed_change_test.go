package e2e

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

// patch changes a phone user.
func (tn *tenant) patch(u gatewayclient.PhoneUser, mask string, body map[string]any) (gatewayclient.PhoneUser, error) {
	var out gatewayclient.PhoneUser
	err := tn.admin.Patch(tn.Context(), "/v1/"+u.Name+"?updateMask="+mask, body, &out)
	return out, err
}

func TestSeed04_SettingsAreChangedAfterwards(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5)
		u := tn.one()
		all := map[string]any{"settings": map[string]any{"language": "fr", "ringSeconds": 40}, "extensionNumber": "4444"}
		now, err := tn.patch(u, "settings.language", all)
		require.NoError(t, err)
		require.Equal(t, "fr", *now.Settings.Language)
		require.Nil(t, now.Settings.RingSeconds, "what the mask does not name stays")
		require.Equal(t, u.ExtensionNumber, now.ExtensionNumber)
		require.Equal(t, now, tn.get(u.Name), "a read that follows shows it")

		_, err = tn.patch(now, "settings.ringSeconds", map[string]any{"settings": map[string]any{"ringSeconds": 50}, "etag": u.Etag})
		tn.refused(err, "ETAG_MISMATCH")
		both, err := tn.patch(now, "settings.ringSeconds,extensionNumber", map[string]any{
			"settings": map[string]any{"ringSeconds": 50}, "extensionNumber": "4444", "etag": now.Etag,
		})
		require.NoError(t, err, "the etag of the last answer is good")
		require.Equal(t, "4444", both.ExtensionNumber)
		require.Equal(t, 50, *both.Settings.RingSeconds)
		require.Equal(t, "fr", *both.Settings.Language)

		// Together or not at all.
		_, err = tn.patch(both, "settings.ringSeconds,extensionNumber", map[string]any{"settings": map[string]any{"ringSeconds": 60}, "extensionNumber": "77"})
		tn.refused(err, "EXTENSION_OUT_OF_RANGE")
		for _, mask := range []string{"settings.shoeSize", "state", "name"} {
			_, err = tn.patch(both, mask, map[string]any{"settings": map[string]any{}})
			tn.refused(err, "FIELD_INVALID")
		}
		require.Equal(t, both, tn.get(u.Name), "what was refused changed nothing")
		require.Equal(t, []string{"EXTENSION_CHANGED", "SETTINGS_CHANGED", "SETTINGS_CHANGED", "ASSIGNED"}, sortedTail(tn.logKinds(u.Name), 2))
	})
}

// sortedTail orders the first n of several kinds, which were logged together.
func sortedTail(kinds []string, n int) []string {
	if n <= len(kinds) && kinds[0] > kinds[n-1] {
		kinds[0], kinds[n-1] = kinds[n-1], kinds[0]
	}
	return kinds
}

func TestSeed13_AMoveTakesTheExtensionOfTheNewSite(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5)
		branch, numbers := tn.site("Branch", "300", "300"), tn.numbers(1)
		two := tn.assignWith(gatewayclient.AssignRequest{Assignees: tn.userNames(2), Site: tn.main, Package: tn.pkg("Domestic", 5)})
		tn.call(two[0].Name, "assignPhoneNumbers", map[string]any{"phoneNumbers": numbers})
		moved, err := tn.patch(two[0], "site", map[string]any{"site": branch})
		require.NoError(t, err)
		require.Equal(t, branch, moved.Site)
		require.Equal(t, "300", moved.ExtensionNumber, "out of the site's own range")
		require.Equal(t, numbers, moved.PhoneNumbers, "package and numbers stay")
		require.ElementsMatch(t, []string{"SITE_CHANGED", "EXTENSION_CHANGED"}, tn.logKinds(moved.Name)[:2])
		tn.unchanged(func() {
			_, err := tn.patch(two[1], "site", map[string]any{"site": branch})
			tn.refused(err, "EXTENSION_RANGE_EXHAUSTED")
			_, err = tn.patch(two[1], "site", map[string]any{"site": tn.unknown("sites")})
			tn.refused(err, "NOT_FOUND")
		})
		require.Equal(t, two[0].ExtensionNumber, tn.assign(tn.userNames(1)...)[0].ExtensionNumber, "the old number is free")
		tn.addUpNow()
	})
}

func TestSeed11_WhoHasATemplatesSettingsKeepsThem(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5)
		before, after := 20, 30
		made := create(tn, "/templates", gatewayclient.Template{DisplayName: "Desk", Settings: &gatewayclient.Settings{RingSeconds: &before}})
		people := tn.userNames(3)
		with := func(i int) gatewayclient.PhoneUser {
			return tn.assignWith(gatewayclient.AssignRequest{Assignees: people[i : i+1], Template: made.Name})[0]
		}
		first := with(0)
		body := gatewayclient.Template{Settings: &gatewayclient.Settings{RingSeconds: &after}}
		require.NoError(t, tn.admin.Patch(t.Context(), "/v1/"+made.Name+"?updateMask=settings.ringSeconds", body, nil))
		second := with(1)
		require.NoError(t, tn.admin.Delete(t.Context(), "/v1/"+made.Name))
		require.Equal(t, before, *tn.get(first.Name).Settings.RingSeconds)
		require.Equal(t, after, *tn.get(second.Name).Settings.RingSeconds)
		tn.refused(tn.try("/phoneUsers:batchAssign", gatewayclient.AssignRequest{Assignees: people[2:], Template: made.Name}), "NOT_FOUND")
	})
}

// TestSeed07_TheListIsSearchedFilteredAndOrdered reads a list of people, a room and somebody in the trash in all the ways there are.
func TestSeed07_TheListIsSearchedFilteredAndOrdered(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10).withTrash()
		branch := tn.site("Branch", "300", "309")
		people, err := tn.admin.CreateUsers(t.Context(), tn.account, []gatewayclient.User{
			{Email: "cleo@" + tn.domain, GivenName: "Cleo"}, {Email: "ada@" + tn.domain, GivenName: "Ada"},
			{Email: "bob@" + tn.domain, GivenName: "Bob"}, {Email: "dan@" + tn.domain, GivenName: "Dan"},
		})
		require.NoError(t, err)
		tn.assign(people[0].Name, people[1].Name, tn.room("Boardroom"))
		gone := tn.assignWith(gatewayclient.AssignRequest{Assignees: []string{people[2].Name, people[3].Name}, Site: branch})[1]
		tn.trash(gone)
		read := func(args string) string {
			query, err := url.ParseQuery(args)
			require.NoError(t, err)
			var found []string
			for _, u := range list[gatewayclient.PhoneUser](tn, "/phoneUsers", "phoneUsers", query) {
				found = append(found, u.DisplayName)
			}
			return strings.Join(found, " ")
		}
		for args, want := range map[string]string{
			"orderBy=displayName":                                           "Ada Boardroom Bob Cleo",
			"orderBy=displayName desc":                                      "Cleo Bob Boardroom Ada",
			"orderBy=extensionNumber":                                       "Cleo Ada Boardroom Bob",
			"orderBy=displayName&showDeleted=true":                          "Ada Boardroom Bob Cleo Dan",
			"showDeleted=true&filter=state %3D TRASHED":                     "Dan",
			"filter=kind %3D ROOM":                                          "Boardroom",
			"filter=site %3D \"" + branch + "\"":                            "Bob",
			"query=bo&orderBy=displayName":                                  "Boardroom Bob",
			"query=bo&filter=kind %3D USER":                                 "Bob",
			"query=1000":                                                    "Cleo",
			"query=cleo@":                                                   "Cleo",
			"query=nobody":                                                  "",
			"filter=kind %3D ROOM OR site %3D \"" + branch + "\"":           "Boardroom Bob",
			"filter=setupComplete %3D true":                                 "",
			"filter=kind %3D USER AND state %3D ACTIVE&orderBy=displayName": "Ada Bob Cleo",
		} {
			require.Equal(t, want, read(args), args)
		}
		var page struct {
			PhoneUsers    []gatewayclient.PhoneUser
			NextPageToken string
			TotalSize     int
		}
		require.NoError(t, tn.admin.Get(t.Context(), tn.path+"/phoneUsers?pageSize=3&orderBy=displayName", &page))
		require.Len(t, page.PhoneUsers, 3)
		require.Equal(t, 4, page.TotalSize)
		again := "/phoneUsers?pageSize=3&orderBy=displayName&pageToken=" + url.QueryEscape(page.NextPageToken)
		page.NextPageToken, page.PhoneUsers = "", nil
		require.NoError(t, tn.admin.Get(t.Context(), tn.path+again, &page))
		require.Equal(t, "Cleo", page.PhoneUsers[0].DisplayName)
		require.Empty(t, page.NextPageToken)
		for args, reason := range map[string]string{
			"orderBy=shoeSize": "FIELD_INVALID", "filter=shoeSize %3D 3": "FILTER_INVALID", "pageToken=x": "PAGE_TOKEN_INVALID",
			again[len("/phoneUsers?"):] + "&query=bo": "PAGE_TOKEN_INVALID",
		} {
			tn.refused(tn.admin.Get(t.Context(), tn.path+"/phoneUsers?"+strings.ReplaceAll(args, " ", "%20"), nil), reason)
		}
	})
}
