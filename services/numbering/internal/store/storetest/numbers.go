package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/numbering/internal/books"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/filter"
)

// listed walks all pages of a list of numbers, two at a time, and checks the count.
func (f *fixture) listed(q store.NumberQuery) []string {
	f.Helper()
	if q.Now.IsZero() {
		q.Now = f.now
	}
	var out []string
	after := ""
	for {
		page, err := f.store.ListNumbers(f.Context(), f.account, q, after, 2)
		require.NoError(f, err)
		for _, n := range page {
			out = append(out, n.Number)
		}
		if len(page) < 2 {
			break
		}
		after = page[1].Number
	}
	count, err := f.store.CountNumbers(f.Context(), f.account, q)
	require.NoError(f, err)
	require.Equal(f, int64(len(out)), count)
	return out
}

func testCreateNumbers(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	at := noon.Add(5 * time.Microsecond)
	require.NoError(t, s.CreateNumbers(t.Context(), f.account, []string{"+442079460001", "+15550100001"}, at))
	require.Equal(t, books.PhoneNumber{Number: "+15550100001", State: books.Available, CreateTime: at}, f.number("+15550100001"))

	err := s.CreateNumbers(t.Context(), f.account, []string{"+15550100009", "+15550100001", "+15550100008", "+442079460001"}, noon)
	r := refusal(t, err)
	require.Equal(t, books.NumberExists, r.Kind)
	require.Equal(t, []int{1, 3}, indexes(r))
	require.Equal(t, "+15550100001", r.Items[0].Number)
	require.Equal(t, []string{"+15550100001", "+442079460001"}, f.listed(store.NumberQuery{}), "all or none")

	other := newFixture(t, s)
	require.NoError(t, s.CreateNumbers(t.Context(), other.account, []string{"+15550100001"}, noon), "unique in the account only")
}

func testCreateNumbersAtOnce(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	errs := atOnce(10, func(i int) error {
		// Neighbours overlap in one number.
		return s.CreateNumbers(t.Context(), f.account, []string{fmt.Sprintf("+1555010%04d", i), fmt.Sprintf("+1555010%04d", i+1)}, noon)
	})
	n := successes(t, errs, books.NumberExists)
	require.NotZero(t, n)
	require.Len(t, f.listed(store.NumberQuery{}), 2*n)
}

func testDeleteNumbers(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	n := f.numbers(6)
	owner := newID(t)
	f.do(books.AssignPackage{Package: f.pkg("P", 1), Wants: []books.Want{{Owner: owner, Numbers: []string{n[1], n[2], n[5]}}}})
	f.do(books.UnassignNumbers{Want: books.Want{Owner: owner, Numbers: n[5:]}, Quarantine: time.Hour})

	r := refusal(t, s.DeleteNumbers(t.Context(), f.account, []string{n[0], n[2], n[3], n[1]}))
	require.Equal(t, books.NumberNotAvailable, r.Kind)
	require.Equal(t, []int{1, 3}, indexes(r))
	r = refusal(t, s.DeleteNumbers(t.Context(), f.account, []string{n[0], "+15559999999", n[1]}))
	require.Equal(t, books.NumberNotFound, r.Kind)
	require.Equal(t, []int{1}, indexes(r))
	require.Len(t, f.listed(store.NumberQuery{}), 6)

	require.NoError(t, s.DeleteNumbers(t.Context(), f.account, []string{n[3], n[0], n[5]}))
	require.Equal(t, []string{n[1], n[2], n[4]}, f.listed(store.NumberQuery{}))
	require.Equal(t, []string{n[1], n[2]}, f.read(owner)[0].Numbers)
}

func testListNumbers(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	n := f.numbers(6)
	require.NoError(t, s.CreateNumbers(t.Context(), f.account, []string{"+441632960555"}, noon))
	ada, bob := newID(t), newID(t)
	p := f.pkg("P", 5)
	f.do(books.AssignPackage{Package: p, Wants: []books.Want{{Owner: ada, Numbers: n[:2]}, {Owner: bob, Numbers: n[2:3]}}})
	f.do(books.UnassignNumbers{Want: books.Want{Owner: ada, Numbers: n[1:2]}, Quarantine: time.Hour})

	schema := filter.New(map[string]filter.Field{
		"state": filter.String(),
		"assignee": filter.Name("", func(name string) (any, error) {
			return map[string]uuid.UUID{"ada": ada, "bob": bob}[name], nil
		}).Optional(),
	})
	for text, want := range map[string][]string{
		``:                                     append(append([]string{}, n...), "+441632960555"),
		`state = ASSIGNED`:                     {n[0], n[2]},
		`state = QUARANTINED`:                  {n[1]},
		`state = AVAILABLE`:                    {n[3], n[4], n[5], "+441632960555"},
		`NOT state = AVAILABLE`:                n[:3],
		`assignee = ada`:                       n[:1],
		`assignee != ada AND state = ASSIGNED`: n[2:3],
		`assignee = ""`:                        {n[1], n[3], n[4], n[5], "+441632960555"},
		`assignee = ada OR assignee = bob`:     {n[0], n[2]},
	} {
		parsed, err := schema.Parse(text)
		require.NoError(t, err)
		require.Equal(t, want, f.listed(store.NumberQuery{Filter: parsed}), text)
	}
	for contains, want := range map[string][]string{
		"555":       append(append([]string{}, n...), "+441632960555"),
		"+155":      n,
		"+1555010":  n,
		"+44":       {"+441632960555"},
		"0003":      n[3:4],
		"5550100":   n,
		"+555":      nil,
		"%":         nil,
		"_":         nil,
		"no digits": nil,
	} {
		require.Equal(t, want, f.listed(store.NumberQuery{Contains: contains}), contains)
	}
	parsed, err := schema.Parse("state = AVAILABLE")
	require.NoError(t, err)
	require.Equal(t, []string{"+441632960555"}, f.listed(store.NumberQuery{Contains: "+44", Filter: parsed}))
}

func testQuarantineEndsByItself(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	n := f.numbers(1)
	ada, bob := newID(t), newID(t)
	p := f.pkg("P", 5)
	take := func(owner uuid.UUID) books.AssignPackage {
		return books.AssignPackage{Package: p, Wants: []books.Want{{Owner: owner, Numbers: n}}}
	}
	f.do(take(ada))
	f.do(books.Remove{Owners: []uuid.UUID{ada}, Quarantine: time.Hour})
	end := f.now.Add(time.Hour)
	require.Equal(t, books.PhoneNumber{Number: n[0], State: books.Quarantined, QuarantineUntil: end, CreateTime: noon}, f.number(n[0]))

	f.now = end.Add(-time.Microsecond)
	require.Equal(t, books.NumberNotAvailable, f.refused(take(bob)).Kind)
	require.Equal(t, books.NumberNotAvailable, f.refused(take(ada)).Kind, "it is kept from everybody")
	f.now = end
	require.Equal(t, books.PhoneNumber{Number: n[0], State: books.Available, CreateTime: noon}, f.number(n[0]))
	f.do(take(bob))
	require.Equal(t, bob, f.number(n[0]).Owner)
}
