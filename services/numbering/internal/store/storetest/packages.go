package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/numbering/internal/books"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/store"
)

func testCreateAndGetPackage(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	want := books.Package{
		ID: newID(t), DisplayName: "Žofie's \\'; \"%_ 国際", Kind: "international", Seats: 10_000_000, State: books.Active, Revision: 1,
		CreateTime: noon.Add(123456 * time.Microsecond),
	}
	require.NoError(t, s.CreatePackage(t.Context(), f.account, want))
	got, err := s.GetPackage(t.Context(), f.account, want.ID)
	require.NoError(t, err)
	require.Equal(t, want, got)

	_, err = s.GetPackage(t.Context(), f.account, newID(t))
	require.Equal(t, books.PackageNotFound, refusal(t, err).Kind)
}

func testPackageNames(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	f.pkg("Straße  One", 1)
	for _, same := range []string{"Straße  One", "STRASSE ONE", "straße one", "Straße\u00a0One"} {
		err := s.CreatePackage(t.Context(), f.account, books.Package{ID: newID(t), DisplayName: same, State: books.Active, Revision: 1, CreateTime: noon})
		r := refusal(t, err)
		require.Equal(t, books.NameInUse, r.Kind, same)
		require.Equal(t, same, r.Name)
	}
	f.pkg("Strasse Two", 1)
	newFixture(t, s).pkg("Straße  One", 1) // another account
}

func testPackageNamesAtOnce(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	errs := atOnce(16, func(i int) error {
		return s.CreatePackage(t.Context(), f.account, books.Package{
			ID: newID(t), DisplayName: fmt.Sprintf("Package %d", i%4), State: books.Active, Revision: 1, CreateTime: noon,
		})
	})
	require.Equal(t, 4, successes(t, errs, books.NameInUse))
	all, err := s.ListPackages(t.Context(), f.account, "", 100)
	require.NoError(t, err)
	require.Len(t, all, 4)
}

func testListPackages(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	for _, name := range []string{"delta", "Bravo", "alpha", "Charlie"} {
		f.pkg(name, 3)
	}
	f.do(books.AssignPackage{Package: f.pkg("echo", 2), Wants: []books.Want{{Owner: newID(t)}}})
	var names []string
	after := ""
	for {
		page, err := s.ListPackages(t.Context(), f.account, after, 2)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		for _, p := range page {
			names = append(names, p.DisplayName)
			require.Equal(t, p.DisplayName == "echo", p.Assigned == 1)
		}
		after = books.FoldName(page[len(page)-1].DisplayName)
	}
	require.Equal(t, []string{"alpha", "Bravo", "Charlie", "delta", "echo"}, names)
}

func testPackageLimit(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	for i := range books.MaxPackages - 4 {
		f.pkg(fmt.Sprintf("Package %d", i), 1)
	}
	errs := atOnce(8, func(i int) error {
		return s.CreatePackage(t.Context(), f.account, books.Package{
			ID: newID(t), DisplayName: fmt.Sprintf("Late %d", i), State: books.Active, Revision: 1, CreateTime: noon,
		})
	})
	require.Equal(t, 4, successes(t, errs, books.TooManyPackages))
}

func testUpdatePackage(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	id := f.pkg("Basic", 5)
	f.do(books.AssignPackage{Package: id, Wants: []books.Want{{Owner: newID(t)}}})
	got, err := s.UpdatePackage(t.Context(), f.account, id, func(p *books.Package) error {
		require.Equal(t, int64(1), p.Assigned)
		p.DisplayName, p.Kind, p.Seats, p.State = "Better", "premium", 1, books.Inactive
		return nil
	})
	require.NoError(t, err)
	want := books.Package{
		ID: id, DisplayName: "Better", Kind: "premium", Seats: 1, Assigned: 1, State: books.Inactive, Revision: 2, CreateTime: noon,
	}
	require.Equal(t, want, got)
	got, err = s.GetPackage(t.Context(), f.account, id)
	require.NoError(t, err)
	require.Equal(t, want, got)

	got, err = s.UpdatePackage(t.Context(), f.account, id, func(*books.Package) error { return nil })
	require.NoError(t, err)
	require.Equal(t, want, got, "no difference, no new revision")

	f.pkg("Basic", 1) // the name is free again
	_, err = s.UpdatePackage(t.Context(), f.account, id, func(p *books.Package) error {
		p.DisplayName = "BETTER" // its own name in other letters
		return nil
	})
	require.NoError(t, err)
}

func testUpdatePackageRefused(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	id := f.pkg("Basic", 5)
	f.pkg("Other", 5)
	before, err := s.GetPackage(t.Context(), f.account, id)
	require.NoError(t, err)
	mine := errors.New("mine")
	for name, c := range map[string]struct {
		change func(p *books.Package) error
		check  func(err error)
	}{
		"name": {
			func(p *books.Package) error { p.DisplayName, p.Kind = "other", "x"; return nil },
			func(err error) { require.Equal(t, books.NameInUse, refusal(t, err).Kind) },
		},
		"own error": {
			func(p *books.Package) error { p.Kind = "x"; return mine },
			func(err error) { require.ErrorIs(t, err, mine) },
		},
	} {
		_, err := s.UpdatePackage(t.Context(), f.account, id, c.change)
		c.check(err)
		after, err := s.GetPackage(t.Context(), f.account, id)
		require.NoError(t, err)
		require.Equal(t, before, after, name)
	}
	_, err = s.UpdatePackage(t.Context(), f.account, newID(t), func(*books.Package) error { return nil })
	require.Equal(t, books.PackageNotFound, refusal(t, err).Kind)
}

func testUpdatePackageAtOnce(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	id := f.pkg("Counter", 0)
	const n = 12
	for _, err := range atOnce(n, func(int) error {
		_, err := s.UpdatePackage(t.Context(), f.account, id, func(p *books.Package) error { p.Seats++; return nil })
		return err
	}) {
		require.NoError(t, err)
	}
	p, err := s.GetPackage(t.Context(), f.account, id)
	require.NoError(t, err)
	require.Equal(t, int64(n), p.Seats, "no update is lost")
	require.Equal(t, int64(n+1), p.Revision)
}

func testSeatsNotBelowAssigned(t *testing.T, s store.Store) {
	f := newFixture(t, s)
	id := f.pkg("Basic", 20)
	owners := newIDs(t, 10)
	seats := func(n int64) error {
		_, err := s.UpdatePackage(t.Context(), f.account, id, func(p *books.Package) error { p.Seats = n; return nil })
		return err
	}
	for _, o := range owners[:3] {
		f.do(books.AssignPackage{Package: id, Wants: []books.Want{{Owner: o}}})
	}
	r := refusal(t, seats(2))
	require.Equal(t, books.SeatsInUse, r.Kind)
	require.Equal(t, int64(3), r.Assigned)
	require.NoError(t, seats(20))

	// Seats shrink while others take them: whatever comes first, there are never more holders than seats.
	errs := atOnce(8, func(i int) error {
		if i == 0 {
			return seats(5)
		}
		_, err := f.try(books.AssignPackage{Package: id, Wants: []books.Want{{Owner: owners[2+i]}}})
		return err
	})
	p, err := s.GetPackage(t.Context(), f.account, id)
	require.NoError(t, err)
	require.LessOrEqual(t, p.Assigned, p.Seats)
	if errs[0] == nil {
		require.Equal(t, int64(5), p.Seats)
		require.Equal(t, int64(5), p.Assigned)
	} else {
		require.Equal(t, books.SeatsInUse, refusal(t, errs[0]).Kind)
		require.Equal(t, int64(10), p.Assigned)
	}
	f.sound()
}
