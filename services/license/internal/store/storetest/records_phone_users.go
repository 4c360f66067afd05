package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
)

// phoneUser says what is particular to a phone user of a test; what is left out is filled in.
type phoneUser struct {
	name, email, extension string
	kind                   model.AssigneeKind
	assignee, site, pkg    uuid.UUID
	state                  model.State
	numbers                []string
	setup                  bool
	created                time.Time
}

func (f *fixture) record(p phoneUser) model.PhoneUser {
	out := model.PhoneUser{
		AccountID: f.account, ID: newID(), AssigneeKind: model.KindUser, AssigneeID: newID(), DisplayName: p.name, Email: p.email,
		State: model.StateActive, ExtensionNumber: p.extension, SiteID: f.site, PackageID: p.pkg, PhoneNumbers: p.numbers,
		Settings: &licensev1.Settings{Language: proto.String("pt-BR")}, SetupComplete: p.setup, CreateTime: stamp(), UpdateTime: stamp(),
	}
	if p.kind != "" {
		out.AssigneeKind = p.kind
	}
	if p.assignee != uuid.Nil {
		out.AssigneeID = p.assignee
	}
	if p.site != uuid.Nil {
		out.SiteID = p.site
	}
	if p.state != "" {
		out.State = p.state
	}
	if !p.created.IsZero() {
		out.CreateTime = p.created
	}
	if out.State == model.StateTrashed {
		out.DeleteTime, out.PurgeTime = stamp(), stamp().Add(30*24*time.Hour)
	}
	return out
}

// seed makes phone users in the states asked for, by one operation, and returns them as they are stored.
func (f *fixture) seed(t *testing.T, specs ...phoneUser) []model.PhoneUser {
	t.Helper()
	saga := store.Saga{ID: newID(), AccountID: f.account, Kind: "SEED", Plan: []byte(`{}`)}
	begin := store.Begin{Claim: time.Minute}
	finish := store.Finish{}
	for _, spec := range specs {
		p := f.record(spec)
		saga.PhoneUserIDs = append(saga.PhoneUserIDs, p.ID)
		finish.Update = append(finish.Update, p)
		p.SagaID, p.State, p.Revision = saga.ID, model.StateProvisioning, 1
		begin.Insert = append(begin.Insert, p)
	}
	begin.Saga, finish.Saga = saga, &saga
	require.NoError(t, f.begin(t, begin).Err)
	done, err := f.store.FinishSagas(t.Context(), f.account, []store.Finish{finish})
	require.NoError(t, err)
	require.Equal(t, []bool{true}, done)
	ps, err := f.store.GetPhoneUsers(t.Context(), f.account, saga.PhoneUserIDs)
	require.NoError(t, err)
	return ps
}

func testReadPhoneUsers(t *testing.T, f *fixture) {
	pkg := newID()
	made := f.seed(t, phoneUser{name: "Ada", email: "ada@example.com", extension: "0012", pkg: pkg, numbers: []string{"+12025550101", "+12025550100"}, setup: true},
		phoneUser{name: "Blue", kind: model.KindRoom}, phoneUser{name: "Cy", state: model.StateTrashed})
	ada := made[0]
	require.Equal(t, "0012", ada.ExtensionNumber)
	require.Equal(t, []string{"+12025550101", "+12025550100"}, ada.PhoneNumbers, "in the order assigned")
	require.Equal(t, "pt-BR", ada.Settings.GetLanguage())
	require.EqualValues(t, 2, ada.Revision)
	got, err := f.other.GetPhoneUser(t.Context(), f.account, ada.ID)
	require.NoError(t, err)
	requireSame(t, ada, got)
	reversed, err := f.other.GetPhoneUsers(t.Context(), f.account, []uuid.UUID{made[2].ID, ada.ID})
	require.NoError(t, err)
	requireSame(t, []model.PhoneUser{made[2], ada}, reversed)

	_, err = f.store.GetPhoneUser(t.Context(), f.account, newID())
	requireReason(t, commonv1.Reason_NOT_FOUND, err)
	_, err = f.store.GetPhoneUser(t.Context(), newID(), ada.ID)
	requireReason(t, commonv1.Reason_NOT_FOUND, err)
	_, err = f.store.GetPhoneUsers(t.Context(), f.account, []uuid.UUID{newID(), ada.ID, newID()})
	requireReason(t, commonv1.Reason_NOT_FOUND, err)
	require.Equal(t, []string{"phone_users[0]", "phone_users[2]"}, fieldsOf(t, err))

	live, err := f.store.LivePhoneUsers(t.Context(), f.account, []uuid.UUID{ada.AssigneeID, made[1].AssigneeID, made[2].AssigneeID, newID()})
	require.NoError(t, err)
	require.Equal(t, map[uuid.UUID]uuid.UUID{ada.AssigneeID: ada.ID, made[1].AssigneeID: made[1].ID}, live)
	live, err = f.store.LivePhoneUsers(t.Context(), f.account, nil)
	require.NoError(t, err)
	require.Empty(t, live)
}

var everyState = []model.State{model.StatePending, model.StateProvisioning, model.StateActive, model.StateTrashed}

// findPhoneUsers reads all that match q, in pages of n, and checks the count.
func (f *fixture) findPhoneUsers(t *testing.T, q store.PhoneUserQuery, n int) []model.PhoneUser {
	t.Helper()
	if q.States == nil {
		q.States = everyState
	}
	q.Limit = n
	var all []model.PhoneUser
	for {
		page, err := f.other.ListPhoneUsers(t.Context(), f.account, q)
		require.NoError(t, err)
		all = append(all, page...)
		if len(page) < n {
			break
		}
		after := store.PhoneUserAfter(&page[n-1], q.Order)
		q.After = &after
	}
	count, err := f.other.CountPhoneUsers(t.Context(), f.account, q)
	require.NoError(t, err)
	require.Equal(t, len(all), count)
	return all
}

func names(ps []model.PhoneUser) string {
	out := make([]string, len(ps))
	for i := range ps {
		out[i] = ps[i].DisplayName
	}
	return strings.Join(out, " ")
}

func testListPhoneUsersOrders(t *testing.T, f *fixture) {
	var specs []phoneUser
	base := stamp().Truncate(time.Hour)
	for i := range 40 {
		specs = append(specs, phoneUser{
			name: fmt.Sprintf("N%02d", i*7%20), extension: fmt.Sprintf("%04d", i*13%25), created: base.Add(time.Duration(i*11%10) * time.Second),
		})
	}
	made := f.seed(t, specs...)
	byID := func(a, b model.PhoneUser) int { return strings.Compare(a.ID.String(), b.ID.String()) }
	orders := map[store.PhoneUserOrder]func(a, b model.PhoneUser) int{
		store.ByDisplayName: func(a, b model.PhoneUser) int { return strings.Compare(a.DisplayName, b.DisplayName) },
		store.ByExtension:   func(a, b model.PhoneUser) int { return strings.Compare(a.ExtensionNumber, b.ExtensionNumber) },
		store.ByCreateTime:  func(a, b model.PhoneUser) int { return a.CreateTime.Compare(b.CreateTime) },
	}
	for order, compare := range orders {
		for _, descending := range []bool{false, true} {
			want := slices.Clone(made)
			slices.SortFunc(want, func(a, b model.PhoneUser) int {
				c := compare(a, b)
				if c == 0 {
					c = byID(a, b)
				}
				if descending {
					return -c
				}
				return c
			})
			for _, n := range []int{1, 9, 40, 100} {
				got := f.findPhoneUsers(t, store.PhoneUserQuery{Order: order, Descending: descending}, n)
				requireSame(t, want, got)
			}
		}
	}
}

func testListPhoneUsersSearch(t *testing.T, f *fixture) {
	f.seed(t,
		phoneUser{name: "Anne-Marie Müller", email: "anne.marie@sales.example.com", extension: "1001", numbers: []string{"+12025550101", "+442079460000"}},
		phoneUser{name: "Bo O'Hara", email: "bo+phone@example.org", extension: "1010"},
		phoneUser{name: "Cy 1001 李小龍", email: "cy_x@example.com", extension: "2001", numbers: []string{"+12025550199"}},
		phoneUser{name: "Dee", kind: model.KindRoom, extension: "0100"})
	for query, want := range map[string]string{
		"":                 "Anne-Marie Müller|Bo O'Hara|Cy 1001 李小龍|Dee",
		"mül":              "Anne-Marie Müller",
		"MARIE":            "Anne-Marie Müller",
		"anne-m":           "Anne-Marie Müller",
		"arie":             "",
		"ann sales":        "Anne-Marie Müller",
		"marie@sales":      "Anne-Marie Müller",
		"anne.marie@":      "Anne-Marie Müller",
		"ann@":             "",
		"example.com":      "Anne-Marie Müller|Cy 1001 李小龍",
		"exa com":          "Anne-Marie Müller|Cy 1001 李小龍",
		"phone":            "Bo O'Hara",
		"o'hara":           "Bo O'Hara",
		"hara":             "Bo O'Hara",
		"x":                "Cy 1001 李小龍",
		"李小":               "Cy 1001 李小龍",
		"10":               "Anne-Marie Müller|Bo O'Hara|Cy 1001 李小龍",
		"1001":             "Anne-Marie Müller|Cy 1001 李小龍",
		"001":              "",
		"01":               "Dee",
		"+1202555010":      "Anne-Marie Müller",
		"12025550":         "Anne-Marie Müller|Cy 1001 李小龍",
		"+44":              "Anne-Marie Müller",
		"+2025":            "",
		"+":                "Anne-Marie Müller|Cy 1001 李小龍",
		"+1010":            "",
		"bo 1010":          "Bo O'Hara",
		"bo 1001":          "",
		"...":              "",
		"%":                "",
		"\x00bo":           "Bo O'Hara",
		"de e":             "",
		"dee\u00a0\u2003":  "Dee",
		"nobody at all 42": "",
	} {
		for _, n := range []int{1, 100} {
			got := f.findPhoneUsers(t, store.PhoneUserQuery{Words: model.QueryWords(query)}, n)
			var found []string
			for i := range got {
				found = append(found, got[i].DisplayName)
			}
			require.Equal(t, want, strings.Join(found, "|"), "query %q", query)
		}
	}
}

func testListPhoneUsersFilters(t *testing.T, f *fixture) {
	second := f.makeSite(t, "Second", "").ID
	gold, silver := newID(), newID()
	f.seed(t,
		phoneUser{name: "Ada", pkg: gold, setup: true},
		phoneUser{name: "Bo", pkg: silver, site: second},
		phoneUser{name: "Cy", kind: model.KindRoom, site: second},
		phoneUser{name: "Dee", state: model.StatePending},
		phoneUser{name: "Eve", state: model.StateTrashed, pkg: silver},
		phoneUser{name: "Flo", state: model.StateProvisioning})
	site := func(id uuid.UUID) string { return fmt.Sprintf("site = %q", model.SiteName(f.account, id)) }
	pkg := func(id uuid.UUID) string { return fmt.Sprintf("package = %q", model.PackageName(f.account, id)) }
	for _, c := range []struct {
		filter string
		states []model.State
		want   string
	}{
		{"", nil, "Ada Bo Cy Dee Eve Flo"},
		{"", []model.State{model.StateActive, model.StateProvisioning}, "Ada Bo Cy Flo"},
		{"state = ACTIVE", nil, "Ada Bo Cy"},
		{"state = ACTIVE", []model.State{model.StateTrashed}, ""},
		{"state != ACTIVE", nil, "Dee Eve Flo"},
		{site(second), nil, "Bo Cy"},
		{site(second) + " AND kind = ROOM", nil, "Cy"},
		{site(newID()), nil, ""},
		{fmt.Sprintf("site = %q", model.SiteName(newID(), second)), nil, ""},
		{pkg(gold), nil, "Ada"},
		{pkg(gold) + " OR " + pkg(silver), nil, "Ada Bo Eve"},
		{`package = ""`, nil, "Cy Dee Flo"},
		{"packageState = INACTIVE", nil, "Bo Eve"},
		{"package_state = ACTIVE", nil, "Ada"},
		{`packageState = ""`, nil, "Cy Dee Flo"},
		{"NOT packageState = INACTIVE", nil, "Ada Cy Dee Flo"},
		{"packageState = INACTIVE AND " + site(second), nil, "Bo"},
		{"setupComplete = true", nil, "Ada"},
		{"setupComplete = false AND kind = USER AND state = ACTIVE", nil, "Bo"},
	} {
		parsed, err := store.PhoneUserFilter(f.account).Parse(c.filter)
		require.NoError(t, err, c.filter)
		for _, n := range []int{2, 100} {
			q := store.PhoneUserQuery{Filter: parsed, States: c.states, InactivePackages: []uuid.UUID{silver}, Words: nil}
			require.Equal(t, c.want, names(f.findPhoneUsers(t, q, n)), "filter %q pages of %d", c.filter, n)
		}
	}
	parsed, err := store.PhoneUserFilter(f.account).Parse("packageState = INACTIVE")
	require.NoError(t, err)
	require.Empty(t, f.findPhoneUsers(t, store.PhoneUserQuery{Filter: parsed}, 10), "no package is inactive")
	q := store.PhoneUserQuery{Filter: parsed, InactivePackages: []uuid.UUID{silver}, Words: []string{"bo"}}
	require.Equal(t, "Bo", names(f.findPhoneUsers(t, q, 10)), "filter and query together")
}

func testLog(t *testing.T, f *fixture) {
	base := stamp().Truncate(time.Hour)
	one, two := newID(), newID()
	var entries []model.LogEntry
	for i := range 30 {
		e := model.LogEntry{
			AccountID: f.account, ID: newID(), Time: base.Add(time.Duration(i/3) * time.Minute), Kind: model.LogAssigned, PhoneUserID: one,
			AssigneeKind: model.KindUser, AssigneeID: newID(), DisplayName: "Ada", Actor: "ada", RequestID: "r",
			Before: map[string]any{}, After: map[string]any{"extensionNumber": "0012", "phoneNumbers": []any{"+12025550100"}, "settings": map[string]any{"ringSeconds": 20.0}},
		}
		if i%2 == 1 {
			e.PhoneUserID, e.Kind, e.Actor = two, model.LogRemoved, model.ActorSystem
		}
		entries = append(entries, e)
	}
	b := f.assign(1, "")
	require.NoError(t, f.begin(t, b).Err)
	_, err := f.store.FinishSagas(t.Context(), f.account, []store.Finish{{Saga: &b.Saga, Update: b.Insert, Log: entries}})
	require.NoError(t, err)

	at := func(i int) string { return base.Add(time.Duration(i) * time.Minute).Format(time.RFC3339) }
	for filter, match := range map[string]func(e model.LogEntry) bool{
		"": func(model.LogEntry) bool { return true },
		fmt.Sprintf("phoneUser = %q", model.PhoneUserName(f.account, two)): func(e model.LogEntry) bool { return e.PhoneUserID == two },
		fmt.Sprintf("phoneUser = %q", model.PhoneUserName(newID(), two)):   func(model.LogEntry) bool { return false },
		"kind = REMOVED":                   func(e model.LogEntry) bool { return e.Kind == model.LogRemoved },
		"kind = PURGED OR kind = ASSIGNED": func(e model.LogEntry) bool { return e.Kind == model.LogAssigned },
		fmt.Sprintf("time >= %q AND time < %q", at(2), at(5)): func(e model.LogEntry) bool {
			return !e.Time.Before(base.Add(2*time.Minute)) && e.Time.Before(base.Add(5*time.Minute))
		},
		`actor = "system"`: func(e model.LogEntry) bool { return e.Actor == "system" },
		fmt.Sprintf("phoneUser = %q AND time = %q", model.PhoneUserName(f.account, one), at(3)): func(e model.LogEntry) bool { return e.PhoneUserID == one && e.Time.Equal(base.Add(3*time.Minute)) },
	} {
		var want []model.LogEntry
		for _, e := range entries {
			if match(e) {
				want = append(want, e)
			}
		}
		slices.SortFunc(want, func(a, b model.LogEntry) int {
			if c := b.Time.Compare(a.Time); c != 0 {
				return c
			}
			return strings.Compare(b.ID.String(), a.ID.String())
		})
		parsed, err := store.LogFilter(f.account).Parse(filter)
		require.NoError(t, err, filter)
		for _, n := range []int{1, 4, 100} {
			var got []model.LogEntry
			q := store.LogQuery{Filter: parsed, Limit: n}
			for {
				page, err := f.other.ListLog(t.Context(), f.account, q)
				require.NoError(t, err)
				if got = append(got, page...); len(page) < n {
					break
				}
				q.After = &store.LogCursor{Time: page[n-1].Time, ID: page[n-1].ID}
			}
			requireSame(t, want, got)
		}
	}
	foreign, err := f.store.ListLog(t.Context(), newID(), store.LogQuery{Limit: 10})
	require.NoError(t, err)
	require.Empty(t, foreign)
}
