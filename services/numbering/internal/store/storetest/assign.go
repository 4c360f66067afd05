package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/numbering/internal/books"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/store"
)

func testAssignPackage(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	p, n, o := f.pkg("P", 3), f.numbers(4), newIDs(t, 3)
	command := books.AssignPackage{Package: p, Wants: []books.Want{
		{Owner: o[0], Numbers: []string{n[2], n[0], n[2]}}, {Owner: o[1]}, {Owner: o[2], Numbers: n[1:2]},
	}}
	want := []books.Holding{
		{Owner: o[0], Package: p, PackageState: books.Active, Numbers: []string{n[2], n[0]}},
		{Owner: o[1], Package: p, PackageState: books.Active},
		{Owner: o[2], Package: p, PackageState: books.Active, Numbers: n[1:2]},
	}
	for range 3 { // the same again changes nothing, although no seat is left
		require.Equal(t, want, f.do(command).Holdings)
		require.Equal(t, want, f.read(o...))
		require.Equal(t, int64(3), f.assigned(p))
	}
	got := f.do(books.AssignPackage{Package: p, Wants: []books.Want{{Owner: o[0], Numbers: []string{n[3], n[0]}}}})
	require.Equal(t, []string{n[2], n[0], n[3]}, got.Holdings[0].Numbers, "numbers are added, in the order assigned")
}

func testAssignPackageRefused(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	p, n, o := f.pkg("P", 3), f.numbers(3), newIDs(t, 5)
	f.do(books.AssignPackage{Package: p, Wants: []books.Want{{Owner: o[0], Numbers: n[:1]}}})

	r := f.refused(books.AssignPackage{Package: newID(t), Wants: []books.Want{{Owner: o[1]}}})
	require.Equal(t, books.PackageNotFound, r.Kind)

	r = f.refused(books.AssignPackage{Package: p, Wants: []books.Want{{Owner: o[1]}, {Owner: o[0]}, {Owner: o[2]}, {Owner: o[3]}, {Owner: o[4]}}})
	require.Equal(t, books.SeatsExhausted, r.Kind)
	require.Equal(t, []int64{3, 1, 4}, []int64{r.Seats, r.Assigned, r.Requested})
	require.Equal(t, []books.Item{{Owner: 3, Index: -1}, {Owner: 4, Index: -1}}, r.Items)

	r = f.refused(books.AssignPackage{Package: p, Wants: []books.Want{
		{Owner: o[1], Numbers: []string{n[1], n[0]}}, {Owner: o[0], Numbers: n[:1]}, {Owner: o[2], Numbers: []string{"+15559999999"}},
	}})
	require.Equal(t, books.NumberNotAvailable, r.Kind)
	require.Equal(t, []books.Item{{Owner: 0, Index: 1, Number: n[0]}, {Owner: 2, Index: 0, Number: "+15559999999"}}, r.Items)

	require.Equal(t, int64(1), f.assigned(p))
	for _, h := range f.read(o[1:]...) {
		require.Empty(t, h.Package)
		require.Empty(t, h.Numbers)
	}
}

func testAssignPackageMovesSeat(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	a, b, n, o := f.pkg("A", 2), f.pkg("B", 1), f.numbers(1), newIDs(t, 3)
	f.do(books.AssignPackage{Package: a, Wants: []books.Want{{Owner: o[0], Numbers: n}, {Owner: o[1]}}})
	got := f.do(books.AssignPackage{Package: b, Wants: []books.Want{{Owner: o[0]}}})
	require.Equal(t, []books.Holding{{Owner: o[0], Package: b, PackageState: books.Active, Numbers: n}}, got.Holdings, "numbers are kept")
	require.Equal(t, int64(1), f.assigned(a))
	require.Equal(t, int64(1), f.assigned(b))
	f.do(books.AssignPackage{Package: a, Wants: []books.Want{{Owner: o[2]}}}) // the seat is free at once
	require.Equal(t, books.SeatsExhausted, f.refused(books.AssignPackage{Package: b, Wants: []books.Want{{Owner: o[1]}}}).Kind)
	require.Equal(t, a, f.read(o[1])[0].Package, "who cannot get the new one keeps the old one")
}

func testAssignNumbers(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	p, n, o := f.pkg("P", 3), f.numbers(3), newIDs(t, 2)
	give := func(owner uuid.UUID, numbers ...string) books.AssignNumbers {
		return books.AssignNumbers{Want: books.Want{Owner: owner, Numbers: numbers}}
	}
	require.Equal(t, books.PackageRequired, f.refused(give(o[0], n[0])).Kind)
	f.do(books.AssignPackage{Package: p, Wants: []books.Want{{Owner: o[0]}, {Owner: o[1]}}})
	for range 2 {
		got := f.do(give(o[0], n[1], n[0]))
		require.Equal(t, []books.Holding{{Owner: o[0], Package: p, PackageState: books.Active, Numbers: []string{n[1], n[0]}}}, got.Holdings)
	}
	r := f.refused(give(o[1], n[2], n[0], n[1]))
	require.Equal(t, books.NumberNotAvailable, r.Kind)
	require.Equal(t, []int{1, 2}, indexes(r))
	require.Equal(t, books.Available, f.number(n[2]).State)
	f.sound()
}

func testNumbersPerOwner(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	p, n, o := f.pkg("P", 3), f.numbers(books.MaxNumbersPerOwner+1), newIDs(t, 2)
	f.do(books.AssignPackage{Package: p, Wants: []books.Want{{Owner: o[0], Numbers: n[:books.MaxNumbersPerOwner]}}})
	r := f.refused(books.AssignNumbers{Want: books.Want{Owner: o[0], Numbers: n[books.MaxNumbersPerOwner:]}})
	require.Equal(t, books.TooManyNumbers, r.Kind)
	require.Equal(t, int64(books.MaxNumbersPerOwner), r.Limit)
	r = f.refused(books.AssignPackage{Package: p, Wants: []books.Want{{Owner: o[1]}, {Owner: o[0], Numbers: n[books.MaxNumbersPerOwner:]}}})
	require.Equal(t, []books.Item{{Owner: 1, Index: -1}}, r.Items)
	require.Equal(t, n[:books.MaxNumbersPerOwner], f.read(o[0])[0].Numbers)
}

func testUnassignNumbers(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	p, n, o := f.pkg("P", 3), f.numbers(4), newIDs(t, 2)
	f.do(books.AssignPackage{Package: p, Wants: []books.Want{{Owner: o[0], Numbers: n[:3]}, {Owner: o[1], Numbers: n[3:]}}})
	for range 2 {
		got := f.do(books.UnassignNumbers{Want: books.Want{Owner: o[0], Numbers: []string{n[1], n[3], "+15559999999"}}})
		require.Equal(t, []books.Holding{{Owner: o[0], Package: p, PackageState: books.Active, Numbers: []string{n[0], n[2]}}}, got.Holdings)
	}
	require.Equal(t, books.Available, f.number(n[1]).State)
	require.Equal(t, o[1], f.number(n[3]).Owner, "another's number is left alone")
	got := f.do(books.AssignNumbers{Want: books.Want{Owner: o[0], Numbers: n[1:2]}})
	require.Equal(t, []string{n[0], n[2], n[1]}, got.Holdings[0].Numbers, "given again, it comes last")
	require.Equal(t, int64(2), f.assigned(p))
}

func testRemove(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	p, n, o := f.pkg("P", 2), f.numbers(2), newIDs(t, 3)
	f.do(books.AssignPackage{Package: p, Wants: []books.Want{{Owner: o[0], Numbers: n}, {Owner: o[1]}}})
	got := f.do(books.Remove{Owners: []uuid.UUID{o[2], o[0], o[0]}})
	require.Equal(t, []books.Holding{
		{Owner: o[2]}, {Owner: o[0], Package: p, PackageState: books.Active, Numbers: n}, {Owner: o[0]},
	}, got.Holdings)
	require.Equal(t, []books.Holding{{Owner: o[0]}}, f.read(o[0]))
	require.Equal(t, int64(1), f.assigned(p))
	require.Equal(t, []books.Holding{{Owner: o[0]}}, f.do(books.Remove{Owners: o[:1]}).Holdings, "repeated")
	f.do(books.AssignPackage{Package: p, Wants: []books.Want{{Owner: o[2], Numbers: n}}}) // all is free at once
}

func testRestore(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	p, n, o := f.pkg("P", 2), f.numbers(3), newIDs(t, 3)
	f.do(books.AssignPackage{Package: p, Wants: []books.Want{{Owner: o[0], Numbers: []string{n[1], n[0]}}, {Owner: o[1]}}})
	taken := f.do(books.Remove{Owners: o[:2]}).Holdings
	wanted := slices.Concat(taken, []books.Holding{{Owner: o[2]}})
	for range 2 {
		got := f.do(books.Restore{Wanted: wanted})
		require.Equal(t, wanted, got.Holdings)
		require.Equal(t, []books.Holding{{Owner: o[0]}, {Owner: o[1]}, {Owner: o[2]}}, got.Missing)
		require.Equal(t, int64(2), f.assigned(p))
	}
}

func testRestoreWhatIsLeft(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	p, other, off, n, o := f.pkg("P", 1), f.pkg("Q", 5), f.pkg("R", 5), f.numbers(4), newIDs(t, 6)
	f.setState(off, books.Inactive)
	f.do(books.AssignPackage{Package: other, Wants: []books.Want{{Owner: o[4], Numbers: n[3:]}, {Owner: o[5]}}})
	got := f.do(books.Restore{Wanted: []books.Holding{
		{Owner: o[0], Package: p, Numbers: []string{n[0], n[3], "+15559999999", "rubbish\x00", n[0]}}, // some numbers are gone
		{Owner: o[1], Package: p, Numbers: n[1:2]},                                                    // no seat, so no numbers
		{Owner: o[2], Package: off},                                                                   // inactive
		{Owner: o[3], Package: newID(t), Numbers: n[2:3]},                                             // never there
		{Owner: o[4], Package: other, Numbers: n[2:4]},                                                // holds part of it still
		{Owner: o[5], Package: p, Numbers: n[1:2]},                                                    // holds another package by now
	}})
	require.Equal(t, []books.Holding{
		{Owner: o[0], Package: p, PackageState: books.Active, Numbers: n[:1]},
		{Owner: o[1]}, {Owner: o[2]}, {Owner: o[3]},
		{Owner: o[4], Package: other, PackageState: books.Active, Numbers: []string{n[3], n[2]}},
		{Owner: o[5], Package: other, PackageState: books.Active, Numbers: n[1:2]},
	}, got.Holdings)
	missing := got.Missing
	require.Equal(t, books.Holding{Owner: o[0], Numbers: []string{n[3], "+15559999999", "rubbish\x00"}}, missing[0])
	require.Equal(t, books.Holding{Owner: o[1], Package: p, PackageState: books.Active, Numbers: n[1:2]}, missing[1])
	require.Equal(t, books.Holding{Owner: o[2], Package: off, PackageState: books.Inactive}, missing[2])
	require.Equal(t, n[2:3], missing[3].Numbers)
	require.NotEmpty(t, missing[3].Package)
	require.Equal(t, books.Holding{Owner: o[4]}, missing[4])
	require.Equal(t, p, missing[5].Package)
	require.Empty(t, missing[5].Numbers)
	require.Equal(t, int64(1), f.assigned(p))
}

func testRestoreOutOfQuarantine(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	p, n, o := f.pkg("P", 5), f.numbers(2), newIDs(t, 2)
	f.do(books.AssignPackage{Package: p, Wants: []books.Want{{Owner: o[0], Numbers: n}}})
	taken := f.do(books.Remove{Owners: o[:1], Quarantine: time.Hour}).Holdings
	others := []books.Holding{{Owner: o[1], Package: p, Numbers: n}}
	require.Equal(t, n, f.do(books.Restore{Wanted: others}).Missing[0].Numbers, "it was never theirs")
	for range 2 {
		got := f.do(books.Restore{Wanted: taken})
		require.Equal(t, taken, got.Holdings, "one's own numbers come back")
		require.Empty(t, got.Missing[0].Numbers)
	}

	// Whoever had a number last may have it back, and not who had it before.
	f.do(books.Remove{Owners: o[:1]})
	f.do(books.AssignNumbers{Want: books.Want{Owner: o[1], Numbers: n[:1]}})
	f.do(books.UnassignNumbers{Want: books.Want{Owner: o[1], Numbers: n[:1]}, Quarantine: time.Hour})
	got := f.do(books.Restore{Wanted: taken})
	require.Equal(t, n[1:], got.Holdings[0].Numbers)
	require.Equal(t, n[:1], got.Missing[0].Numbers)
	require.Equal(t, n[:1], f.do(books.Restore{Wanted: others}).Holdings[0].Numbers)
}

func (f *fixture) setState(pkg uuid.UUID, state books.State) {
	f.Helper()
	_, err := f.store.UpdatePackage(f.Context(), f.account, pkg, func(p *books.Package) error { p.State = state; return nil })
	require.NoError(f, err)
}

func testInactivePackage(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	p, n, o := f.pkg("P", 5), f.numbers(2), newIDs(t, 3)
	f.do(books.AssignPackage{Package: p, Wants: []books.Want{{Owner: o[0]}}})
	f.setState(p, books.Inactive)
	r := f.refused(books.AssignPackage{Package: p, Wants: []books.Want{{Owner: o[0]}, {Owner: o[1]}, {Owner: o[2]}}})
	require.Equal(t, books.PackageInactive, r.Kind)
	require.Equal(t, p, r.Package)
	require.Equal(t, []books.Item{{Owner: 1, Index: -1}, {Owner: 2, Index: -1}}, r.Items)

	// Who holds it keeps it, and the repetition of the call that gave it succeeds.
	got := f.do(books.AssignPackage{Package: p, Wants: []books.Want{{Owner: o[0], Numbers: n[:1]}}})
	require.Equal(t, []books.Holding{{Owner: o[0], Package: p, PackageState: books.Inactive, Numbers: n[:1]}}, got.Holdings)
	require.Equal(t, got.Holdings, f.read(o[0]))
	f.do(books.AssignNumbers{Want: books.Want{Owner: o[0], Numbers: n[1:]}})
	f.setState(p, books.Active)
	f.do(books.AssignPackage{Package: p, Wants: []books.Want{{Owner: o[1]}}})
	require.Equal(t, int64(2), f.assigned(p))
}

func testPreviewChangesNothing(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	p, n, owner := f.pkg("P", 1), f.numbers(1), newID(t)
	c := books.AssignPackage{Package: p, Wants: []books.Want{{Owner: owner, Numbers: n}}}
	var out books.Outcome
	require.NoError(t, s.Preview(t.Context(), f.account, c.Scope(), f.now, func(l *books.Ledger) (err error) {
		out, err = c.Apply(l)
		return err
	}))
	require.Equal(t, []books.Holding{{Owner: owner, Package: p, PackageState: books.Active, Numbers: n}}, out.Holdings)
	require.Equal(t, []books.Holding{{Owner: owner}}, f.read(owner))
	require.Zero(t, f.assigned(p))
}

func testRefusedChangesNothing(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	p, n, o := f.pkg("P", 2), f.numbers(1), newIDs(t, 3)
	commands := []books.Command{
		books.AssignPackage{Package: p, Wants: []books.Want{{Owner: o[0], Numbers: n}}},
		books.AssignPackage{Package: p, Wants: []books.Want{{Owner: o[1]}, {Owner: o[2]}}}, // one seat short
		books.AssignPackage{Package: p, Wants: []books.Want{{Owner: o[2]}}},
	}
	// In one transaction the refused command leaves no trace and spoils nothing.
	var errs []error
	require.NoError(t, s.Change(t.Context(), f.account, books.Join(commands), f.now, func(l *books.Ledger) error {
		errs = nil
		for _, c := range commands {
			_, err := c.Apply(l)
			errs = append(errs, err)
		}
		return nil
	}))
	require.NoError(t, errs[0])
	require.Equal(t, books.SeatsExhausted, refusal(t, errs[1]).Kind)
	require.NoError(t, errs[2])
	require.Equal(t, int64(2), f.assigned(p))
	require.Empty(t, f.read(o[1])[0].Package)

	// An error of the function writes nothing at all.
	mine := errors.New("mine")
	c := books.Remove{Owners: o}
	err := s.Change(t.Context(), f.account, c.Scope(), f.now, func(l *books.Ledger) error {
		_, err := c.Apply(l)
		require.NoError(t, err)
		return mine
	})
	require.ErrorIs(t, err, mine)
	require.Equal(t, int64(2), f.assigned(p))
}

func testSeatsAtOnce(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	const seats, callers = 7, 12
	p, q, o := f.pkg("P", seats), f.pkg("Q", callers), newIDs(t, callers)
	for _, owner := range o[:4] {
		f.do(books.AssignPackage{Package: q, Wants: []books.Want{{Owner: owner}}})
	}
	errs := atOnce(callers, func(i int) error {
		_, err := f.try(books.AssignPackage{Package: p, Wants: []books.Want{{Owner: o[i]}}})
		return err
	})
	require.Equal(t, seats, successes(t, errs, books.SeatsExhausted))
	require.Equal(t, int64(seats), f.assigned(p))
	for i, h := range f.read(o...) {
		require.Equal(t, errs[i] == nil, h.Package == p)
	}
}

func testNumbersAtOnce(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	p, n, o := f.pkg("P", 100), f.numbers(3), newIDs(t, 12)
	errs := atOnce(len(o), func(i int) error {
		_, err := f.try(books.AssignPackage{Package: p, Wants: []books.Want{{Owner: o[i], Numbers: []string{n[i%3]}}}})
		return err
	})
	require.Equal(t, 3, successes(t, errs, books.NumberNotAvailable))
	require.Equal(t, int64(3), f.assigned(p))
	for i, h := range f.read(o...) {
		require.Equal(t, errs[i] == nil, len(h.Numbers) == 1)
	}
}

func testThousandOwners(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	const n = 1000
	p, numbers, o := f.pkg("P", n), f.numbers(n), newIDs(t, n)
	c := books.AssignPackage{Package: p}
	for i := range o {
		c.Wants = append(c.Wants, books.Want{Owner: o[i], Numbers: numbers[i : i+1]})
	}
	f.do(c)
	require.Equal(t, int64(n), f.assigned(p))
	for i, h := range f.read(o...) {
		require.Equal(t, numbers[i:i+1], h.Numbers)
	}
	f.do(books.Remove{Owners: o, Quarantine: time.Hour})
	require.Zero(t, f.assigned(p))
}

func testAudit(t *testing.T, s store.Store) {
	want := map[uuid.UUID]bool{}
	for i := range 5 {
		f := newFixture(t, s)
		f.do(books.AssignPackage{Package: f.pkg(fmt.Sprintf("P%d", i), 1), Wants: []books.Want{{Owner: newID(t), Numbers: f.numbers(1)}}})
		f.pkg("empty", 1)
		f.sound()
		want[f.account] = true
	}
	got := map[uuid.UUID]bool{}
	after := uuid.Nil
	for {
		page, err := s.ListAccounts(t.Context(), after, 2)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		for _, a := range page {
			require.False(t, got[a], "listed twice")
			got[a] = true
		}
		after = page[len(page)-1]
	}
	require.Equal(t, want, got)
}

func testAccountsAreApart(t *testing.T, s store.Store) {
	f, g := newFixture(t, s), newFixture(t, s)
	p, n, owner := f.pkg("P", 5), f.numbers(2), newID(t)
	f.do(books.AssignPackage{Package: p, Wants: []books.Want{{Owner: owner, Numbers: n[:1]}}})

	_, err := s.GetPackage(t.Context(), g.account, p)
	require.Equal(t, books.PackageNotFound, refusal(t, err).Kind)
	_, err = s.UpdatePackage(t.Context(), g.account, p, func(p *books.Package) error { p.Seats = 9; return nil })
	require.Equal(t, books.PackageNotFound, refusal(t, err).Kind)
	require.Equal(t, books.PackageNotFound, g.refused(books.AssignPackage{Package: p, Wants: []books.Want{{Owner: owner}}}).Kind)
	require.Equal(t, books.NumberNotFound, refusal(t, s.DeleteNumbers(t.Context(), g.account, n[1:])).Kind)
	require.Equal(t, []books.Holding{{Owner: owner}}, g.do(books.Remove{Owners: []uuid.UUID{owner}}).Holdings)
	require.Empty(t, g.listed(store.NumberQuery{}))
	own := g.pkg("P", 1)
	require.Equal(t, books.NumberNotAvailable, g.refused(books.AssignPackage{Package: own, Wants: []books.Want{{Owner: owner, Numbers: n[1:]}}}).Kind)

	require.Equal(t, int64(1), f.assigned(p))
	require.Equal(t, n[:1], f.read(owner)[0].Numbers)
}
