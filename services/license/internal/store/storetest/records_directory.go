package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

func (f *fixture) person(given, family, email string) model.User {
	return model.User{
		AccountID: f.account, ID: newID(), Email: email, GivenName: given, FamilyName: family,
		DisplayName: strings.TrimSpace(given + " " + family), Role: model.RoleMember, Status: model.UserActive, CreateTime: stamp(),
	}
}

func people(users ...model.User) store.NewUsers {
	return store.NewUsers{Users: users, Path: func(i int) string { return fmt.Sprintf("users[%d]", i) }}
}

func (f *fixture) addPeople(t *testing.T, users ...model.User) {
	t.Helper()
	replay, err := f.store.CreateUsers(t.Context(), f.account, people(users...), store.Remember{})
	require.NoError(t, err)
	require.Nil(t, replay)
}

func testCreateUsers(t *testing.T, f *fixture) {
	ada, bo := f.person("Ada", "Łukasiewicz", "Ada@Example.com"), f.person("", "", "bo@example.com")
	ada.Role, ada.SiteID = model.RoleAdmin, f.site
	bo.DisplayName, bo.Phone, bo.Status = bo.Email, true, model.UserPending
	f.addPeople(t, ada, bo)
	got, err := f.other.GetUser(t.Context(), f.account, ada.ID)
	require.NoError(t, err)
	requireSame(t, ada, got)
	both, err := f.other.GetUsers(t.Context(), f.account, []uuid.UUID{bo.ID, ada.ID, newID()})
	require.NoError(t, err)
	requireSame(t, map[uuid.UUID]model.User{ada.ID: ada, bo.ID: bo}, both)
	none, err := f.other.GetUsers(t.Context(), f.account, nil)
	require.NoError(t, err)
	require.Empty(t, none)
	_, err = f.store.GetUser(t.Context(), f.account, newID())
	requireReason(t, commonv1.Reason_NOT_FOUND, err)
	_, err = f.store.GetUser(t.Context(), newID(), ada.ID)
	requireReason(t, commonv1.Reason_NOT_FOUND, err)
}

func testCreateUsersRefusals(t *testing.T, f *fixture) {
	f.addPeople(t, f.person("Ada", "", "ada@example.com"), f.person("Bo", "", "bo@example.com"))
	_, err := f.store.CreateUsers(t.Context(), f.account, people(
		f.person("A", "", "ADA@example.com"), f.person("Cy", "", "cy@example.com"), f.person("B", "", "bo@EXAMPLE.com")), store.Remember{})
	requireReason(t, commonv1.Reason_EMAIL_IN_USE, err)
	require.Equal(t, []string{"users[0].email", "users[2].email"}, fieldsOf(t, err))
	require.Equal(t, "ADA@example.com", metadataOf(t, err)["email"])
	n, err := f.store.CountUsers(t.Context(), f.account, store.UserQuery{})
	require.NoError(t, err)
	require.Equal(t, 2, n, "all or none")

	dee, eve := f.person("Dee", "", "dee@example.com"), f.person("Eve", "", "eve@example.com")
	eve.SiteID = newID()
	_, err = f.store.CreateUsers(t.Context(), f.account, people(dee, eve), store.Remember{})
	requireReason(t, commonv1.Reason_NOT_FOUND, err)
	require.Equal(t, []string{"users[1].site"}, fieldsOf(t, err))
	stranger := f.person("Flo", "", "flo@example.com")
	stranger.AccountID = newID()
	_, err = f.store.CreateUsers(t.Context(), stranger.AccountID, people(stranger), store.Remember{})
	requireReason(t, commonv1.Reason_NOT_FOUND, err)
}

func testCreateUsersOnce(t *testing.T, f *fixture) {
	r := store.Remember{RequestID: "r1", BodyHash: []byte("body"), Answer: []byte("answer")}
	made := f.race(t, 6, commonv1.Reason_REASON_UNSPECIFIED, func(s store.Store, _ int) error {
		replay, err := s.CreateUsers(t.Context(), f.account, people(f.person("Ada", "", "ada@example.com")), r)
		if err == nil && replay != nil {
			require.Equal(t, "answer", string(replay))
			return errs.New(commonv1.Reason_REASON_UNSPECIFIED, "replayed")
		}
		return err
	})
	require.Equal(t, 1, made)
	r.BodyHash = []byte("another body")
	_, err := f.store.CreateUsers(t.Context(), f.account, people(f.person("Bo", "", "bo@example.com")), r)
	requireReason(t, commonv1.Reason_REQUEST_ID_REUSED, err)

	// A request id under which an operation is under way belongs to that operation.
	b := f.assign(1, "saga")
	require.NoError(t, f.begin(t, b).Err)
	under := store.Remember{RequestID: "saga", BodyHash: b.BodyHash, Answer: []byte("x")}
	_, err = f.store.CreateUsers(t.Context(), f.account, people(f.person("Cy", "", "cy@example.com")), under)
	requireReason(t, commonv1.Reason_OPERATION_IN_PROGRESS, err)
}

// testCreateUsersRace adds overlapping batches side by side: every address once, every batch whole.
func testCreateUsersRace(t *testing.T, f *fixture) {
	won := f.race(t, 8, commonv1.Reason_EMAIL_IN_USE, func(s store.Store, i int) error {
		_, err := s.CreateUsers(t.Context(), f.account, people(
			f.person("Own", "", fmt.Sprintf("own%d@example.com", i)), f.person("Shared", "", "shared@example.com")), store.Remember{})
		return err
	})
	require.Equal(t, 1, won)
	n, err := f.store.CountUsers(t.Context(), f.account, store.UserQuery{})
	require.NoError(t, err)
	require.Equal(t, 2, n)
}

// findUsers reads all that match, in pages of n, and checks the count.
func (f *fixture) findUsers(t *testing.T, query, filter string, n int) []model.User {
	t.Helper()
	parsed, err := store.UserFilter().Parse(filter)
	require.NoError(t, err, filter)
	q := store.UserQuery{Words: model.QueryWords(query), Filter: parsed, Limit: n}
	var all []model.User
	for {
		page, err := f.store.ListUsers(t.Context(), f.account, q)
		require.NoError(t, err)
		all = append(all, page...)
		if len(page) < n {
			break
		}
		last := page[n-1]
		q.After = &store.NameCursor{Key: model.Fold(last.DisplayName), ID: last.ID}
	}
	count, err := f.store.CountUsers(t.Context(), f.account, q)
	require.NoError(t, err)
	require.Equal(t, len(all), count, "query %q filter %q", query, filter)
	return all
}

func given(users []model.User) string {
	names := make([]string, len(users))
	for i := range users {
		names[i] = users[i].GivenName
	}
	return strings.Join(names, " ")
}

func testListUsers(t *testing.T, f *fixture) {
	ana, bo := f.person("Ana", "Müller_50%", "ana@example.com"), f.person("Bo", "O'Hara", "b.ohara@sales.example.org")
	cy, dee := f.person("Cyrus", "李小龍", "cy@example.com"), f.person("Dee", "STRASSE", "dee@example.com")
	bo.Role, cy.Status = model.RoleOwner, model.UserPending
	f.addPeople(t, dee, cy, bo, ana)
	licensed := f.seed(t, phoneUser{name: "Bo", assignee: bo.ID, state: model.StateActive}, phoneUser{name: "Dee", assignee: dee.ID, state: model.StateTrashed})

	for _, c := range []struct{ query, filter, want string }{
		{"", "", "Ana Bo Cyrus Dee"},
		{"MÜLL", "", "Ana"},
		{"mu\u0308ller", "", "Ana"},
		{"u", "", "Cyrus"},
		{"小", "", "Cyrus"},
		{"straße", "", "Dee"},
		{"ohara sales", "", "Bo"},
		{"o'hara", "", "Bo"},
		{"50% _", "", "Ana"},
		{"%", "", "Ana"},
		{`\`, "", ""},
		{"example com", "", "Ana Cyrus Dee"},
		{"@example.com an", "", "Ana"},
		{"a\x00na", "", "Ana"},
		{"zzz", "", ""},
		{"", "licensed = true", "Bo"},
		{"", "licensed = false", "Ana Cyrus Dee"},
		{"", "NOT licensed = true AND status = ACTIVE", "Ana Dee"},
		{"", "status = PENDING OR role = OWNER", "Bo Cyrus"},
		{"", "role != OWNER", "Ana Cyrus Dee"},
		{"", `email = "ANA@example.com"`, "Ana"},
		{"", `email != "ana@example.com" AND licensed = false`, "Cyrus Dee"},
		{"e", "licensed = false AND status = ACTIVE", "Ana Dee"},
	} {
		for _, n := range []int{2, 100} {
			require.Equal(t, c.want, given(f.findUsers(t, c.query, c.filter, n)), "query %q filter %q pages of %d", c.query, c.filter, n)
		}
	}
	byName := map[string]uuid.UUID{}
	for _, u := range f.findUsers(t, "", "", 10) {
		byName[u.GivenName] = u.PhoneUserID
	}
	require.Equal(t, map[string]uuid.UUID{"Ana": uuid.Nil, "Bo": licensed[0].ID, "Cyrus": uuid.Nil, "Dee": uuid.Nil}, byName,
		"a licence in the trash is none")
	got, err := f.store.GetUser(t.Context(), f.account, bo.ID)
	require.NoError(t, err)
	require.Equal(t, licensed[0].ID, got.PhoneUserID)
	other, err := f.store.ListUsers(t.Context(), newID(), store.UserQuery{Limit: 10})
	require.NoError(t, err)
	require.Empty(t, other)
}

// testListUsersPages has many people of the same name, so that the id decides.
func testListUsersPages(t *testing.T, f *fixture) {
	var want []string
	var users []model.User
	for i := range 60 {
		u := f.person(strings.Repeat("x", i%3+1), "Same", fmt.Sprintf("p%d@example.com", i))
		users, want = append(users, u), append(want, u.Email)
	}
	f.addPeople(t, users...)
	for _, n := range []int{1, 7, 20, 60, 61} {
		found := f.findUsers(t, "", "", n)
		require.True(t, slices.IsSortedFunc(found, func(a, b model.User) int { return strings.Compare(a.DisplayName, b.DisplayName) }))
		var got []string
		for _, u := range found {
			got = append(got, u.Email)
		}
		require.ElementsMatch(t, want, got, "each once, in pages of %d", n)
	}
}

// testLongNames uses the longest names and addresses there can be, of characters that need the most room: some that the folded form
// spells out to many times their length, and some that do not compress.
func testLongNames(t *testing.T, f *fixture) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(n, from, size int) string {
		var b strings.Builder
		for range n {
			b.WriteRune(rune(from + random.IntN(size)))
		}
		return b.String()
	}
	for i, c := range []struct{ from, size int }{{0xFDFA, 1}, {0x3300, 0x57}, {0x20000, 0xA000}} {
		part := pick(99, c.from, c.size)
		local := pick(58, c.from, c.size) // 58 characters of 4 bytes
		a := f.person(part+"a", part, fmt.Sprintf("%s%d@a.example.com", local, i))
		b := f.person(part+"b", part, fmt.Sprintf("%s%d@b.example.com", local, i))
		f.addPeople(t, a, b)
		_, err := f.store.CreateUsers(t.Context(), f.account, people(f.person("x", "", a.Email)), store.Remember{})
		requireReason(t, commonv1.Reason_EMAIL_IN_USE, err)
		ps := f.seed(t, phoneUser{name: a.DisplayName, email: a.Email, assignee: a.ID}, phoneUser{name: b.DisplayName, email: b.Email, assignee: b.ID})
		require.Len(t, ps, 2)
		st := f.makeSite(t, part+part+"1", "")
		f.makeSite(t, part+part+"2", "")
		requireReason(t, commonv1.Reason_NAME_IN_USE, f.store.CreateSite(t.Context(), f.newSite(st.DisplayName, ""), 1000))
	}
	require.Len(t, f.findUsers(t, "", "", 1), 6)
	require.Len(t, f.findPhoneUsers(t, store.PhoneUserQuery{}, 1), 6)
}

func testRooms(t *testing.T, f *fixture) {
	ctx := t.Context()
	room := func(name string, site uuid.UUID) model.Room {
		return model.Room{AccountID: f.account, ID: newID(), DisplayName: name, SiteID: site, CreateTime: stamp()}
	}
	blue, err := f.store.CreateRoom(ctx, room("Blue room", uuid.Nil))
	require.NoError(t, err)
	require.Equal(t, f.site, blue.SiteID, "the only site there is")
	second := f.makeSite(t, "Second", "")
	_, err = f.store.CreateRoom(ctx, room("x", uuid.Nil))
	requireReason(t, commonv1.Reason_SITE_REQUIRED, err)
	_, err = f.store.CreateRoom(ctx, room("x", newID()))
	requireReason(t, commonv1.Reason_NOT_FOUND, err)
	_, err = f.store.CreateRoom(ctx, room("BLUE  Room", second.ID))
	requireReason(t, commonv1.Reason_NAME_IN_USE, err)
	aqua, err := f.store.CreateRoom(ctx, room("aqua room", second.ID))
	require.NoError(t, err)
	red, err := f.store.CreateRoom(ctx, room("Red", second.ID))
	require.NoError(t, err)
	blue.PhoneUserID = f.seed(t, phoneUser{name: "Blue room", kind: model.KindRoom, assignee: blue.ID})[0].ID

	list := func(query string, n int) []model.Room {
		var all []model.Room
		q := store.RoomQuery{Words: model.QueryWords(query), Limit: n}
		for {
			page, err := f.other.ListRooms(ctx, f.account, q)
			require.NoError(t, err)
			if all = append(all, page...); len(page) < n {
				return all
			}
			q.After = &store.NameCursor{Key: model.Fold(page[n-1].DisplayName), ID: page[n-1].ID}
		}
	}
	for _, n := range []int{1, 2, 10} {
		requireSame(t, []model.Room{aqua, blue, red}, list("", n))
	}
	requireSame(t, []model.Room{aqua, blue}, list("ROOM", 10))
	requireSame(t, []model.Room{blue}, list("om lu", 10))
	byID, err := f.store.GetRooms(ctx, f.account, []uuid.UUID{red.ID, newID()})
	require.NoError(t, err)
	requireSame(t, map[uuid.UUID]model.Room{red.ID: red}, byID)

	won := f.race(t, 6, commonv1.Reason_NAME_IN_USE, func(s store.Store, _ int) error {
		_, err := s.CreateRoom(ctx, room("Race", second.ID))
		return err
	})
	require.Equal(t, 1, won)
}
