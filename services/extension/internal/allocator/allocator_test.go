package allocator_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/extension/internal/allocator"
	"github.com/switchboard-phone/switchboard/services/extension/internal/lease"
	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store/sqlstore"
	"github.com/switchboard-phone/switchboard/services/extension/migrations"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/etcdx"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/etcdtest"
)

func TestMain(m *testing.M) {
	// Each check is some thirty steps on a real database; -rapid.checks asks for more.
	if err := flag.Set("rapid.checks", "40"); err != nil {
		panic(err)
	}
	os.Exit(testkit.Main(m))
}

// world is a database and an account in it, for any number of replicas.
type world struct {
	engine        testkit.Engine
	url           string
	account, site uuid.UUID
	clock         *clock.Fake // nil: the machine's
}

func newWorld(t *testing.T, e testkit.Engine) *world {
	t.Helper()
	return &world{engine: e, url: e.NewURL(t, migrations.FS), account: uuid.New(), site: uuid.New()}
}

// replica is one allocator with all that it has for itself.
type replica struct {
	*allocator.Allocator
	store   store.Store
	leases  *lease.Etcd
	metrics *prometheus.Registry
	faults  *faults.Script
	// stopSession ends the replica's session as a graceful stop does.
	stopSession func()
}

type option func(*setting)

type setting struct {
	etcd     []string
	cfg      allocator.Config
	reserved number.Set
	wrap     func(allocator.Leases) allocator.Leases
}

func leasing(e *etcdtest.Server) option {
	return func(s *setting) { s.etcd = e.Endpoints() }
}

func (w *world) replica(t testing.TB, opts ...option) *replica {
	t.Helper()
	var set setting
	for _, opt := range opts {
		opt(&set)
	}
	r := &replica{metrics: prometheus.NewRegistry(), faults: &faults.Script{}, stopSession: func() {}}
	db := w.engine.Open(t, w.url, func(_ *crdb.Config, o *crdb.Options) { o.Faults = r.faults })
	r.store = sqlstore.New(db)
	deps := allocator.Deps{Logger: slog.New(slog.NewTextHandler(testWriter{t}, nil)), Store: r.store, Reserved: set.reserved, Registerer: r.metrics}
	if w.clock != nil {
		deps.Clock = w.clock
	}
	if set.etcd != nil {
		r.startLeasing(t, set.etcd)
		deps.Leases = r.leases
		if set.wrap != nil {
			deps.Leases = set.wrap(r.leases)
		}
	}
	r.Allocator = allocator.New(set.cfg, deps)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, r.Close(ctx))
	})
	return r
}

// testWriter sends logs to the test.
type testWriter struct{ testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.Logf("%s", bytes.TrimSpace(b))
	return len(b), nil
}

// startLeasing opens a session in etcd and waits for it.
func (r *replica) startLeasing(t testing.TB, endpoints []string) {
	t.Helper()
	client, err := etcdx.Open(etcdx.Config{Endpoints: endpoints})
	require.NoError(t, err)
	keeper := etcdx.NewKeeper(client, etcdx.KeeperOptions{TTL: 2 * time.Second})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = keeper.Run(ctx)
	}()
	r.stopSession = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(func() {
		r.stopSession()
		require.NoError(t, client.Close())
	})
	_, err = keeper.Wait(t.Context())
	require.NoError(t, err)
	r.leases = lease.New(client, keeper, "replica-"+uuid.NewString(), clock.System)
}

func (w *world) newRange(t testing.TB, r *replica, from, to string) store.Range {
	t.Helper()
	rng := store.Range{ID: uuid.New(), Account: w.account, Site: w.site, CreateTime: time.Now()}
	rng.From, rng.To = number.MustParse(from), number.MustParse(to)
	require.NoError(t, r.store.CreateRange(t.Context(), rng, 10))
	return rng
}

// request asks for count numbers for new owners.
func (w *world) request(count int) allocator.Request {
	r := allocator.Request{Account: w.account, Site: w.site}
	for range count {
		r.Items = append(r.Items, allocator.Item{Owner: uuid.New()})
	}
	return r
}

// wish asks for numbers for new owners; "" is any.
func (w *world) wish(numbers ...string) allocator.Request {
	r := w.request(len(numbers))
	for i, n := range numbers {
		r.Items[i].Wish = n
	}
	return r
}

func texts(es []store.Extension) []string {
	out := make([]string, len(es))
	for i, e := range es {
		out[i] = e.Number.String()
	}
	return out
}

// rows returns all live rows of the account.
func (w *world) rows(t *testing.T, r *replica) []store.Extension {
	t.Helper()
	now := time.Now()
	if w.clock != nil {
		now = w.clock.Now()
	}
	rows, err := r.store.ListExtensions(t.Context(), w.account, store.List{Limit: 1_000_000}, now)
	require.NoError(t, err)
	return rows
}

// counter reads a counter, summed over those of its labels whose values are all among want.
func (r *replica) counter(t *testing.T, name string, want ...string) float64 {
	t.Helper()
	families, err := r.metrics.Gather()
	require.NoError(t, err)
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			match := true
			for _, l := range m.GetLabel() {
				match = match && (len(want) == 0 || contains(want, l.GetValue()))
			}
			if match {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func contains(all []string, s string) bool {
	for _, v := range all {
		if v == s {
			return true
		}
	}
	return false
}

// storm sends requests at once, spread over replicas, and returns the numbers given out and the errors.
func storm(ctx context.Context, requests []allocator.Request, replicas ...*replica) (got []store.Extension, failed []error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i, req := range requests {
		wg.Go(func() {
			out, err := replicas[i%len(replicas)].Allocate(ctx, req)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = append(failed, err)
			}
			got = append(got, out...)
		})
	}
	wg.Wait()
	return got, failed
}

// requireDistinct checks that no number and no owner appears twice.
func requireDistinct(t *testing.T, es []store.Extension) {
	t.Helper()
	numbers, owners := map[number.Number]bool{}, map[uuid.UUID]bool{}
	for _, e := range es {
		require.False(t, numbers[e.Number], "number %s was given out twice", e.Number)
		require.False(t, owners[e.Owner], "owner %s got two numbers", e.Owner)
		numbers[e.Number], owners[e.Owner] = true, true
	}
}

func reasonIs(t *testing.T, err error, want commonv1.Reason) *errs.Error {
	t.Helper()
	e, ok := errs.From(err)
	require.True(t, ok, "%v", err)
	require.Equal(t, want.String(), e.Reason().String(), "%v", err)
	return e
}

// TestThousandSingles is the heart: as many single requests at once as the ranges have numbers, over one to three replicas.
func TestThousandSingles(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		for _, count := range []int{1, 2, 3} {
			for _, leased := range []bool{true, false} {
				t.Run(fmt.Sprintf("replicas=%d/leasing=%v", count, leased), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, e)
					var opts []option
					if leased {
						// How often etcd is asked is not to depend on how fast the machine is.
						opts = append(opts, leasing(etcdtest.New(t)), func(s *setting) { s.cfg.RetryAfter = time.Hour })
					}
					var rs []*replica
					for range count {
						rs = append(rs, w.replica(t, opts...))
					}
					w.newRange(t, rs[0], "1000", "1999")
					thousandSingles(t, w, rs)
				})
			}
		}
	})
}

func thousandSingles(t *testing.T, w *world, rs []*replica) {
	t.Helper()
	var requests []allocator.Request
	for range 1000 {
		requests = append(requests, w.request(1))
	}
	start := time.Now()
	got, failed := storm(t.Context(), requests, rs...)
	require.Empty(t, failed)
	require.Len(t, got, 1000)
	requireDistinct(t, got)
	require.Len(t, w.rows(t, rs[0]), 1000)
	ops, conflicts := 0.0, 0.0
	for _, r := range rs {
		ops += r.counter(t, "switchboard_extension_etcd_ops_total")
		conflicts += r.counter(t, "switchboard_extension_conflicts_total")
	}
	t.Logf("%v, etcd operations %v, conflicts %v", time.Since(start), ops, conflicts)
	require.LessOrEqual(t, ops, 20.0)

	// The 1,001st finds nothing, at any replica, until a number is given back, wherever its block is.
	for i, r := range rs {
		extra := w.request(1)
		_, err := r.Allocate(t.Context(), extra)
		refused := reasonIs(t, err, commonv1.Reason_EXTENSION_RANGE_EXHAUSTED)
		require.Equal(t, "0", refused.Metadata()["free"])
		require.Equal(t, "1", refused.Metadata()["requested"])

		victim := got[i*400]
		released, err := r.store.Release(t.Context(), w.account, []uuid.UUID{victim.Owner}, time.Time{}, time.Now())
		require.NoError(t, err)
		r.Freed(w.account, released, time.Time{})
		other := rs[(i+1)%len(rs)]
		again, err := other.Allocate(t.Context(), extra)
		require.NoError(t, err)
		require.Equal(t, victim.Number, again[0].Number)
	}
}

func TestLeasedAllocationsAskEtcdSeldom(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		w := newWorld(t, e)
		r := w.replica(t, leasing(etcdtest.New(t)))
		w.newRange(t, r, "10000", "99999")
		for range 50 {
			_, failed := storm(t.Context(), []allocator.Request{w.request(1), w.request(99)}, r)
			require.Empty(t, failed)
		}
		require.Equal(t, 5000, int(r.counter(t, "switchboard_extension_allocations_total", "leased")))
		require.LessOrEqual(t, r.counter(t, "switchboard_extension_etcd_ops_total"), 5000*20/1000.0)
		require.Zero(t, r.counter(t, "switchboard_extension_conflicts_total"))
		rows := w.rows(t, r)
		require.Equal(t, "10000", rows[0].Number.String())
		require.Equal(t, "14999", rows[4999].Number.String(), "lowest first, without gaps")
	})
}
