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

func testAllocateNothing(t *testing.T, b *bundle) {
	out, err := b.Allocate(t.Context(), b.account, nil, b.now)
	require.NoError(t, err)
	require.Empty(t, out)
}

func testAllocate(t *testing.T, b *bundle) {
	ctx := t.Context()
	r := b.newRange(t, "0100", "0199")
	owners := b.allocate(t, r, "0100", "0101")
	require.Equal(t, []string{"0100", "0101"}, texts(b.all(t)))

	// Again, with other numbers: owners keep what they have, and the number that nobody got stays free.
	out, err := b.Allocate(ctx, b.account, []store.Claim{
		{Owner: owners[1], Number: n("0150"), Range: r.ID},
		{Owner: owners[0], Number: n("0100"), Range: r.ID},
		{Owner: uuid.New(), Number: n("0102"), Range: r.ID},
	}, b.now)
	require.NoError(t, err)
	require.Equal(t, n("0101"), out[0].Got.Number)
	require.Equal(t, n("0100"), out[1].Got.Number)
	require.Equal(t, n("0102"), out[2].Got.Number)
	require.Equal(t, []string{"0100", "0101", "0102"}, texts(b.all(t)))

	// A held one is kept too, and stays held.
	_, err = b.Hold(ctx, b.account, owners[:1], b.now)
	require.NoError(t, err)
	out, err = b.Allocate(ctx, b.account, []store.Claim{{Owner: owners[0], Number: n("0160"), Range: r.ID}}, b.now)
	require.NoError(t, err)
	require.Equal(t, store.Extension{Number: n("0100"), State: store.Held, Owner: owners[0]}, *out[0].Got)

	got, err := b.ByOwner(ctx, b.account, append(owners, uuid.New()))
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"0100", "0101"}, texts(got))
}

func testAllocateRefused(t *testing.T, b *bundle) {
	ctx := t.Context()
	r := b.newRange(t, "100", "199")
	holder := b.allocate(t, r, "100")[0]
	require.NoError(t, b.Reserve(ctx, b.account, numbers("105"), b.now))
	gone := b.newRange(t, "200", "299")
	require.NoError(t, b.DeleteRange(ctx, b.account, b.site, gone.ID))

	x, y, z, u, v, w := uuid.New(), uuid.New(), uuid.New(), uuid.New(), uuid.New(), uuid.New()
	out, err := b.Allocate(ctx, b.account, []store.Claim{
		{Request: 1, Owner: x, Number: n("101"), Range: r.ID},
		{Request: 1, Owner: y, Number: n("100"), Range: r.ID}, // taken: request 1 leaves nothing
		{Request: 2, Owner: z, Number: n("102"), Range: r.ID},
		{Request: 3, Owner: u, Number: n("200"), Range: gone.ID},
		{Request: 4, Owner: v, Number: n("300"), Range: r.ID}, // not in that range
		{Request: 5, Owner: w, Number: n("105"), Range: r.ID},
		{Request: 5, Owner: holder, Number: n("106"), Range: r.ID}, // has one, whatever becomes of the request
	}, b.now)
	require.NoError(t, err)
	require.Equal(t, store.Outcome{}, out[0])
	require.Equal(t, &store.Extension{Number: n("100"), State: store.Assigned, Owner: holder}, out[1].Taken)
	require.Equal(t, n("102"), out[2].Got.Number)
	require.True(t, out[3].RangeGone)
	require.True(t, out[4].RangeGone)
	require.Equal(t, store.Reserved, out[5].Taken.State)
	require.Equal(t, n("100"), out[6].Got.Number)
	require.Equal(t, []string{"100", "102", "105"}, texts(b.all(t)))
}

func testAllocateLapsed(t *testing.T, b *bundle) {
	ctx := t.Context()
	r := b.newRange(t, "100", "199")
	owners := b.allocate(t, r, "100", "101")
	until := b.now.Add(time.Hour)
	_, err := b.Release(ctx, b.account, owners, until, b.now)
	require.NoError(t, err)

	claim := []store.Claim{{Owner: uuid.New(), Number: n("100"), Range: r.ID}, {Owner: uuid.New(), Number: n("102"), Range: r.ID}}
	out, err := b.Allocate(ctx, b.account, claim, until.Add(-time.Microsecond))
	require.NoError(t, err)
	require.Equal(t, &store.Extension{Number: n("100"), State: store.Quarantined, QuarantineUntil: until}, out[0].Taken)

	out, err = b.Allocate(ctx, b.account, claim, until)
	require.NoError(t, err)
	require.Equal(t, n("100"), out[0].Got.Number)
	require.Equal(t, n("102"), out[1].Got.Number)
	b.now = until
	require.Equal(t, []string{"100", "102"}, texts(b.all(t)), "101 is free again, too")
}

func testAllocateAThousand(t *testing.T, b *bundle) {
	r := b.newRange(t, "1000", "9999")
	claims := make([]store.Claim, 1000)
	for i := range claims {
		claims[i] = store.Claim{Request: i / 100, Owner: uuid.New(), Number: r.From + number.Number(i), Range: r.ID}
	}
	out, err := b.Allocate(t.Context(), b.account, claims, b.now)
	require.NoError(t, err)
	for i, o := range out {
		require.Equal(t, claims[i].Number, o.Got.Number)
	}
	require.Len(t, b.all(t), 1000)

	again, err := b.other.Allocate(t.Context(), b.account, claims, b.now)
	require.NoError(t, err)
	require.Equal(t, out, again)
}

// testAllocateConcurrently lets two replicas claim the same numbers for different owners, in requests of three.
func testAllocateConcurrently(t *testing.T, b *bundle) {
	r := b.newRange(t, "100", "199")
	var wg sync.WaitGroup
	for i := range 20 {
		s := b.Store
		if i%2 == 1 {
			s = b.other
		}
		wg.Go(func() {
			from := r.From + number.Number(i/4*3) // four rivals for every three numbers
			var claims []store.Claim
			for j := range 3 {
				claims = append(claims, store.Claim{Owner: uuid.New(), Number: from + number.Number(j), Range: r.ID})
			}
			out, err := s.Allocate(t.Context(), b.account, claims, b.now)
			if !assertNoError(t, err) {
				return
			}
			for _, o := range out[1:] {
				if o.Settled() != out[0].Settled() {
					t.Errorf("a request was settled in part: %+v", out)
				}
			}
		})
	}
	wg.Wait()
	rows := b.all(t)
	require.Len(t, rows, 15, "every number was wanted, and given once")
}

func testAllocateSameOwnersAtOnce(t *testing.T, b *bundle) {
	r := b.newRange(t, "1000", "9999")
	owners := make([]uuid.UUID, 10)
	for i := range owners {
		owners[i] = uuid.New()
	}
	var mu sync.Mutex
	got := map[uuid.UUID]map[string]bool{}
	var wg sync.WaitGroup
	for i := range 8 {
		s := b.Store
		if i%2 == 1 {
			s = b.other
		}
		wg.Go(func() {
			var claims []store.Claim
			for j, o := range owners {
				claims = append(claims, store.Claim{Owner: o, Number: r.From + number.Number(100*i+j), Range: r.ID})
			}
			out, err := s.Allocate(t.Context(), b.account, claims, b.now)
			if !assertNoError(t, err) {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for j, o := range out {
				if !o.Settled() {
					t.Errorf("owner %d: %+v", j, o)
					continue
				}
				if got[owners[j]] == nil {
					got[owners[j]] = map[string]bool{}
				}
				got[owners[j]][o.Got.Number.String()] = true
			}
		})
	}
	wg.Wait()
	require.Len(t, b.all(t), len(owners))
	for _, o := range owners {
		require.Len(t, got[o], 1, "everybody was told the same number")
	}
}
