package lincheck

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	extensionv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/extension/v1"
	"github.com/switchboard-phone/switchboard/services/extension/internal/names"
	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/etcdx"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

var outage = flag.Duration("outage", 3*time.Second, "how long etcd is away")

// TestEtcdOutageAndKill has people ask for numbers without a pause while etcd is away from all replicas, and then while one of them
// is killed. Nobody is refused, leases resume by themselves, and the dead replica's block is leased again within one lease time.
func TestEtcdOutageAndKill(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		w := newWorld(t, e, honestEnv+"=1")
		a := w.bigArena()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var callers sync.WaitGroup
		var given, retried atomic.Int64
		var killed atomic.Bool
		for range 6 {
			callers.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					owner := uuid.New()
					for try := n; ; try++ {
						err := w.give(a, w.replicas[try%3], owner)
						if err == nil {
							given.Add(1)
							break
						}
						if !killed.Load() {
							t.Errorf("refused while only etcd was away: %v", err)
							return
						}
						retried.Add(1)
					}
				}
			})
		}
		w.leased(t, a)
		for _, r := range w.replicas {
			r.etcd.cut(true)
		}
		before := given.Load()
		<-time.After(*outage)
		require.Greater(t, given.Load(), before)
		testkit.Eventually(t, 10*time.Second, func() error { return expect(w.leases(t, a) == 0, "leases end with their sessions") })
		for _, r := range w.replicas {
			r.etcd.cut(false)
		}
		w.leased(t, a)

		killed.Store(true)
		w.replicas[0].kill()
		w.replicas[1].kill()
		dead := w.leases(t, a)
		began := time.Now()
		// Nothing of the dead is left but what the third one holds, which then takes their blocks as it needs them.
		testkit.Eventually(t, sessionTTL+10*time.Second, func() error { return expect(len(w.holders(t, a)) == 1, "one holder is left") })
		t.Logf("%d blocks were leased; one holder left after %v, session TTL %v", dead, time.Since(began), sessionTTL)
		at := given.Load()
		testkit.Eventually(t, 10*time.Second, func() error { return expect(given.Load() > at+50, "the third one serves everybody") })
		stop()
		callers.Wait()
		t.Logf("%d numbers given out, %d calls repeated after the kill", given.Load(), retried.Load())
	})
}

func expect(ok bool, what string) error {
	if ok {
		return nil
	}
	return fmt.Errorf("not so yet: %s", what)
}

func (w *world) bigArena() *arena {
	a := &arena{account: uuid.New(), site: uuid.New()}
	require.NoError(w, w.store.CreateRange(w.Context(), store.Range{
		ID: uuid.New(), Account: a.account, Site: a.site, CreateTime: time.Now(),
		Span: number.Span{From: number.MustParse("1000000"), To: number.MustParse("1999999")},
	}, 10))
	return a
}

// give asks a replica for a number.
func (w *world) give(a *arena, r *replica, owner uuid.UUID) error {
	ctx, cancel := context.WithTimeout(w.Context(), 20*time.Second)
	defer cancel()
	_, err := extensionv1.NewAllocationServiceClient(r.conn).AllocateExtensions(ctx, &extensionv1.AllocateExtensionsRequest{
		Site: names.Site(a.account, a.site), Allocations: []*extensionv1.Allocation{{Owner: names.PhoneUser(a.account, owner)}},
	})
	return err
}

// holders counts the leases of an account by the session that holds them.
func (w *world) holders(t *testing.T, a *arena) map[int64]int {
	t.Helper()
	client, err := etcdx.Open(etcdx.Config{Endpoints: []string{w.etcd}})
	require.NoError(t, err)
	defer func() { _ = client.Close() }()
	res, err := client.Get(t.Context(), "/switchboard/extension/v1/blocks/"+a.account.String()+"/", clientv3.WithPrefix())
	require.NoError(t, err)
	out := map[int64]int{}
	for _, kv := range res.Kvs {
		out[kv.Lease]++
	}
	return out
}

func (w *world) leases(t *testing.T, a *arena) (count int) {
	t.Helper()
	for _, n := range w.holders(t, a) {
		count += n
	}
	return count
}

// leased waits until all three replicas hold leases.
func (w *world) leased(t *testing.T, a *arena) {
	t.Helper()
	testkit.Eventually(t, 30*time.Second, func() error { return expect(len(w.holders(t, a)) == 3, "all replicas hold leases") })
}
