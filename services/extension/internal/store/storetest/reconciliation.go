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

func testRounds(t *testing.T, b *bundle) {
	begin := func(s store.Store, interval time.Duration) int64 {
		round, err := s.BeginRound(t.Context(), interval, b.now)
		require.NoError(t, err)
		return round
	}
	require.EqualValues(t, 1, begin(b, time.Hour))
	require.Zero(t, begin(b.other, time.Hour))
	require.EqualValues(t, 2, begin(b.other, 0))
	b.now = b.now.Add(time.Hour)
	require.EqualValues(t, 3, begin(b, time.Hour))
}

// owned lists everything, two at a time.
func (b *bundle) owned(t *testing.T) map[uuid.UUID]store.Owned {
	t.Helper()
	out := map[uuid.UUID]store.Owned{}
	var last store.Owned
	for {
		page, err := b.ListOwned(t.Context(), last.Account, last.Number, 2)
		require.NoError(t, err)
		for _, o := range page {
			out[o.Owner], last = o, o
		}
		if len(page) < 2 {
			return out
		}
	}
}

// round reports owners missing in the next round, at either replica, and returns in how many rounds each was, and who was freed.
func (b *bundle) round(t *testing.T, missing ...store.Owned) (rounds map[uuid.UUID]int, freed []uuid.UUID) {
	t.Helper()
	round, err := b.BeginRound(t.Context(), 0, b.now)
	require.NoError(t, err)
	rounds = map[uuid.UUID]int{}
	for _, s := range []store.Store{b.Store, b.other} { // the second time changes nothing
		suspects, err := s.ReportMissing(t.Context(), round, missing)
		require.NoError(t, err)
		for _, p := range suspects {
			rounds[p.Owner] = p.Rounds
		}
		dry, err := s.Suspects(t.Context(), missing)
		require.NoError(t, err)
		require.ElementsMatch(t, suspects, dry)
	}
	for {
		released, err := b.ReleaseMissing(t.Context(), round, 3, 1)
		require.NoError(t, err)
		if len(released) == 0 {
			return rounds, freed
		}
		for _, o := range released {
			freed = append(freed, o.Owner)
		}
	}
}

func testMissingOwners(t *testing.T, b *bundle) {
	r := b.newRange(t, "100", "199")
	ids := b.allocate(t, r, "100", "101", "102", "103", "104")
	gone, held, kept, again, alive := ids[0], ids[1], ids[2], ids[3], ids[4]
	_, err := b.Hold(t.Context(), b.account, []uuid.UUID{held}, b.now)
	require.NoError(t, err)
	require.NoError(t, b.Reserve(t.Context(), b.account, []number.Number{n("105")}, b.now))
	all := b.owned(t)
	require.Len(t, all, 5, "reserved numbers are nobody's")

	missing := []store.Owned{all[gone], all[held], all[kept], all[again]}
	rounds, freed := b.round(t, missing...)
	require.Equal(t, map[uuid.UUID]int{gone: 1, held: 1, kept: 1, again: 1}, rounds)
	require.Empty(t, freed)
	rounds, freed = b.round(t, missing[:3]...) // again is there in this round
	require.Equal(t, map[uuid.UUID]int{gone: 2, held: 2, kept: 2}, rounds)
	require.Empty(t, freed)

	// Whoever is allocated to meanwhile has the extension, however long the list is old that says otherwise.
	outcomes, err := b.Allocate(t.Context(), b.account, []store.Claim{{Owner: kept, Number: n("150"), Range: r.ID}}, b.now)
	require.NoError(t, err)
	require.Equal(t, n("102"), outcomes[0].Got.Number)
	rounds, freed = b.round(t, missing...)
	require.Equal(t, map[uuid.UUID]int{gone: 3, held: 3, again: 1}, rounds)
	require.ElementsMatch(t, []uuid.UUID{gone, held}, freed)
	require.Equal(t, []string{"102", "103", "104", "105"}, texts(b.all(t)))
	_, freed = b.round(t, missing...)
	require.Empty(t, freed, "once is enough")
	require.Contains(t, b.owned(t), alive)

	// The same holds for owners who are looked up.
	now := b.owned(t)
	for range 2 {
		_, freed = b.round(t, now[kept])
		require.Empty(t, freed)
	}
	got, err := b.other.Keep(t.Context(), b.account, []uuid.UUID{kept}, b.now)
	require.NoError(t, err)
	require.Equal(t, []string{"102"}, texts(got))
	rounds, freed = b.round(t, now[kept])
	require.Empty(t, rounds)
	require.Empty(t, freed)
}

// testMissingOrAllocated frees missing owners while they are allocated to again: whoever is told of a number has it.
func testMissingOrAllocated(t *testing.T, b *bundle) {
	r := b.newRange(t, "1000", "9999")
	var numbers []string
	for i := range 60 {
		numbers = append(numbers, (n("1000") + number.Number(i)).String())
	}
	owners := b.allocate(t, r, numbers...)
	var missing []store.Owned
	for _, o := range b.owned(t) {
		missing = append(missing, o)
	}
	for range 2 {
		b.round(t, missing...)
	}
	told := make([]store.Extension, len(owners))
	var all sync.WaitGroup
	for i, owner := range owners {
		all.Go(func() {
			claims := []store.Claim{{Owner: owner, Number: n("5000") + number.Number(i), Range: r.ID}}
			out, err := b.other.Allocate(t.Context(), b.account, claims, b.now)
			if err != nil || out[0].Got == nil {
				t.Errorf("allocate: %v %+v", err, out)
				return
			}
			told[i] = *out[0].Got
		})
	}
	round, err := b.BeginRound(t.Context(), 0, b.now)
	require.NoError(t, err)
	_, err = b.ReportMissing(t.Context(), round, missing)
	require.NoError(t, err)
	freed, err := b.ReleaseMissing(t.Context(), round, 3, len(missing))
	require.NoError(t, err)
	all.Wait()
	now := b.owned(t)
	require.Len(t, now, len(owners))
	for i, owner := range owners {
		require.Equal(t, told[i].Number, now[owner].Number)
	}
	t.Logf("%d of %d were freed before they were asked for", len(freed), len(owners))
}
