// Package storetest is the suite that every implementation of store.Store must pass.
package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
)

// Run runs the suite. open returns a fresh, empty store and, as another, one over the same data that shares nothing else with
// it, as another replica would have.
func Run(t *testing.T, open func(t *testing.T) (s, other store.Store)) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, *bundle){
		"Ranges":                    testRanges,
		"RangeOverlap":              testRangeOverlap,
		"RangesConcurrently":        testRangesConcurrently,
		"RangeLimitConcurrently":    testRangeLimitConcurrently,
		"DeleteRange":               testDeleteRange,
		"DeleteRangeOrAllocate":     testDeleteRangeOrAllocate,
		"Allocate":                  testAllocate,
		"AllocateRefused":           testAllocateRefused,
		"AllocateLapsed":            testAllocateLapsed,
		"AllocateConcurrently":      testAllocateConcurrently,
		"AllocateSameOwnersAtOnce":  testAllocateSameOwnersAtOnce,
		"Swap":                      testSwap,
		"SwapRefused":               testSwapRefused,
		"SwapConcurrently":          testSwapConcurrently,
		"Release":                   testRelease,
		"Quarantine":                testQuarantine,
		"HoldAndReclaim":            testHoldAndReclaim,
		"Reserve":                   testReserve,
		"ReserveConcurrently":       testReserveConcurrently,
		"Counts":                    testCounts,
		"ListExtensions":            testListExtensions,
		"AccountsAreApart":          testAccountsAreApart,
		"AllocateAThousandAtOnce":   testAllocateAThousand,
		"Rounds":                    testRounds,
		"MissingOwners":             testMissingOwners,
		"MissingOrAllocated":        testMissingOrAllocated,
		"AllocateNothing":           testAllocateNothing,
		"RepeatedCreateRangeIsSame": testRepeatedCreateRange,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, other := open(t)
			test(t, &bundle{Store: s, other: other, account: uuid.New(), site: uuid.New(), now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)})
		})
	}
}

// bundle is a store with an account to work on.
type bundle struct {
	store.Store
	other         store.Store
	account, site uuid.UUID
	now           time.Time
}

func n(s string) number.Number { return number.MustParse(s) }

func span(from, to string) number.Span { return number.Span{From: n(from), To: n(to)} }

// newRange makes a range at the site.
func (b *bundle) newRange(t *testing.T, from, to string) store.Range {
	t.Helper()
	r := b.rangeOf(from, to)
	require.NoError(t, b.CreateRange(t.Context(), r, 10))
	return r
}

func (b *bundle) rangeOf(from, to string) store.Range {
	return store.Range{ID: uuid.New(), Account: b.account, Site: b.site, Span: span(from, to), CreateTime: b.now}
}

// allocate claims numbers, one owner each, and requires that all are got.
func (b *bundle) allocate(t *testing.T, r store.Range, numbers ...string) []uuid.UUID {
	t.Helper()
	var owners []uuid.UUID
	var claims []store.Claim
	for _, num := range numbers {
		owner := uuid.New()
		owners = append(owners, owner)
		claims = append(claims, store.Claim{Owner: owner, Number: n(num), Range: r.ID})
	}
	out, err := b.Allocate(t.Context(), b.account, claims, b.now)
	require.NoError(t, err)
	for i, o := range out {
		require.NotNil(t, o.Got)
		require.Equal(t, store.Extension{Number: n(numbers[i]), State: store.Assigned, Owner: owners[i]}, *o.Got)
	}
	return owners
}

// all returns every live row, lowest first.
func (b *bundle) all(t *testing.T) []store.Extension {
	t.Helper()
	out, err := b.ListExtensions(t.Context(), b.account, store.List{Limit: 100_000}, b.now)
	require.NoError(t, err)
	return out
}

// texts returns the numbers of rows in their order.
func texts(es []store.Extension) []string {
	out := []string{}
	for _, e := range es {
		out = append(out, e.Number.String())
	}
	return out
}

func sortedTexts(es []store.Extension) []string {
	out := texts(es)
	slices.Sort(out)
	return out
}
