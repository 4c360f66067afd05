package storetest

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
)

func testSwap(t *testing.T, b *bundle) {
	ctx := t.Context()
	r := b.newRange(t, "100", "199")
	owner := b.allocate(t, r, "100")[0]

	swap := store.Swap{Site: b.site, Owner: owner, Number: n("150")}
	prev, err := b.Swap(ctx, b.account, swap, b.now)
	require.NoError(t, err)
	require.Equal(t, &store.Extension{Number: n("100"), State: store.Assigned, Owner: owner}, prev)
	require.Equal(t, []store.Extension{{Number: n("150"), State: store.Assigned, Owner: owner}}, b.all(t))

	prev, err = b.other.Swap(ctx, b.account, swap, b.now)
	require.NoError(t, err, "again")
	require.Nil(t, prev)

	// Back, with a quarantine, and into the quarantine of another once it is over; a held one stays held.
	until := b.now.Add(time.Hour)
	_, err = b.Swap(ctx, b.account, store.Swap{Site: b.site, Owner: owner, Number: n("100"), QuarantineUntil: until}, b.now)
	require.NoError(t, err)
	require.Equal(t, []store.Extension{
		{Number: n("100"), State: store.Assigned, Owner: owner},
		{Number: n("150"), State: store.Quarantined, QuarantineUntil: until},
	}, b.all(t))
	_, err = b.Hold(ctx, b.account, []uuid.UUID{owner}, b.now)
	require.NoError(t, err)
	b.now = until
	_, err = b.Swap(ctx, b.account, swap, b.now)
	require.NoError(t, err)
	require.Equal(t, []store.Extension{{Number: n("150"), State: store.Held, Owner: owner}}, b.all(t))

	// Who has none gets one.
	fresh := uuid.New()
	prev, err = b.Swap(ctx, b.account, store.Swap{Site: b.site, Owner: fresh, Number: n("101")}, b.now)
	require.NoError(t, err)
	require.Nil(t, prev)
	require.Equal(t, []string{"101", "150"}, texts(b.all(t)))
}

func testSwapRefused(t *testing.T, b *bundle) {
	ctx := t.Context()
	r := b.newRange(t, "100", "199")
	owners := b.allocate(t, r, "100", "101")
	require.NoError(t, b.Reserve(ctx, b.account, numbers("105"), b.now))

	for num, state := range map[string]store.State{"101": store.Assigned, "105": store.Reserved} {
		_, err := b.Swap(ctx, b.account, store.Swap{Site: b.site, Owner: owners[0], Number: n(num)}, b.now)
		var taken *store.TakenError
		require.ErrorAs(t, err, &taken)
		require.Len(t, taken.By, 1)
		require.Equal(t, n(num), taken.By[0].Number)
		require.Equal(t, state, taken.By[0].State)
	}
	_, err := b.Swap(ctx, b.account, store.Swap{Site: b.site, Owner: owners[0], Number: n("200")}, b.now)
	require.ErrorIs(t, err, store.ErrOutOfRange)
	_, err = b.Swap(ctx, b.account, store.Swap{Site: uuid.New(), Owner: owners[0], Number: n("102")}, b.now)
	require.ErrorIs(t, err, store.ErrOutOfRange, "the range is another site's")
	require.Equal(t, []string{"100", "101", "105"}, texts(b.all(t)), "nothing changed")
}

// testSwapConcurrently lets owners chase each other's numbers.
func testSwapConcurrently(t *testing.T, b *bundle) {
	r := b.newRange(t, "100", "199")
	owners := b.allocate(t, r, "100", "101", "102", "103")
	var wg sync.WaitGroup
	for i, o := range owners {
		s := b.Store
		if i%2 == 1 {
			s = b.other
		}
		wg.Go(func() {
			for j := range 10 {
				_, err := s.Swap(t.Context(), b.account, store.Swap{Site: b.site, Owner: o, Number: r.From + number.Number((i+j)%6)}, b.now)
				var taken *store.TakenError
				if err != nil {
					assertAs(t, err, &taken)
				}
			}
		})
	}
	wg.Wait()
	got, err := b.ByOwner(t.Context(), b.account, owners)
	require.NoError(t, err)
	require.Len(t, got, len(owners), "everybody has one")
	require.Len(t, b.all(t), len(owners), "and nothing is left behind")
}

func testRelease(t *testing.T, b *bundle) {
	ctx := t.Context()
	r := b.newRange(t, "100", "199")
	owners := b.allocate(t, r, "100", "101", "102")
	_, err := b.Hold(ctx, b.account, owners[1:2], b.now)
	require.NoError(t, err)

	got, err := b.Release(ctx, b.account, append(owners[:2:2], uuid.New()), time.Time{}, b.now)
	require.NoError(t, err)
	require.ElementsMatch(t, []store.Extension{
		{Number: n("100"), State: store.Assigned, Owner: owners[0]},
		{Number: n("101"), State: store.Held, Owner: owners[1]},
	}, got)
	require.Equal(t, []string{"102"}, texts(b.all(t)))

	got, err = b.Release(ctx, b.account, owners[:2], time.Time{}, b.now)
	require.NoError(t, err)
	require.Empty(t, got, "again")
}

func testQuarantine(t *testing.T, b *bundle) {
	ctx := t.Context()
	r := b.newRange(t, "100", "199")
	owners := b.allocate(t, r, "100", "101")
	until := b.now.Add(24 * time.Hour)
	got, err := b.Release(ctx, b.account, owners, until, b.now)
	require.NoError(t, err)
	require.Equal(t, []string{"100", "101"}, sortedTexts(got))
	require.Equal(t, []store.Extension{
		{Number: n("100"), State: store.Quarantined, QuarantineUntil: until},
		{Number: n("101"), State: store.Quarantined, QuarantineUntil: until},
	}, b.all(t))

	got, err = b.Release(ctx, b.account, owners, until.Add(time.Hour), b.now)
	require.NoError(t, err)
	require.Empty(t, got, "again: nothing is prolonged")
	got, err = b.Lookup(ctx, b.account, numbers("100", "150"), until.Add(-time.Microsecond))
	require.NoError(t, err)
	require.Equal(t, []string{"100"}, texts(got))
	got, err = b.Lookup(ctx, b.account, numbers("100"), until)
	require.NoError(t, err)
	require.Empty(t, got)

	// The owners may come back: they are no longer bound to anything.
	b.allocateFor(t, r, owners[0], "102")
}

func (b *bundle) allocateFor(t *testing.T, r store.Range, owner uuid.UUID, num string) {
	t.Helper()
	out, err := b.Allocate(t.Context(), b.account, []store.Claim{{Owner: owner, Number: n(num), Range: r.ID}}, b.now)
	require.NoError(t, err)
	require.Equal(t, n(num), out[0].Got.Number)
}

func testHoldAndReclaim(t *testing.T, b *bundle) {
	ctx := t.Context()
	r := b.newRange(t, "100", "199")
	owners := b.allocate(t, r, "100", "101")
	for range 2 { // repeatable
		held, err := b.Hold(ctx, b.account, append(owners[:1:1], uuid.New()), b.now)
		require.NoError(t, err)
		require.Equal(t, []store.Extension{{Number: n("100"), State: store.Held, Owner: owners[0]}}, held)
	}
	stranger := uuid.New()
	_, err := b.Reclaim(ctx, b.account, []uuid.UUID{owners[0], stranger}, b.now)
	var none *store.NoExtensionError
	require.ErrorAs(t, err, &none)
	require.Equal(t, []uuid.UUID{stranger}, none.Owners)
	require.Equal(t, store.Held, b.all(t)[0].State, "nothing changed")

	for range 2 {
		got, err := b.Reclaim(ctx, b.account, owners, b.now)
		require.NoError(t, err)
		require.Equal(t, []string{"100", "101"}, sortedTexts(got))
	}
	for _, e := range b.all(t) {
		require.Equal(t, store.Assigned, e.State)
	}
}

func testReserve(t *testing.T, b *bundle) {
	ctx := t.Context()
	r := b.newRange(t, "100", "199")
	owners := b.allocate(t, r, "100", "101")
	until := b.now.Add(time.Hour)
	_, err := b.Release(ctx, b.account, owners[1:], until, b.now)
	require.NoError(t, err)

	require.NoError(t, b.Reserve(ctx, b.account, numbers("110", "5555", "110"), b.now))
	require.NoError(t, b.Reserve(ctx, b.account, numbers("110", "111"), b.now), "reserved ones may be among them")
	err = b.Reserve(ctx, b.account, numbers("112", "100", "101"), b.now)
	var taken *store.TakenError
	require.ErrorAs(t, err, &taken)
	require.Equal(t, []string{"100", "101"}, sortedTexts(taken.By))
	require.Equal(t, []string{"100", "101", "110", "111", "5555"}, texts(b.all(t)), "112 was not reserved")

	b.now = until
	require.NoError(t, b.Reserve(ctx, b.account, numbers("101"), b.now), "its quarantine is over")
	freed, err := b.Unreserve(ctx, b.account, numbers("100", "101", "5555", "199"))
	require.NoError(t, err)
	require.Equal(t, []string{"101", "5555"}, sortedTexts(freed))
	freed, err = b.Unreserve(ctx, b.account, numbers("100", "101", "5555", "199"))
	require.NoError(t, err)
	require.Empty(t, freed)
	require.Equal(t, []string{"100", "110", "111"}, texts(b.all(t)))
}

func testReserveConcurrently(t *testing.T, b *bundle) {
	r := b.newRange(t, "100", "199")
	for i := range 10 {
		num := r.From + number.Number(i)
		var wg sync.WaitGroup
		var reserved, allocated bool
		wg.Go(func() {
			err := b.Reserve(t.Context(), b.account, []number.Number{num}, b.now)
			var taken *store.TakenError
			if reserved = err == nil; !reserved {
				assertAs(t, err, &taken)
			}
		})
		wg.Go(func() {
			out, err := b.other.Allocate(t.Context(), b.account, []store.Claim{{Owner: uuid.New(), Number: num, Range: r.ID}}, b.now)
			allocated = assertNoError(t, err) && out[0].Settled()
		})
		wg.Wait()
		require.NotEqual(t, reserved, allocated)
	}
}
