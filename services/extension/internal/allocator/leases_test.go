package allocator_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/extension/internal/allocator"
	"github.com/switchboard-phone/switchboard/services/extension/internal/lease"
	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/etcdx"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/etcdtest"
)

// held lists the blocks that replicas hold, as "from-to".
func held(t *testing.T, r *replica) []string {
	t.Helper()
	all, err := r.leases.List(t.Context(), "", 1000)
	require.NoError(t, err)
	var out []string
	for _, h := range all {
		require.NotEmpty(t, h.Holder)
		require.True(t, h.Expire.After(time.Now()))
		out = append(out, h.From.String()+"-"+h.To.String())
	}
	return out
}

// pair makes two replicas that lease blocks from one etcd.
func (w *world) pair(t *testing.T) (a, b *replica) {
	t.Helper()
	etcd := etcdtest.New(t)
	return w.replica(t, leasing(etcd)), w.replica(t, leasing(etcd))
}

func TestReplicasHoldDifferentBlocks(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		w := newWorld(t, e)
		etcd := etcdtest.New(t)
		a, b := w.replica(t, leasing(etcd)), w.replica(t, leasing(etcd))
		w.newRange(t, a, "1000", "9999")
		got, err := a.Allocate(t.Context(), w.request(2))
		require.NoError(t, err)
		require.Equal(t, []string{"1000", "1001"}, texts(got))
		got, err = b.Allocate(t.Context(), w.request(2))
		require.NoError(t, err)
		require.Equal(t, []string{"1256", "1257"}, texts(got))
		require.Equal(t, []string{"1000-1255", "1256-1511"}, held(t, a))

		// A graceful stop frees the blocks at once, and the next one finds what is free in them.
		require.NoError(t, a.Close(t.Context()))
		require.Equal(t, []string{"1256-1511"}, held(t, a))
		c := w.replica(t, leasing(etcd))
		got, err = c.Allocate(t.Context(), w.request(1))
		require.NoError(t, err)
		require.Equal(t, []string{"1002"}, texts(got))
		b.stopSession()
		require.Equal(t, []string{"1000-1255"}, held(t, c), "the end of a session is enough")
	})
}

func TestLargeRequestTakesSeveralBlocks(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		w := newWorld(t, e)
		r := w.replica(t, leasing(etcdtest.New(t)))
		w.newRange(t, r, "1000", "9999")
		got, err := r.Allocate(t.Context(), w.request(1000))
		require.NoError(t, err)
		require.Equal(t, "1999", got[999].Number.String())
		require.Equal(t, 1000, int(r.counter(t, "switchboard_extension_allocations_total", "leased")))
	})
}

func TestReleasedNumbersOfADrainedBlockAreFoundAgain(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		ctx := t.Context()
		w := newWorld(t, e)
		w.clock = clock.NewFake(time.Now())
		a, b := w.pair(t)
		w.newRange(t, a, "1000", "1255")
		got, err := a.Allocate(ctx, w.request(256))
		require.NoError(t, err)

		testkit.Eventually(t, 5*time.Second, func() error { // it looks ahead, and finds the block full
			if blocks := held(t, a); len(blocks) > 0 {
				return fmt.Errorf("%v are held", blocks)
			}
			if a.counter(t, "switchboard_extension_refills_total", "none") == 0 {
				return errors.New("it has not finished looking")
			}
			return nil
		})

		// The other replica releases numbers of a's drained block, and does not tell.
		for i, path := range []string{"database", "leased"} {
			_, err = b.store.Release(ctx, w.account, []uuid.UUID{got[7+i].Owner}, time.Time{}, w.clock.Now())
			require.NoError(t, err)
			before := a.counter(t, "switchboard_extension_allocations_total", path)
			again, err := a.Allocate(ctx, w.request(1))
			require.NoError(t, err)
			require.Equal(t, got[7+i].Number, again[0].Number)
			require.Equal(t, int(before)+1, int(a.counter(t, "switchboard_extension_allocations_total", path)))
			w.clock.Advance(time.Minute) // leasing pauses after it found nothing
		}
	})
}

func TestNumbersThatOthersFreedAreFoundAfterAWhile(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		ctx := t.Context()
		w := newWorld(t, e)
		w.clock = clock.NewFake(time.Now())
		a, b := w.pair(t)
		w.newRange(t, a, "1000000", "9999999") // so many that nobody is told of their end, which would be looked at from the beginning
		got, err := a.Allocate(ctx, w.request(1000))
		require.NoError(t, err)
		testkit.Eventually(t, 5*time.Second, func() error {
			if blocks := held(t, a); len(blocks) == 0 || slices.Contains(blocks, "1000000-1000255") {
				return fmt.Errorf("%v are held", blocks)
			}
			return nil
		})

		// The other replica releases a number of a's drained block, and does not tell.
		_, err = b.store.Release(ctx, w.account, []uuid.UUID{got[3].Owner}, time.Time{}, w.clock.Now())
		require.NoError(t, err)
		w.clock.Advance(time.Minute)
		testkit.Eventually(t, 10*time.Second, func() error { // it is looked for in the background
			next, err := a.Allocate(ctx, w.request(1000))
			if err != nil || slices.ContainsFunc(next, func(e store.Extension) bool { return e.Number == got[3].Number }) {
				return err
			}
			return errors.New("the number is not found again")
		})
	})
}

func TestAPreviewShowsWhatIsLeased(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		ctx := t.Context()
		w := newWorld(t, e)
		r := w.replica(t, leasing(etcdtest.New(t)))
		w.newRange(t, r, "10000", "19999")
		for range 3 {
			would, err := r.Preview(ctx, w.request(200))
			require.NoError(t, err)
			did, err := r.Allocate(ctx, w.request(200))
			require.NoError(t, err)
			require.Equal(t, texts(would), texts(did))
		}
	})
}

func TestQuarantineEndsInAHeldBlock(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		ctx := t.Context()
		w := newWorld(t, e)
		w.clock = clock.NewFake(time.Now())
		etcd := etcdtest.New(t)
		r := w.replica(t, leasing(etcd))
		w.newRange(t, r, "100", "199")
		got, err := r.Allocate(ctx, w.request(2))
		require.NoError(t, err)
		until := w.clock.Now().Add(time.Hour)
		rows, err := r.store.Release(ctx, w.account, []uuid.UUID{got[0].Owner}, until, w.clock.Now())
		require.NoError(t, err)
		r.Freed(w.account, rows, until)

		next, err := r.Allocate(ctx, w.request(1))
		require.NoError(t, err)
		require.Equal(t, []string{"102"}, texts(next))
		w.clock.Set(until)
		next, err = r.Allocate(ctx, w.request(1))
		require.NoError(t, err)
		require.Equal(t, []string{"100"}, texts(next), "the block knew when")

		// A replica that loads the block later knows it from the database.
		until = w.clock.Now().Add(time.Hour)
		_, err = r.store.Release(ctx, w.account, []uuid.UUID{next[0].Owner}, until, w.clock.Now())
		require.NoError(t, err)
		require.NoError(t, r.Close(ctx))
		late := w.replica(t, leasing(etcd))
		next, err = late.Allocate(ctx, w.request(1))
		require.NoError(t, err)
		require.Equal(t, []string{"103"}, texts(next))
		w.clock.Set(until)
		next, err = late.Allocate(ctx, w.request(1))
		require.NoError(t, err)
		require.Equal(t, []string{"100"}, texts(next))
		require.Zero(t, late.counter(t, "switchboard_extension_conflicts_total"))
	})
}

func TestRangesComeAndGo(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		ctx := t.Context()
		w := newWorld(t, e)
		a, b := w.pair(t)
		first := w.newRange(t, a, "100", "199")
		got, err := a.Allocate(ctx, w.request(1))
		require.NoError(t, err)
		_, err = a.store.Release(ctx, w.account, []uuid.UUID{got[0].Owner}, time.Time{}, time.Now())
		require.NoError(t, err)
		// The range goes by way of another replica, while a holds its block.
		require.NoError(t, b.store.DeleteRange(ctx, w.account, w.site, first.ID))
		_, err = a.Allocate(ctx, w.request(1))
		reasonIs(t, err, commonv1.Reason_EXTENSION_RANGE_EXHAUSTED)
		w.newRange(t, b, "300", "399")
		got, err = a.Allocate(ctx, w.request(1))
		require.NoError(t, err)
		require.Equal(t, []string{"300"}, texts(got))
	})
}

func TestSessionLoss(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		ctx := t.Context()
		w := newWorld(t, e)
		etcd := etcdtest.New(t)
		a, b := w.replica(t, leasing(etcd)), w.replica(t, leasing(etcd))
		w.newRange(t, a, "1000", "1511")
		_, err := a.Allocate(ctx, w.request(10))
		require.NoError(t, err)

		// The session ends without a's doing, and b takes the block before a notices.
		client, err := etcdx.Open(etcdx.Config{Endpoints: etcd.Endpoints()})
		require.NoError(t, err)
		defer func() { require.NoError(t, client.Close()) }()
		lost := a.leases.Epoch()
		_, err = client.Revoke(ctx, clientv3.LeaseID(lost))
		require.NoError(t, err)
		got, err := b.Allocate(ctx, w.request(10))
		require.NoError(t, err)
		require.Equal(t, "1010", got[0].Number.String())
		_, failed := storm(ctx, []allocator.Request{w.request(20), w.request(20), w.request(20), w.request(20)}, a, b)
		require.Empty(t, failed)
		testkit.Eventually(t, 10*time.Second, func() error {
			if now := a.leases.Epoch(); now == 0 || now == lost {
				return errors.New("no new session yet")
			}
			return nil
		})
		_, failed = storm(ctx, []allocator.Request{w.request(50), w.request(50), w.request(50), w.request(50)}, a, b)
		require.Empty(t, failed)
		require.Len(t, w.rows(t, a), 300)
		requireDistinct(t, w.rows(t, a))
	})
}

func TestEtcdGoesAndComesBack(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		ctx := t.Context()
		w := newWorld(t, e)
		etcd := etcdtest.New(t)
		quick := func(s *setting) { s.cfg.RetryAfter = 50 * time.Millisecond }
		a, b := w.replica(t, leasing(etcd), quick), w.replica(t, leasing(etcd), quick)
		w.newRange(t, a, "10000", "19999")
		run := func(count int) {
			t.Helper()
			var requests []allocator.Request
			for range count {
				requests = append(requests, w.request(10))
			}
			_, failed := storm(ctx, requests, a, b)
			require.Empty(t, failed)
		}
		run(20)
		etcd.Stop(t)
		run(100) // the blocks held go empty, and no others are to be had
		require.NotZero(t, a.counter(t, "switchboard_extension_allocations_total", "database")+
			b.counter(t, "switchboard_extension_allocations_total", "database"))
		etcd.Start(t)
		testkit.Eventually(t, 15*time.Second, func() error {
			before := a.counter(t, "switchboard_extension_allocations_total", "leased")
			if _, err := a.Allocate(ctx, w.request(1)); err != nil {
				return err
			}
			if a.counter(t, "switchboard_extension_allocations_total", "leased") == before {
				return errors.New("still out of the database")
			}
			return nil
		})
		run(20)
		requireDistinct(t, w.rows(t, a))
	})
}

// careless grants every block to everybody, as a cut-off etcd or a paused holder would seem to.
type careless struct{ *lease.Etcd }

func (careless) Take(context.Context, int64, []lease.Block) (map[lease.Key]int64, error) {
	return nil, nil
}
func (careless) GiveUp(context.Context, int64, []lease.Block) error { return nil }

func TestTwoHoldersAtOnceCostRetriesOnly(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		w := newWorld(t, e)
		etcd := etcdtest.New(t)
		both := func(s *setting) {
			s.wrap = func(l allocator.Leases) allocator.Leases { return careless{l.(*lease.Etcd)} }
		}
		rs := []*replica{w.replica(t, leasing(etcd), both), w.replica(t, leasing(etcd), both)}
		w.newRange(t, rs[0], "1000", "1999")
		// Both have the first block in memory and take turns.
		for i := range 4 {
			_, err := rs[i%2].Allocate(t.Context(), w.request(1))
			require.NoError(t, err)
		}
		var requests []allocator.Request
		for range 166 {
			requests = append(requests, w.request(6))
		}
		got, failed := storm(t.Context(), requests, rs...)
		require.Empty(t, failed)
		require.Len(t, got, 996)
		require.Len(t, w.rows(t, rs[0]), 1000)
		require.NotZero(t, rs[0].counter(t, "switchboard_extension_conflicts_total")+
			rs[1].counter(t, "switchboard_extension_conflicts_total"))
	})
}

// lossy loses the answers of Take.
type lossy struct {
	allocator.Leases
	on atomic.Bool
}

func (l *lossy) Take(ctx context.Context, epoch int64, blocks []lease.Block) (map[lease.Key]int64, error) {
	taken, err := l.Leases.Take(ctx, epoch, blocks)
	if l.on.Load() && err == nil {
		return nil, errors.New("the answer was lost")
	}
	return taken, err
}

func TestBlocksWhoseAnswerWasLostAreFound(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		w := newWorld(t, e)
		w.clock = clock.NewFake(time.Now())
		l := &lossy{}
		r := w.replica(t, leasing(etcdtest.New(t)), func(s *setting) {
			s.wrap = func(inner allocator.Leases) allocator.Leases { l.Leases = inner; return l }
		})
		w.newRange(t, r, "100", "199")
		l.on.Store(true)
		got, err := r.Allocate(t.Context(), w.request(1))
		require.NoError(t, err, "out of the database")
		require.Equal(t, []string{"100"}, texts(got))
		require.Equal(t, []string{"100-199"}, held(t, r))
		l.on.Store(false)
		w.clock.Advance(time.Minute)
		got, err = r.Allocate(t.Context(), w.request(1))
		require.NoError(t, err)
		require.Equal(t, []string{"101"}, texts(got))
		require.Equal(t, 1, int(r.counter(t, "switchboard_extension_allocations_total", "leased")))
	})
}

func TestIdleAccountsGiveBlocksBack(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		ctx := t.Context()
		w := newWorld(t, e)
		w.clock = clock.NewFake(time.Now())
		r := w.replica(t, leasing(etcdtest.New(t)), func(s *setting) {
			s.cfg.MaxBlocks, s.cfg.IdleAfter = 4, time.Minute
		})
		accounts := map[uuid.UUID]uuid.UUID{}
		for i := range 8 {
			w.account, w.site = uuid.New(), uuid.New()
			accounts[w.account] = w.site
			w.newRange(t, r, "100", "199")
			_, err := r.Allocate(ctx, w.request(1))
			require.NoError(t, err)
			w.clock.Advance(time.Second)
			testkit.Eventually(t, 5*time.Second, func() error {
				if n := len(held(t, r)); n != min(i+1, 4) {
					return fmt.Errorf("%d blocks are held", n)
				}
				return nil
			})
		}
		require.Equal(t, 4, int(r.counter(t, "switchboard_extension_blocks_held")))
		w.clock.Advance(time.Minute)
		r.Sweep(ctx)
		require.Empty(t, held(t, r))
		for account, site := range accounts { // and all of them go on
			w.account, w.site = account, site
			got, err := r.Allocate(ctx, w.request(1))
			require.NoError(t, err)
			require.Equal(t, []string{"101"}, texts(got))
		}
	})
}

func TestBlocksOfOtherAccountsAreApart(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		w := newWorld(t, e)
		r := w.replica(t, leasing(etcdtest.New(t)))
		w.newRange(t, r, "100", "199")
		got, err := r.Allocate(t.Context(), w.request(1))
		require.NoError(t, err)
		w.account = uuid.New()
		w.newRange(t, r, "100", "199")
		other, err := r.Allocate(t.Context(), w.request(1))
		require.NoError(t, err)
		require.Equal(t, got[0].Number, other[0].Number)
		require.Equal(t, number.MustParse("100"), other[0].Number)
	})
}
