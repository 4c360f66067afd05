package storetest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
)

func testRanges(t *testing.T, b *bundle) {
	ctx := t.Context()
	long := b.newRange(t, "1000", "1999")
	short := b.newRange(t, "800", "899")
	elsewhere := b.rangeOf("2000", "2099")
	elsewhere.Site = uuid.New()
	require.NoError(t, b.CreateRange(ctx, elsewhere, 10))

	got, err := b.SiteRanges(ctx, b.account, b.site)
	require.NoError(t, err)
	require.Equal(t, []store.Range{short, long}, got)

	got, err = b.ListRanges(ctx, b.account, uuid.Nil, store.List{Limit: 2})
	require.NoError(t, err)
	require.Equal(t, []store.Range{short, long}, got)
	got, err = b.ListRanges(ctx, b.account, uuid.Nil, store.List{After: long.From, Limit: 2})
	require.NoError(t, err)
	require.Equal(t, []store.Range{elsewhere}, got)
	got, err = b.ListRanges(ctx, b.account, b.site, store.List{After: short.From, Limit: 10})
	require.NoError(t, err)
	require.Equal(t, []store.Range{long}, got)

	got, err = b.RangesAcross(ctx, b.account, n("899"), n("1000"))
	require.NoError(t, err)
	require.Equal(t, []store.Range{short, long}, got)
	got, err = b.RangesAcross(ctx, b.account, n("900"), n("999"))
	require.NoError(t, err)
	require.Empty(t, got)
	got, err = b.RangesAcross(ctx, b.account, n("1500"), n("1500"))
	require.NoError(t, err)
	require.Equal(t, []store.Range{long}, got)
}

func testRangeOverlap(t *testing.T, b *bundle) {
	have := b.newRange(t, "100", "199")
	for _, bad := range [][2]string{{"100", "199"}, {"199", "250"}, {"50", "99"}, {"120", "130"}, {"010", "100"}} {
		r := b.rangeOf(bad[0], bad[1])
		r.Site = uuid.New() // other sites of the account share its numbers
		err := b.CreateRange(t.Context(), r, 10)
		if bad[0] == "50" { // two digits: other numbers
			require.NoError(t, err)
			continue
		}
		var overlap *store.OverlapError
		require.ErrorAs(t, err, &overlap, "%v", bad)
		require.Equal(t, have, overlap.With)
	}
	b.newRange(t, "200", "299")
	b.newRange(t, "0100", "0199")
}

func testRepeatedCreateRange(t *testing.T, b *bundle) {
	r := b.newRange(t, "100", "199")
	require.NoError(t, b.CreateRange(t.Context(), r, 1), "the same again")
	require.ErrorIs(t, b.CreateRange(t.Context(), b.rangeOf("200", "299"), 1), store.ErrTooManyRanges)
}

// testRangesConcurrently lets two replicas make ranges that are in each other's way.
func testRangesConcurrently(t *testing.T, b *bundle) {
	var wg sync.WaitGroup
	for i := range 24 {
		s := b.Store
		if i%2 == 1 {
			s = b.other
		}
		wg.Go(func() {
			from := 100 + rand.IntN(200)
			r := b.rangeOf(fmt.Sprint(from), fmt.Sprint(from+rand.IntN(100)))
			r.Site = uuid.New()
			err := s.CreateRange(t.Context(), r, 10)
			var overlap *store.OverlapError
			if err != nil && !assertAs(t, err, &overlap) {
				return
			}
		})
	}
	wg.Wait()
	got, err := b.ListRanges(t.Context(), b.account, uuid.Nil, store.List{Limit: 100})
	require.NoError(t, err)
	require.NotEmpty(t, got)
	for i := 1; i < len(got); i++ {
		require.False(t, got[i-1].Overlaps(got[i].Span), "%v and %v", got[i-1], got[i])
	}
}

func testRangeLimitConcurrently(t *testing.T, b *bundle) {
	var wg sync.WaitGroup
	for i := range 16 {
		s := b.Store
		if i%2 == 1 {
			s = b.other
		}
		wg.Go(func() {
			err := s.CreateRange(t.Context(), b.rangeOf(fmt.Sprintf("%d00", i+10), fmt.Sprintf("%d99", i+10)), 5)
			if err != nil {
				assertIs(t, err, store.ErrTooManyRanges)
			}
		})
	}
	wg.Wait()
	got, err := b.SiteRanges(t.Context(), b.account, b.site)
	require.NoError(t, err)
	require.Len(t, got, 5)
}

func testDeleteRange(t *testing.T, b *bundle) {
	ctx := t.Context()
	r := b.newRange(t, "100", "199")
	owners := b.allocate(t, r, "150", "151")
	require.NoError(t, b.Reserve(ctx, b.account, numbers("160"), b.now))

	require.ErrorIs(t, b.DeleteRange(ctx, b.account, uuid.New(), r.ID), store.ErrRangeNotFound)
	require.ErrorIs(t, b.DeleteRange(ctx, b.account, b.site, uuid.New()), store.ErrRangeNotFound)
	require.ErrorIs(t, b.DeleteRange(ctx, uuid.New(), b.site, r.ID), store.ErrRangeNotFound)

	_, err := b.Hold(ctx, b.account, owners[:1], b.now)
	require.NoError(t, err)
	var inUse *store.RangeInUseError
	require.ErrorAs(t, b.DeleteRange(ctx, b.account, b.site, r.ID), &inUse)
	require.EqualValues(t, 2, inUse.Used)

	_, err = b.Release(ctx, b.account, owners, b.now, b.now)
	require.NoError(t, err)
	require.NoError(t, b.DeleteRange(ctx, b.account, b.site, r.ID))
	require.ErrorIs(t, b.DeleteRange(ctx, b.account, b.site, r.ID), store.ErrRangeNotFound)
	require.Equal(t, []string{"160"}, texts(b.all(t)), "reserved numbers stay so")
}

// testDeleteRangeOrAllocate lets one replica delete the range that the other allocates from: one of them must give way.
func testDeleteRangeOrAllocate(t *testing.T, b *bundle) {
	for i := range 20 {
		b.site = uuid.New()
		r := b.newRange(t, fmt.Sprintf("%d00", i+10), fmt.Sprintf("%d99", i+10))
		var wg sync.WaitGroup
		var deleted, allocated bool
		wg.Go(func() {
			err := b.DeleteRange(t.Context(), b.account, b.site, r.ID)
			var inUse *store.RangeInUseError
			if deleted = err == nil; !deleted {
				assertAs(t, err, &inUse)
			}
		})
		wg.Go(func() {
			out, err := b.other.Allocate(t.Context(), b.account, []store.Claim{{Owner: uuid.New(), Number: r.From, Range: r.ID}}, b.now)
			if assertNoError(t, err) {
				allocated = out[0].Settled()
				if !allocated && !out[0].RangeGone {
					t.Errorf("neither settled nor without its range: %+v", out[0])
				}
			}
		})
		wg.Wait()
		require.NotEqual(t, deleted, allocated, "round %d", i)
	}
}
