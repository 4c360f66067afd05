// Package storetest holds the tests that every implementation of store.Store must pass.
package storetest

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/numbering/internal/books"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/store"
)

// noon is the time of all tests that do not say otherwise.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Run runs the suite. open returns a store without any data, for one test alone.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	tests := map[string]func(*testing.T, store.Store){
		"CreateAndGetPackage":         testCreateAndGetPackage,
		"PackageNames":                testPackageNames,
		"PackageNamesAtOnce":          testPackageNamesAtOnce,
		"ListPackages":                testListPackages,
		"PackageLimit":                testPackageLimit,
		"UpdatePackage":               testUpdatePackage,
		"UpdatePackageRefused":        testUpdatePackageRefused,
		"UpdatePackageAtOnce":         testUpdatePackageAtOnce,
		"SeatsNotBelowAssigned":       testSeatsNotBelowAssigned,
		"CreateNumbers":               testCreateNumbers,
		"CreateNumbersAtOnce":         testCreateNumbersAtOnce,
		"DeleteNumbers":               testDeleteNumbers,
		"ListNumbers":                 testListNumbers,
		"QuarantineEndsByItself":      testQuarantineEndsByItself,
		"AssignPackage":               testAssignPackage,
		"AssignPackageRefused":        testAssignPackageRefused,
		"AssignPackageMovesSeat":      testAssignPackageMovesSeat,
		"AssignNumbers":               testAssignNumbers,
		"NumbersPerOwner":             testNumbersPerOwner,
		"UnassignNumbers":             testUnassignNumbers,
		"Remove":                      testRemove,
		"Restore":                     testRestore,
		"RestoreWhatIsLeft":           testRestoreWhatIsLeft,
		"RestoreOutOfQuarantine":      testRestoreOutOfQuarantine,
		"InactivePackage":             testInactivePackage,
		"PreviewChangesNothing":       testPreviewChangesNothing,
		"RefusedCommandChangesNought": testRefusedChangesNothing,
		"SeatsAtOnce":                 testSeatsAtOnce,
		"NumbersAtOnce":               testNumbersAtOnce,
		"ThousandOwners":              testThousandOwners,
		"Audit":                       testAudit,
		"AccountsAreApart":            testAccountsAreApart,
		"Model":                       testModel,
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tests[name](t, open(t))
		})
	}
}

// fixture is an account of its own in a store.
type fixture struct {
	testing.TB
	store   store.Store
	account uuid.UUID
	now     time.Time
}

func newFixture(t testing.TB, s store.Store) *fixture {
	t.Helper()
	return &fixture{TB: t, store: s, account: newID(t), now: noon}
}

func newID(t testing.TB) uuid.UUID {
	t.Helper()
	id, err := uuid.NewV7()
	require.NoError(t, err)
	return id
}

func newIDs(t testing.TB, n int) []uuid.UUID {
	t.Helper()
	out := make([]uuid.UUID, n)
	for i := range out {
		out[i] = newID(t)
	}
	return out
}

// pkg makes a package.
func (f *fixture) pkg(name string, seats int64) uuid.UUID {
	f.Helper()
	p := books.Package{ID: newID(f), DisplayName: name, Kind: "domestic", Seats: seats, State: books.Active, Revision: 1, CreateTime: f.now}
	require.NoError(f, f.store.CreatePackage(f.Context(), f.account, p))
	return p.ID
}

// numbers adds n direct numbers, ascending.
func (f *fixture) numbers(n int) []string {
	f.Helper()
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("+1555010%04d", i)
	}
	require.NoError(f, f.store.CreateNumbers(f.Context(), f.account, out, f.now))
	return out
}

// try carries out a command in a transaction of its own.
func (f *fixture) try(c books.Command) (out books.Outcome, err error) {
	f.Helper()
	err = f.store.Change(f.Context(), f.account, c.Scope(), f.now, func(l *books.Ledger) error {
		out, err = c.Apply(l)
		return err
	})
	return out, err
}

// do carries out a command that must succeed.
func (f *fixture) do(c books.Command) books.Outcome {
	f.Helper()
	out, err := f.try(c)
	require.NoError(f, err)
	return out
}

// refused carries out a command that must be refused.
func (f *fixture) refused(c books.Command) *books.RefusalError {
	f.Helper()
	_, err := f.try(c)
	return refusal(f, err)
}

// refusal returns err as what it must be.
func refusal(t testing.TB, err error) *books.RefusalError {
	t.Helper()
	var r *books.RefusalError
	require.ErrorAs(t, err, &r)
	return r
}

// read returns what owners hold.
func (f *fixture) read(owners ...uuid.UUID) []books.Holding {
	f.Helper()
	out := make([]books.Holding, len(owners))
	err := f.store.Preview(f.Context(), f.account, books.Scope{Owners: owners}, f.now, func(l *books.Ledger) error {
		for i, o := range owners {
			out[i] = l.Holding(o)
		}
		return nil
	})
	require.NoError(f, err)
	return out
}

// assigned returns how many seats of a package are taken, and fails unless the books add up.
func (f *fixture) assigned(pkg uuid.UUID) int64 {
	f.Helper()
	p, err := f.store.GetPackage(f.Context(), f.account, pkg)
	require.NoError(f, err)
	f.sound()
	return p.Assigned
}

// sound fails unless the books add up.
func (f *fixture) sound() {
	f.Helper()
	found, err := f.store.Audit(f.Context(), f.account)
	require.NoError(f, err)
	require.Empty(f, found)
}

// number reads one number.
func (f *fixture) number(number string) books.PhoneNumber {
	f.Helper()
	all, err := f.store.ListNumbers(f.Context(), f.account, store.NumberQuery{Now: f.now, Contains: number}, "", 10)
	require.NoError(f, err)
	require.Len(f, all, 1)
	return all[0]
}

// atOnce runs fn n times concurrently and returns the errors in order.
func atOnce(n int, fn func(i int) error) []error {
	errs, done := make([]error, n), make(chan struct{})
	for i := range n {
		go func() {
			defer func() { done <- struct{}{} }()
			errs[i] = fn(i)
		}()
	}
	for range n {
		<-done
	}
	return errs
}

// successes counts those that are nil and fails unless all others are refusals of a kind.
func successes(t testing.TB, errs []error, kind books.Kind) int {
	t.Helper()
	n := 0
	for _, err := range errs {
		if err == nil {
			n++
			continue
		}
		var r *books.RefusalError
		require.ErrorAs(t, err, &r)
		require.Equal(t, kind, r.Kind)
	}
	return n
}

// indexes lists the numbers that a refusal blames.
func indexes(r *books.RefusalError) []int {
	var out []int
	for _, item := range r.Items {
		out = append(out, item.Index)
	}
	return out
}
