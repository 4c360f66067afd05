package e2e

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/issuer"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/services/license"
)

func TestSeed01_OnlyOwnerOrAdminAssignsAndRemoves(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		people := tn.userNames(3)
		byOwner, err := tn.owner.Assign(t.Context(), tn.account, gatewayclient.AssignRequest{Assignees: people[:1]})
		require.NoError(t, err)
		byAdmin, err := tn.admin.Assign(t.Context(), tn.account, gatewayclient.AssignRequest{Assignees: people[1:2]})
		require.NoError(t, err)

		stranger := newTenant(t, s, 10)
		wrongKey := tn.anonymous.As("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.")
		expired := tn.as(issuer.Claims{Subject: "owner", Account: tn.account, Role: "OWNER", Lifetime: -time.Hour})
		tn.unchanged(func() {
			for name, who := range map[string]struct {
				client *gatewayclient.Client
				reason string
			}{
				"member":            {tn.member, "PERMISSION_DENIED"},
				"operator":          {tn.operator, "PERMISSION_DENIED"},
				"stranger":          {stranger.owner, "PERMISSION_DENIED"},
				"nobody":            {tn.anonymous, "UNAUTHENTICATED"},
				"unsigned token":    {wrongKey, "UNAUTHENTICATED"},
				"token out of date": {expired, "UNAUTHENTICATED"},
				"stranger by role":  {tn.as(issuer.Claims{Subject: "x", Account: tn.account, Role: "GUEST"}), "PERMISSION_DENIED"},
			} {
				t.Log(name)
				_, err := who.client.Assign(t.Context(), tn.account, gatewayclient.AssignRequest{Assignees: people[2:]})
				tn.refused(err, who.reason)
				err = who.client.Post(t.Context(), tn.path+"/phoneUsers:batchRemove", map[string]any{"phoneUsers": []string{byOwner[0].Name}}, nil)
				tn.refused(err, who.reason)
				invited := gatewayclient.User{Email: "invited@" + tn.domain, Features: []string{"PHONE"}}
				tn.refused(who.client.Post(t.Context(), tn.path+"/users", invited, nil), who.reason)
				_, err = who.client.CreateUsers(t.Context(), tn.account, []gatewayclient.User{{Email: "plain@" + tn.domain}, invited})
				tn.refused(err, who.reason)
				require.Len(t, list[gatewayclient.User](tn, "/users", "users", nil), len(people), "nobody was added")
			}
			// Who may not look cannot learn what is there: the answer is the same for what does not exist.
			tn.refused(stranger.owner.Get(t.Context(), "/v1/"+tn.unknown("phoneUsers"), nil), "PERMISSION_DENIED")
		})

		_, err = tn.operator.CreateUsers(t.Context(), tn.account, []gatewayclient.User{{Email: "plain@" + tn.domain}})
		require.NoError(t, err, "an operator adds people without a licence")

		for i, who := range []*gatewayclient.Client{tn.owner, tn.admin} {
			name := []gatewayclient.PhoneUser{byAdmin[0], byOwner[0]}[i].Name
			require.NoError(t, who.Post(t.Context(), tn.path+"/phoneUsers:batchRemove", map[string]any{"phoneUsers": []string{name}}, nil))
		}
		require.Empty(t, tn.phoneUsers())
	})
}

func TestSeed02_EveryLicenceYieldsExactlyOneExtension(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 60)
		got := tn.assign(tn.userNames(50)...)
		numbers := numbersOf(got)
		require.Len(t, slices.Compact(slices.Clone(numbers)), 50, "all different")
		require.Equal(t, "1000", numbers[0], "the lowest free number comes first")
		b := tn.addUp()
		require.Len(t, b.Extensions, 50, "no extension without a licence")
		require.Equal(t, 50, b.Account.LicensesAssigned)
	})
}

func TestSeed03_RoomsAreAssigneesToo(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		person, room := tn.userNames(1)[0], tn.room("Sala Camões")
		got := tn.assign(person, room)
		require.Equal(t, "USER", got[0].Kind)
		require.Equal(t, "ROOM", got[1].Kind)
		require.Equal(t, "Sala Camões", got[1].DisplayName)
		require.Empty(t, got[1].Email)
		require.NotEqual(t, got[0].ExtensionNumber, got[1].ExtensionNumber)
		b := tn.addUp()
		require.Len(t, b.PhoneUsers, 2)
		require.Len(t, b.Told, 1, "a room is not told")
		rooms := list[gatewayclient.Room](tn, "/rooms", "rooms", nil)
		require.Equal(t, got[1].Name, rooms[0].PhoneUser)
	})
}

func TestSeed03_ARoomCallsOutAndIsCalled(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		pkg, numbers := tn.pkg("Domestic", 1), tn.numbers(1)
		room := tn.assign(tn.room("Sala Camões"))[0]
		require.False(t, room.OutboundCalling)
		room = tn.call(room.Name, "assignPackage", map[string]any{"package": pkg, "phoneNumbers": numbers})
		require.True(t, room.OutboundCalling)
		require.Equal(t, numbers, room.PhoneNumbers)
		require.Equal(t, room.Name, list[gatewayclient.PhoneNumber](tn, "/phoneNumbers", "phoneNumbers", nil)[0].Assignee, "calls to it reach the room")
		tn.addUp()
	})
}

func TestSeed05_OneToAHundredAtATime(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 200)
		people := tn.userNames(202)
		tn.assign(people[0])
		tn.assign(people[1:101]...)
		tn.unchanged(func() {
			refusal := tn.refused(tn.try("/phoneUsers:batchAssign", gatewayclient.AssignRequest{Assignees: people[101:202]}), "BATCH_TOO_LARGE")
			require.Equal(t, "100", refusal.Metadata["limit"])
			require.Equal(t, "101", refusal.Metadata["count"])
			tn.refused(tn.try("/phoneUsers:batchAssign", gatewayclient.AssignRequest{Assignees: []string{}}), "BATCH_EMPTY")
			tn.refused(tn.try("/phoneUsers:batchAssign", map[string]any{}), "BATCH_EMPTY")
		})
		require.Equal(t, 101, tn.addUp().Account.LicensesAssigned)
	})
}

func TestSeed05_OneToAHundredOfEveryBatch(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 110)
		pkg, users := tn.pkg("Domestic", 110), names(append(tn.assign(tn.userNames(100)...), tn.one()))
		tn.unchanged(func() {
			for _, method := range []string{"batchAssignPackage", "batchRemovePackages", "batchTrash", "batchRestore", "batchRemove"} {
				body := map[string]any{"phoneUsers": users}
				if method == "batchAssignPackage" {
					body["package"] = pkg
				}
				refusal := tn.refused(tn.try("/phoneUsers:"+method, body), "BATCH_TOO_LARGE", "phoneUsers")
				require.Equal(t, []string{"100", "101"}, []string{refusal.Metadata["limit"], refusal.Metadata["count"]}, method)
				body["phoneUsers"] = []string{}
				tn.refused(tn.try("/phoneUsers:"+method, body), "BATCH_EMPTY", "phoneUsers")
			}
		})
	})
}

func TestSeed05_TheLimitIsConfiguration(t *testing.T) {
	t.Parallel()
	three := func(*testing.T) stack.Options {
		return configured(func(c *license.Config) { c.Provisioning.MaxBatch = 3 })
	}
	eachOwn(t, three, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		people := tn.userNames(7)
		users := names(append(tn.assign(people[:3]...), tn.assign(people[3])...))
		tn.unchanged(func() {
			refusal := tn.refused(tn.try("/phoneUsers:batchAssign", gatewayclient.AssignRequest{Assignees: people[3:]}), "BATCH_TOO_LARGE")
			require.Equal(t, []string{"3", "4"}, []string{refusal.Metadata["limit"], refusal.Metadata["count"]})
			refusal = tn.refused(tn.try("/phoneUsers:batchRemove", map[string]any{"phoneUsers": users}), "BATCH_TOO_LARGE")
			require.Equal(t, "3", refusal.Metadata["limit"])
		})
		require.Len(t, tn.removeWith(map[string]any{"phoneUsers": users[:3]}), 3)
	})
}

func TestSeed07_AssignedPeopleAreListedAtOnce(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 40)
		people := tn.userNames(20)
		for i, person := range people {
			got := tn.assign(person)[0]
			listed := tn.phoneUsers()
			require.Len(t, listed, i+1)
			at := slices.IndexFunc(listed, func(u gatewayclient.PhoneUser) bool { return u.Name == got.Name })
			require.GreaterOrEqual(t, at, 0, "who was assigned is in the list that follows")
			require.Equal(t, got, listed[at], "and looks the same as in the answer")
			require.Equal(t, got, tn.get(got.Name))
			var user gatewayclient.User
			require.NoError(t, tn.admin.Get(t.Context(), "/v1/"+person, &user))
			require.Equal(t, got.Name, user.PhoneUser)
		}
	})
}

func TestSeed08_SiteMayBeLeftOutWhereThereIsOne(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		people := tn.userNames(4)
		got := tn.assignWith(gatewayclient.AssignRequest{Assignees: people[:1]})
		require.Equal(t, tn.main, got[0].Site, "with one site it is the one")

		branch := tn.site("Branch", "200", "299")
		tn.unchanged(func() {
			tn.refused(tn.try("/phoneUsers:batchAssign", gatewayclient.AssignRequest{Assignees: people[1:2]}), "SITE_REQUIRED")
			tn.refused(tn.try("/phoneUsers:batchAssign", gatewayclient.AssignRequest{Assignees: people[1:2], Site: tn.unknown("sites")}), "NOT_FOUND")
			other := newTenant(t, s, 1)
			err := tn.try("/phoneUsers:batchAssign", gatewayclient.AssignRequest{Assignees: people[1:2], Site: other.main})
			tn.refused(err, "NOT_FOUND")
			tn.refused(tn.try("/rooms", gatewayclient.Room{DisplayName: "Blue"}), "SITE_REQUIRED")
			invited := gatewayclient.User{Email: "new@" + tn.domain, Features: []string{"PHONE"}}
			tn.refused(tn.try("/users", invited), "SITE_REQUIRED")
			tn.refused(tn.try("/users:batchCreate", map[string]any{"users": []gatewayclient.User{invited}}), "SITE_REQUIRED")
			require.Empty(t, list[gatewayclient.Room](tn, "/rooms", "rooms", nil))
			require.Len(t, list[gatewayclient.User](tn, "/users", "users", nil), len(people), "nobody was added")
		})
		got = tn.assignWith(gatewayclient.AssignRequest{Assignees: people[1:2], Site: branch})
		require.Equal(t, branch, got[0].Site)
		require.Equal(t, "200", got[0].ExtensionNumber, "the extension comes out of the site's own range")
		got = tn.assignWith(gatewayclient.AssignRequest{Assignees: people[2:3], Site: tn.main})
		require.Equal(t, "1001", got[0].ExtensionNumber)
		tn.addUp()
	})
}

func TestSeed09_DirectorySearch(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		made, err := tn.admin.CreateUsers(t.Context(), tn.account, []gatewayclient.User{
			{Email: "ada@" + tn.domain, GivenName: "Ada", FamilyName: "Whitfield"},
			{Email: "joao.araujo@" + tn.domain, GivenName: "João", FamilyName: "Araújo"},
			{Email: "w.field@" + tn.domain, GivenName: "渡邉", FamilyName: "さくら"},
			{Email: "percent@" + tn.domain, GivenName: "100%", FamilyName: "Under_score"},
		})
		require.NoError(t, err)
		tn.assign(made[0].Name)
		search := func(query, filter string) []string {
			args := url.Values{}
			if query != "" {
				args.Set("query", query)
			}
			if filter != "" {
				args.Set("filter", filter)
			}
			found := []string{}
			for _, u := range list[gatewayclient.User](tn, "/users", "users", args) {
				local, _, _ := strings.Cut(u.Email, "@")
				found = append(found, local)
			}
			slices.Sort(found)
			return found
		}
		require.Len(t, search("", ""), 4)
		require.Equal(t, []string{"ada", "w.field"}, search("FIELD", ""), "any part of name or e-mail address, in whatever case")
		require.Equal(t, []string{"joao.araujo"}, search("ARAÚ", ""))
		require.Equal(t, []string{"w.field"}, search("渡", ""))
		require.Equal(t, []string{"ada"}, search("whit ada", ""), "each word must be found")
		require.Empty(t, search("ada araujo", ""))
		require.Equal(t, []string{"percent"}, search("%", ""), "what is searched for is not a pattern")
		require.Equal(t, []string{"percent"}, search("r_s", ""))
		require.Equal(t, []string{"ada"}, search("", "licensed = true"))
		require.Equal(t, []string{"w.field"}, search("field", "licensed = false"))
		tn.refused(tn.admin.Get(t.Context(), tn.path+"/users?filter="+url.QueryEscape("shoeSize = 42"), nil), "FILTER_INVALID")
	})
}

func TestSeed10_OutboundCallingComesWithAPackage(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		people, pkg := tn.userNames(3), tn.pkg("Domestic", 5)
		with := tn.assignWith(gatewayclient.AssignRequest{Assignees: people[:2], Package: pkg})
		for _, u := range with {
			require.True(t, u.OutboundCalling)
			require.Equal(t, pkg, u.Package)
			require.Equal(t, "ACTIVE", u.PackageState)
		}
		without := tn.assign(people[2])[0]
		require.False(t, without.OutboundCalling)
		require.Empty(t, without.Package)
		b := tn.addUp()
		require.Equal(t, 2, b.Packages[0].Assigned)
	})
}

func TestSeed11_SettingsAreTheTemplates(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		branch := tn.site("Branch", "200", "299")
		language, ring, voicemail := "pt-BR", 45, false
		settings := gatewayclient.Settings{Language: &language, RingSeconds: &ring, VoicemailEnabled: &voicemail}
		everywhere := create(tn, "/templates", gatewayclient.Template{DisplayName: "Quiet", Settings: &settings})
		branchOnly := create(tn, "/templates", gatewayclient.Template{DisplayName: "Branch", Site: branch, Settings: &settings})
		people := tn.userNames(4)
		for i, x := range []struct{ site, template string }{{tn.main, everywhere.Name}, {branch, everywhere.Name}, {branch, branchOnly.Name}} {
			got := tn.assignWith(gatewayclient.AssignRequest{Assignees: people[i : i+1], Site: x.site, Template: x.template})[0]
			got = tn.get(got.Name)
			require.Equal(t, "pt-BR", *got.Settings.Language)
			require.Equal(t, 45, *got.Settings.RingSeconds)
			require.False(t, *got.Settings.VoicemailEnabled)
		}
		tn.unchanged(func() {
			err := tn.try("/phoneUsers:batchAssign", gatewayclient.AssignRequest{Assignees: people[3:], Site: tn.main, Template: branchOnly.Name})
			tn.refused(err, "TEMPLATE_SITE_MISMATCH")
			err = tn.try("/phoneUsers:batchAssign", gatewayclient.AssignRequest{Assignees: people[3:], Site: tn.main, Template: tn.unknown("templates")})
			tn.refused(err, "NOT_FOUND")
		})
		plain := tn.assign(people[3])[0]
		require.Nil(t, plain.Settings.RingSeconds, "without a template nothing is set, so the defaults hold")
	})
}

func TestSeed12_ExactlyOneWelcomeMail(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 30)
		got := tn.assign(append(tn.userNames(20), tn.room("Boardroom"))...)
		b := tn.addUp()
		require.Len(t, b.Told, 20)
		for _, u := range got[:20] {
			mail := tn.mails(u.Email)[0]
			require.Contains(t, mail.Subject+mail.Text, u.ExtensionNumber)
			require.Contains(t, mail.HTML, u.ExtensionNumber)
			require.NotEmpty(t, linkToken(tn, mail), "there is a link to change the basic settings")
			n := tn.notifications("recipient = " + strconv.Quote(u.Email))
			require.Len(t, n, 1)
			require.Equal(t, "SENT", n[0].State)
			require.Equal(t, "WELCOME", n[0].Kind)
			require.Equal(t, mail.Subject, n[0].Subject)
			require.Equal(t, u.Name, n[0].PhoneUser)
			require.NotContains(t, n[0].TextBody, linkToken(tn, mail), "what is shown to others does not work as a link")
		}
	})
}
