// Package groupcommit carries out concurrent requests that share a key together, so that a hundred callers who would each
// update the same row cost one transaction instead of a hundred.
//
// No timer is involved: a lone request starts at once. While a run is under way, requests for its key queue up, and the next
// run takes them together. The group size therefore follows the load by itself.
package groupcommit

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// ErrQueueFull is returned when too many requests wait for a key. The request was not carried out.
var ErrQueueFull = errors.New("groupcommit: too many requests are waiting")

// ErrClosed is returned after Close. The request was not carried out.
var ErrClosed = errors.New("groupcommit: closed")

// Options bound a Group.
type Options struct {
	// MaxWeight bounds the summed weight of the requests of one run. A request that is heavier than that runs alone.
	// Default 1000.
	MaxWeight int
	// MaxQueue bounds the requests that wait for one key, those under way not counted. Default 1000.
	MaxQueue int
	// MaxRuns bounds the runs of one key that are under way at a time. Another one than the first is begun only when a full run
	// waits, so that a busy database gets few large groups and an idle one is put to use. Default 1: runs of a key never overlap.
	MaxRuns int
	// Timeout bounds one run; its context ends then. Default 10 s.
	Timeout time.Duration
	// Gather bounds how long a run that follows upon another of its key waits while further requests keep coming in, and it waits
	// no longer than the run before it took. Where callers, this process and what it calls share the same few processors, the next
	// run would else begin when few of those just answered are back, and small groups cost more for each request. A lone request
	// never waits. Default 0: no run waits.
	Gather time.Duration
	// Observe, when set, is told after every run how many requests of what summed weight it took and how long it lasted.
	Observe func(requests, weight int, took time.Duration)
}

// Result is the outcome of one request of a run.
type Result[R any] struct {
	Value R
	Err   error
}

// Run carries out reqs, in the order of their arrival, for key. It returns one result for each in the same order; an error
// instead is given to all of them. ctx ends after Options.Timeout, whatever becomes of the callers; of theirs it carries the trace
// (see traced), and the request id when there is one caller only. A panic is turned into an error for all.
type Run[K comparable, Q, R any] func(ctx context.Context, key K, reqs []Q) ([]Result[R], error)

// Group puts requests together. It is safe for concurrent use.
type Group[K comparable, Q, R any] struct {
	run    Run[K, Q, R]
	weight func(Q) int
	opts   Options

	base   context.Context
	cancel context.CancelFunc
	loops  sync.WaitGroup

	mu     sync.Mutex
	closed bool
	queues map[K]*queue[Q, R] // keys with a run under way; no other key takes memory
}

type queue[Q, R any] struct {
	waiting []*call[Q, R]
	weight  int // of waiting
	loops   int
}

type call[Q, R any] struct {
	req    Q
	weight int
	taken  bool            // part of a run; guarded by Group.mu
	from   context.Context // the caller's, for its trace and its request id
	done   chan Result[R]
}

// New returns a Group. weight says how much of Options.MaxWeight a request takes (at least 1); nil counts every request as 1.
func New[K comparable, Q, R any](run Run[K, Q, R], weight func(Q) int, opts Options) *Group[K, Q, R] {
	if weight == nil {
		weight = func(Q) int { return 1 }
	}
	if opts.MaxWeight <= 0 {
		opts.MaxWeight = 1000
	}
	if opts.MaxQueue <= 0 {
		opts.MaxQueue = 1000
	}
	if opts.MaxRuns <= 0 {
		opts.MaxRuns = 1
	}
	if opts.Timeout <= 0 {
		opts.Timeout = 10 * time.Second
	}
	g := &Group[K, Q, R]{run: run, weight: weight, opts: opts, queues: map[K]*queue[Q, R]{}}
	g.base, g.cancel = context.WithCancel(context.Background())
	return g
}

// Do has q carried out together with others of the same key and returns its result. ctx bounds the waiting only: when it
// ends before q became part of a run, q is dropped and never carried out; later Do returns the error of ctx at once, while q
// may still take effect. Other errors are those of the run, ErrQueueFull and ErrClosed.
func (g *Group[K, Q, R]) Do(ctx context.Context, key K, q Q) (R, error) {
	var zero R
	if err := ctx.Err(); err != nil {
		return zero, err
	}
	c := &call[Q, R]{from: ctx, req: q, weight: max(1, g.weight(q)), done: make(chan Result[R], 1)}
	if err := g.enqueue(key, c); err != nil {
		return zero, err
	}
	select {
	case res := <-c.done:
		return res.Value, res.Err
	case <-ctx.Done():
		g.drop(key, c)
		return zero, ctx.Err()
	}
}

// Waiting says how many requests wait for key now, those under way not counted.
func (g *Group[K, Q, R]) Waiting(key K) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if q := g.queues[key]; q != nil {
		return len(q.waiting)
	}
	return 0
}

// Close refuses further requests, waits for those accepted to be carried out and returns. When ctx ends first, the runs under
// way have their context ended, and Close returns the error of ctx once they are back.
func (g *Group[K, Q, R]) Close(ctx context.Context) error {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	drained := make(chan struct{})
	go func() {
		g.loops.Wait()
		close(drained)
	}()
	defer g.cancel()
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		g.cancel()
		<-drained
		return ctx.Err()
	}
}

func (g *Group[K, Q, R]) enqueue(key K, c *call[Q, R]) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return ErrClosed
	}
	q := g.queues[key]
	if q == nil {
		q = &queue[Q, R]{}
		g.queues[key] = q
	} else if len(q.waiting) >= g.opts.MaxQueue {
		return ErrQueueFull
	}
	q.waiting = append(q.waiting, c)
	q.weight += c.weight
	if q.loops == 0 || q.loops < g.opts.MaxRuns && q.weight >= g.opts.MaxWeight {
		q.loops++
		g.loops.Add(1)
		go g.loop(key)
	}
	return nil
}

// drop takes a call out of its queue, if it is still there.
func (g *Group[K, Q, R]) drop(key K, c *call[Q, R]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if q := g.queues[key]; q != nil && !c.taken {
		q.waiting = slices.DeleteFunc(q.waiting, func(w *call[Q, R]) bool { return w == c })
		q.weight -= c.weight
	}
}

// loop runs what is queued for key until nothing is left. There are Options.MaxRuns of them per key at most.
func (g *Group[K, Q, R]) loop(key K) {
	ended := false
	defer func() {
		if !ended {
			go g.loop(key) // a run ended this goroutine (runtime.Goexit): the queue still needs one
		}
	}()
	for {
		calls := g.take(key)
		if len(calls) == 0 {
			ended = true
			g.loops.Done()
			return
		}
		start := time.Now()
		g.execute(key, calls)
		g.gather(key, min(g.opts.Gather, time.Since(start)))
	}
}

// gatherStep is how long the queue of a key has to stay as it is for its next run to begin.
const gatherStep = 100 * time.Microsecond

// gather waits while the queue of key grows, at most for limit. An empty queue and a full run are not waited for.
func (g *Group[K, Q, R]) gather(key K, limit time.Duration) {
	before := 0
	for end := time.Now().Add(limit); ; {
		waiting := g.Waiting(key)
		if waiting == before || waiting >= g.opts.MaxWeight || time.Now().After(end) {
			return
		}
		before = waiting
		select {
		case <-time.After(gatherStep):
		case <-g.base.Done():
			return
		}
	}
}

// take removes the next run's calls from the queue, oldest first. When there are none the caller's loop has to end, and with the
// last loop the key is forgotten.
func (g *Group[K, Q, R]) take(key K) []*call[Q, R] {
	g.mu.Lock()
	defer g.mu.Unlock()
	q := g.queues[key]
	n, sum := 0, 0
	for n < len(q.waiting) && (n == 0 || sum+q.waiting[n].weight <= g.opts.MaxWeight) {
		q.waiting[n].taken = true
		sum += q.waiting[n].weight
		n++
	}
	q.weight -= sum
	if n == 0 {
		if q.loops--; q.loops == 0 {
			delete(g.queues, key)
		}
		return nil
	}
	calls := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	return calls
}

// execute runs calls and hands every one its result, whatever happens.
func (g *Group[K, Q, R]) execute(key K, calls []*call[Q, R]) {
	ctx, cancel := context.WithTimeout(g.base, g.opts.Timeout)
	defer cancel()
	from := make([]context.Context, len(calls))
	for i, c := range calls {
		from[i] = c.from
	}
	ctx, endSpan := traced(ctx, from)
	defer endSpan()
	start := time.Now()
	reqs, sum := make([]Q, len(calls)), 0
	for i, c := range calls {
		reqs[i] = c.req
		sum += c.weight
	}
	var results []Result[R]
	err := errors.New("groupcommit: the run ended without a result")
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("groupcommit: panic: %v\n%s", p, debug.Stack())
		}
		if err == nil && len(results) != len(calls) {
			err = fmt.Errorf("groupcommit: %d results for %d requests", len(results), len(calls))
		}
		for i, c := range calls {
			if err != nil {
				c.done <- Result[R]{Err: err}
			} else {
				c.done <- results[i]
			}
		}
		if g.opts.Observe != nil {
			g.opts.Observe(len(calls), sum, time.Since(start))
		}
	}()
	results, err = g.run(ctx, key, reqs)
}
