// Package lincheck shows that allocation is linearizable: it records what concurrent clients asked of three replicas, each a
// process of its own, and were answered, while the replicas are killed, paused for longer than their leases last, and cut off from
// etcd and from the database, and while writes are carried out and reported as failed. Porcupine then looks for an order of the
// calls that a sequential service could have had.
//
//	make check-linearizable DURATION=10m
package lincheck

import (
	"context"
	"flag"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	extensionv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/extension/v1"
	"github.com/switchboard-phone/switchboard/services/extension"
	"github.com/switchboard-phone/switchboard/services/extension/internal/names"
	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store/sqlstore"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/localetcd"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/issuertest"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/peertest"
)

var duration = flag.Duration("duration", 8*time.Second, "how long the clients call")

const (
	arenas      = 3 // accounts in use at a time
	clients     = 5 // of one arena
	callsEach   = 9 // of a client in one arena; short histories are checked fast
	callTimeout = 3 * time.Second
	// checkTimeout bounds the search for an order of one history.
	checkTimeout = 8 * time.Second
)

func TestLinearizable(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		w := newWorld(t, e)
		ctx, cancel := context.WithTimeout(t.Context(), *duration)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() { w.nemesis(ctx) })
		for range arenas {
			all.Go(func() {
				for ctx.Err() == nil {
					w.check(w.play())
				}
			})
		}
		all.Wait()
		t.Logf("%d calls in %d histories, %d outcomes not known, %d histories too hard to check; kills %d, pauses %d, etcd cut %d, database cut %d",
			w.calls.Load(), w.histories.Load(), w.unknowns.Load(), w.inconclusive.Load(), w.kills, w.pauses, w.etcdCuts, w.databaseCuts)
		require.Positive(t, w.calls.Load()-w.unknowns.Load(), "a history of nothing shows nothing")
		require.LessOrEqual(t, 5*w.inconclusive.Load(), w.histories.Load(), "too many histories could not be checked")
	})
}

type world struct {
	*testing.T
	etcd     string
	store    store.Store
	replicas []*replica
	start    time.Time

	calls, unknowns, histories, inconclusive atomic.Int64
	kills, pauses, etcdCuts, databaseCuts    int
}

func newWorld(t *testing.T, e testkit.Engine, env ...string) *world {
	t.Helper()
	etcd, err := localetcd.Start(t.Context(), localetcd.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, etcd.Stop()) })
	dbURL := e.NewURL(t, extension.Migrations)
	w := &world{T: t, etcd: etcd.Endpoint, store: sqlstore.New(e.Open(t, dbURL)), start: time.Now()}
	issuer, peers := issuertest.New(t), peertest.New(t)
	for range 3 {
		w.replicas = append(w.replicas, newReplica(t, dbURL, etcd.Endpoint, issuer, peers, env...))
	}
	for _, r := range w.replicas {
		r.conn.Connect()
		a := w.arena()
		testkit.Eventually(t, time.Minute, func() error {
			_, err := extensionv1.NewExtensionServiceClient(r.conn).CheckExtensions(t.Context(), a.checkAll())
			return err
		})
	}
	return w
}

func (w *world) now() int64 { return int64(time.Since(w.start)) }

// nemesis does one thing after another to one replica after another, until ctx ends, and leaves them alone then.
func (w *world) nemesis(ctx context.Context) {
	wait := func(d time.Duration) {
		select {
		case <-ctx.Done():
		case <-time.After(d):
		}
	}
	for n := 0; ctx.Err() == nil; n++ {
		r := w.replicas[rand.IntN(len(w.replicas))]
		switch n % 4 {
		case 0:
			w.pauses++
			r.signal(syscall.SIGSTOP)
			wait(sessionTTL + time.Second) // its blocks are somebody else's when it comes to
			r.signal(syscall.SIGCONT)
		case 1:
			w.kills++
			r.kill()
			wait(300 * time.Millisecond)
			r.start()
		case 2:
			w.etcdCuts++
			r.etcd.cut(true)
			wait(sessionTTL + time.Second)
			r.etcd.cut(false)
		case 3:
			w.databaseCuts++
			r.db.cut(true)
			wait(200 * time.Millisecond)
			r.db.cut(false)
		}
		wait(300 * time.Millisecond)
	}
}

// arena is an account with all that happens in it.
type arena struct {
	account, site uuid.UUID
	owners        []uuid.UUID
}

const firstNumber = 10000

func text(n int) string { return number.Of(5, firstNumber+int64(n)).String() }

func (w *world) arena() *arena {
	a := &arena{account: uuid.New(), site: uuid.New()}
	for range owners {
		a.owners = append(a.owners, uuid.New())
	}
	err := w.store.CreateRange(w.Context(), store.Range{
		ID: uuid.New(), Account: a.account, Site: a.site, CreateTime: time.Now(),
		Span: number.Span{From: number.Of(5, firstNumber), To: number.Of(5, firstNumber+numbers-1)},
	}, 10)
	require.NoError(w, err)
	return a
}

func (a *arena) checkAll() *extensionv1.CheckExtensionsRequest {
	req := &extensionv1.CheckExtensionsRequest{Parent: names.Account(a.account)}
	for n := range numbers {
		req.Numbers = append(req.Numbers, text(n))
	}
	return req
}

// play has the clients of a new arena call at random.
func (w *world) play() []porcupine.Operation {
	a := w.arena()
	histories := make([][]porcupine.Operation, clients)
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			// Calls for one owner do not overlap: that is what license promises (a phone user is held by one operation at a time), and what
			// the service builds on when it repeats what it does not know to have happened. Numbers are everybody's.
			mine := []int{2 * c, 2*c + 1}
			for range callsEach {
				if len(mine) == 0 {
					return
				}
				in := input{kind: kind(rand.IntN(5)), owner: mine[rand.IntN(len(mine))], number: rand.IntN(numbers)}
				ctx, cancel := context.WithTimeout(w.Context(), callTimeout)
				call := w.now()
				out := a.call(ctx, w.replicas[rand.IntN(len(w.replicas))], in)
				histories[c] = append(histories[c], operation(c, in, call, out, w.now()))
				cancel()
				w.calls.Add(1)
				if out.result == unknown {
					w.unknowns.Add(1)
					mine = slices.DeleteFunc(mine, func(o int) bool { return o == in.owner && in.kind != look }) // it may still be under way
				}
			}
		})
	}
	all.Wait()
	return slices.Concat(histories...)
}

// check has a history checked. A look whose outcome is not known says nothing and only makes the search longer.
func (w *world) check(history []porcupine.Operation) {
	w.histories.Add(1)
	history = slices.DeleteFunc(history, func(op porcupine.Operation) bool {
		return op.Input.(input).kind == look && op.Output.(output).result == unknown
	})
	switch porcupine.CheckOperationsTimeout(model, history, checkTimeout) {
	case porcupine.Illegal:
		slices.SortFunc(history, func(x, y porcupine.Operation) int { return int(x.Call - y.Call) })
		for _, op := range history {
			w.Logf("client %d %v..%v %s", op.ClientId, time.Duration(op.Call), time.Duration(op.Return), model.DescribeOperation(op.Input, op.Output))
		}
		w.Error("this history is not linearizable")
	case porcupine.Unknown:
		w.inconclusive.Add(1)
	case porcupine.Ok:
	}
}

// call makes one call. Whatever is not a definitive answer may have happened.
func (a *arena) call(ctx context.Context, r *replica, in input) output {
	alloc := extensionv1.NewAllocationServiceClient(r.conn)
	owner, site := names.PhoneUser(a.account, a.owners[in.owner]), names.Site(a.account, a.site)
	var got string
	var err error
	switch in.kind {
	case allocate, wish:
		ask := &extensionv1.Allocation{Owner: owner}
		if in.kind == wish {
			ask.Number = text(in.number)
		}
		var res *extensionv1.AllocateExtensionsResponse
		res, err = alloc.AllocateExtensions(ctx, &extensionv1.AllocateExtensionsRequest{Site: site, Allocations: []*extensionv1.Allocation{ask}})
		if err == nil {
			got = res.GetAllocations()[0].GetNumber()
		}
	case swap:
		var res *extensionv1.SwapExtensionResponse
		res, err = alloc.SwapExtension(ctx, &extensionv1.SwapExtensionRequest{Site: site, Owner: owner, Number: text(in.number)})
		got = res.GetNumber()
	case release:
		var res *extensionv1.ReleaseExtensionsResponse
		res, err = alloc.ReleaseExtensions(ctx, &extensionv1.ReleaseExtensionsRequest{Parent: names.Account(a.account), Owners: []string{owner}})
		if len(res.GetReleased()) > 0 {
			got = res.GetReleased()[0].GetNumber()
		}
	case look:
		return a.look(ctx, r)
	}
	switch errs.Reason(err) {
	case commonv1.Reason_EXTENSION_IN_USE, commonv1.Reason_EXTENSION_RANGE_EXHAUSTED:
		return output{result: refused}
	}
	if err != nil {
		return output{result: unknown}
	}
	return output{number: indexOf(got)}
}

// indexOf counts numbers from 0; none for no number.
func indexOf(got string) int {
	n, err := number.Parse(got)
	if err != nil {
		return none
	}
	return int(n.Value()) - firstNumber
}

func (a *arena) look(ctx context.Context, r *replica) output {
	res, err := extensionv1.NewExtensionServiceClient(r.conn).CheckExtensions(ctx, a.checkAll())
	if err != nil {
		return output{result: unknown}
	}
	out := output{all: empty()}
	for n, x := range res.GetExtensions() {
		for o, id := range a.owners {
			if x.GetHolder() == names.PhoneUser(a.account, id) {
				out.all = out.all.with(o, n)
			}
		}
	}
	return out
}
