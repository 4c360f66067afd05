package groupcommit_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/platform/groupcommit"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

// gated is a run that tests hold and look into.
type gated struct {
	entered chan []int      // the requests of every run, as it begins
	release chan struct{}   // one value lets one run end
	inside  map[string]*int // runs under way, by key
	mu      sync.Mutex
	overlap bool
}

func newGated() *gated {
	return &gated{entered: make(chan []int), release: make(chan struct{}), inside: map[string]*int{}}
}

// run answers every request with its double.
func (g *gated) run(_ context.Context, key string, reqs []int) ([]groupcommit.Result[int], error) {
	g.mu.Lock()
	if g.inside[key] == nil {
		g.inside[key] = new(int)
	}
	*g.inside[key]++
	g.overlap = g.overlap || *g.inside[key] > 1
	g.mu.Unlock()
	g.entered <- append([]int(nil), reqs...)
	<-g.release
	g.mu.Lock()
	*g.inside[key]--
	g.mu.Unlock()
	out := make([]groupcommit.Result[int], len(reqs))
	for i, r := range reqs {
		out[i].Value = 2 * r
	}
	return out, nil
}

// answer is what a caller got.
type answer struct {
	req, value int
	err        error
}

// callers starts calls one after the other, each once the one before is in the queue.
func callers(ctx context.Context, t *testing.T, g *groupcommit.Group[string, int, int], reqs ...int) chan answer {
	t.Helper()
	out := make(chan answer, len(reqs))
	for _, r := range reqs {
		before := g.Waiting("k")
		go func() {
			v, err := g.Do(ctx, "k", r)
			out <- answer{r, v, err}
		}()
		testkit.Eventually(t, 5*time.Second, func() error {
			if g.Waiting("k") == before {
				return errors.New("not in the queue")
			}
			return nil
		})
	}
	return out
}

// occupy starts a run that holds the key.
func occupy(g *groupcommit.Group[string, int, int], gate *gated) chan answer {
	out := make(chan answer, 1)
	go func() {
		v, err := g.Do(context.Background(), "k", 0)
		out <- answer{0, v, err}
	}()
	<-gate.entered
	return out
}

func closeGroup(t *testing.T, g *groupcommit.Group[string, int, int]) {
	t.Helper()
	require.NoError(t, g.Close(context.Background()))
}

func TestLoneCallerRunsAtOnce(t *testing.T) {
	t.Parallel()
	gate := newGated()
	g := groupcommit.New(gate.run, nil, groupcommit.Options{})
	out := occupy(g, gate)
	gate.release <- struct{}{}
	require.Equal(t, answer{0, 0, nil}, <-out)
	closeGroup(t, g)
}

func TestArrivalsDuringARunGoTogetherInOrder(t *testing.T) {
	t.Parallel()
	gate := newGated()
	g := groupcommit.New(gate.run, nil, groupcommit.Options{})
	first := occupy(g, gate)
	out := callers(t.Context(), t, g, 1, 2, 3, 4)
	gate.release <- struct{}{}
	<-first
	require.Equal(t, []int{1, 2, 3, 4}, <-gate.entered)
	gate.release <- struct{}{}
	for range 4 {
		a := <-out
		require.NoError(t, a.err)
		require.Equal(t, 2*a.req, a.value, "everybody gets the own result")
	}
	closeGroup(t, g)
	require.False(t, gate.overlap)
}

func TestWeightBoundsARun(t *testing.T) {
	t.Parallel()
	gate := newGated()
	g := groupcommit.New(gate.run, func(r int) int { return r }, groupcommit.Options{MaxWeight: 10})
	first := occupy(g, gate)
	out := callers(t.Context(), t, g, 6, 4, 1, 50, 9, 2)
	gate.release <- struct{}{}
	<-first
	for _, want := range [][]int{{6, 4}, {1}, {50}, {9}, {2}} {
		require.Equal(t, want, <-gate.entered, "oldest first, up to the bound, the overweight one alone")
		gate.release <- struct{}{}
	}
	for range 6 {
		require.NoError(t, (<-out).err)
	}
	closeGroup(t, g)
}

func TestAnotherRunBeginsWhenAFullOneWaits(t *testing.T) {
	t.Parallel()
	gate := newGated()
	g := groupcommit.New(gate.run, nil, groupcommit.Options{MaxWeight: 3, MaxRuns: 2})
	first := occupy(g, gate)
	out := callers(t.Context(), t, g, 1, 2)
	third := make(chan answer, 1)
	go func() { v, err := g.Do(context.Background(), "k", 3); third <- answer{3, v, err} }()
	require.Equal(t, []int{1, 2, 3}, <-gate.entered, "the first run is still under way")
	late := callers(t.Context(), t, g, 4, 5)
	gate.release <- struct{}{}
	require.Equal(t, []int{4, 5}, <-gate.entered, "what waits goes on as soon as one of the two has ended")
	gate.release <- struct{}{}
	gate.release <- struct{}{}
	<-first
	<-third
	for _, answers := range []chan answer{out, late} {
		for range 2 {
			a := <-answers
			require.NoError(t, a.err)
			require.Equal(t, 2*a.req, a.value)
		}
	}
	closeGroup(t, g)
}

func TestGatheringEndsWhenNobodyComes(t *testing.T) {
	t.Parallel()
	gate := newGated()
	g := groupcommit.New(gate.run, nil, groupcommit.Options{Gather: time.Hour})
	first := occupy(g, gate)
	out := callers(t.Context(), t, g, 1, 2)
	gate.release <- struct{}{}
	<-first
	require.Equal(t, []int{1, 2}, <-gate.entered)
	gate.release <- struct{}{}
	<-out
	<-out
	closeGroup(t, g)
}

func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	gate := newGated()
	g := groupcommit.New(gate.run, nil, groupcommit.Options{MaxQueue: 2})
	first := occupy(g, gate)
	out := callers(t.Context(), t, g, 1, 2)
	_, err := g.Do(t.Context(), "k", 3)
	require.ErrorIs(t, err, groupcommit.ErrQueueFull)
	gate.release <- struct{}{}
	<-first
	require.Equal(t, []int{1, 2}, <-gate.entered)
	gate.release <- struct{}{}
	<-out
	<-out
	closeGroup(t, g)
}

func TestKeysRunSideBySide(t *testing.T) {
	t.Parallel()
	gate := newGated()
	g := groupcommit.New(gate.run, nil, groupcommit.Options{})
	first := occupy(g, gate)
	other := make(chan error, 1)
	go func() { _, err := g.Do(context.Background(), "another", 7); other <- err }()
	require.Equal(t, []int{7}, <-gate.entered, "a busy key does not hold another up")
	gate.release <- struct{}{}
	gate.release <- struct{}{}
	require.NoError(t, <-other)
	<-first
	closeGroup(t, g)
}

func TestCallerWhoGivesUpInTheQueueIsDropped(t *testing.T) {
	t.Parallel()
	gate := newGated()
	g := groupcommit.New(gate.run, nil, groupcommit.Options{})
	first := occupy(g, gate)
	patient := callers(t.Context(), t, g, 1)
	ctx, cancel := context.WithCancel(t.Context())
	hasty := callers(ctx, t, g, 2)
	cancel()
	require.ErrorIs(t, (<-hasty).err, context.Canceled)
	gate.release <- struct{}{}
	<-first
	require.Equal(t, []int{1}, <-gate.entered)
	gate.release <- struct{}{}
	require.NoError(t, (<-patient).err)
	_, err := g.Do(ctx, "k", 3)
	require.ErrorIs(t, err, context.Canceled, "a context that has ended is not even queued")
	closeGroup(t, g)
}

func TestCallerWhoGivesUpLaterGetsTheContextError(t *testing.T) {
	t.Parallel()
	gate := newGated()
	g := groupcommit.New(gate.run, nil, groupcommit.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	out := make(chan error, 1)
	go func() { _, err := g.Do(ctx, "k", 1); out <- err }()
	require.Equal(t, []int{1}, <-gate.entered)
	cancel()
	require.ErrorIs(t, <-out, context.Canceled)
	gate.release <- struct{}{}
	closeGroup(t, g)
}

func TestRunHasItsOwnContext(t *testing.T) {
	t.Parallel()
	type key struct{}
	g := groupcommit.New(func(ctx context.Context, _ string, reqs []int) ([]groupcommit.Result[int], error) {
		if ctx.Value(key{}) != nil {
			return nil, errors.New("a value of the caller's")
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}, nil, groupcommit.Options{Timeout: 10 * time.Millisecond})
	_, err := g.Do(context.WithValue(t.Context(), key{}, "v"), "k", 1)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	closeGroup(t, g)
}

func TestFailuresOfARunReachAllCallers(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		run  groupcommit.Run[string, int, int]
		want string
	}{
		"error":           {func(context.Context, string, []int) ([]groupcommit.Result[int], error) { return nil, broken }, "broken"},
		"panic":           {func(context.Context, string, []int) ([]groupcommit.Result[int], error) { panic("oh dear") }, "oh dear"},
		"too few results": {func(context.Context, string, []int) ([]groupcommit.Result[int], error) { return nil, nil }, "0 results"},
		"goroutine ended": {func(context.Context, string, []int) ([]groupcommit.Result[int], error) {
			runtime.Goexit()
			return nil, nil
		}, "without a result"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gate := newGated()
			first := true
			g := groupcommit.New(func(ctx context.Context, key string, reqs []int) ([]groupcommit.Result[int], error) {
				if first {
					first = false
					return gate.run(ctx, key, reqs)
				}
				return c.run(ctx, key, reqs)
			}, nil, groupcommit.Options{})
			held := occupy(g, gate)
			out := callers(t.Context(), t, g, 1, 2, 3)
			gate.release <- struct{}{}
			<-held
			for range 3 {
				require.ErrorContains(t, (<-out).err, c.want)
			}
			_, err := g.Do(t.Context(), "k", 9)
			require.ErrorContains(t, err, c.want, "the group goes on")
			closeGroup(t, g)
		})
	}
}

func TestResultsMayFailOneByOne(t *testing.T) {
	t.Parallel()
	odd := errors.New("odd")
	g := groupcommit.New(func(_ context.Context, _ string, reqs []int) ([]groupcommit.Result[int], error) {
		out := make([]groupcommit.Result[int], len(reqs))
		for i, r := range reqs {
			if r%2 == 1 {
				out[i].Err = odd
			}
		}
		return out, nil
	}, nil, groupcommit.Options{})
	var wg sync.WaitGroup
	for r := range 50 {
		wg.Go(func() {
			if _, err := g.Do(t.Context(), "k", r); (r%2 == 1) != errors.Is(err, odd) {
				t.Errorf("request %d: %v", r, err)
			}
		})
	}
	wg.Wait()
	closeGroup(t, g)
}

func TestCloseDrains(t *testing.T) {
	t.Parallel()
	gate := newGated()
	g := groupcommit.New(gate.run, nil, groupcommit.Options{})
	first := occupy(g, gate)
	out := callers(t.Context(), t, g, 1, 2)
	closed := make(chan error, 1)
	go func() { closed <- g.Close(context.Background()) }()
	testkit.Eventually(t, 5*time.Second, func() error {
		// Were it still open, this would be dropped from the queue again.
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := g.Do(ctx, "k", 1); !errors.Is(err, groupcommit.ErrClosed) {
			return errors.New("still open")
		}
		return nil
	})
	gate.release <- struct{}{}
	require.NoError(t, (<-first).err)
	require.Equal(t, []int{1, 2}, <-gate.entered, "what was accepted is carried out")
	gate.release <- struct{}{}
	require.NoError(t, (<-out).err)
	require.NoError(t, (<-out).err)
	require.NoError(t, <-closed)
}

func TestCloseEndsRunsWhenItsTimeIsUp(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	g := groupcommit.New(func(ctx context.Context, _ string, _ []int) ([]groupcommit.Result[int], error) {
		close(entered)
		<-ctx.Done()
		return nil, ctx.Err()
	}, nil, groupcommit.Options{Timeout: time.Hour})
	out := make(chan error, 1)
	go func() { _, err := g.Do(context.Background(), "k", 1); out <- err }()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, g.Close(ctx), context.Canceled)
	require.ErrorIs(t, <-out, context.Canceled)
}

func TestManyCallersOfManyKeys(t *testing.T) {
	t.Parallel()
	const keys, each, bound = 5, 200, 16
	var sums [keys]int // a key's runs never overlap, so no lock: the race detector judges
	var runs, requests atomic.Int64
	g := groupcommit.New(func(_ context.Context, key int, reqs []int) ([]groupcommit.Result[int], error) {
		if len(reqs) > bound {
			return nil, errors.New("too many at once")
		}
		out := make([]groupcommit.Result[int], len(reqs))
		for i, r := range reqs {
			sums[key] += r
			out[i].Value = r
		}
		return out, nil
	}, nil, groupcommit.Options{MaxWeight: bound, MaxQueue: each, Observe: func(n, weight int, _ time.Duration) {
		runs.Add(1)
		requests.Add(int64(weight))
	}})
	var wg sync.WaitGroup
	for key := range keys {
		for r := range each {
			wg.Go(func() {
				if v, err := g.Do(t.Context(), key, r); err != nil || v != r {
					t.Errorf("key %d, request %d: %d, %v", key, r, v, err)
				}
			})
		}
	}
	wg.Wait()
	require.NoError(t, g.Close(t.Context()))
	for key := range keys {
		require.Equal(t, each*(each-1)/2, sums[key])
		require.Zero(t, g.Waiting(key))
	}
	require.Equal(t, int64(keys*each), requests.Load())
	require.LessOrEqual(t, runs.Load(), int64(keys*each))
}

func BenchmarkLoneCaller(b *testing.B) {
	g := groupcommit.New(func(_ context.Context, _ string, reqs []int) ([]groupcommit.Result[int], error) {
		return make([]groupcommit.Result[int], len(reqs)), nil
	}, nil, groupcommit.Options{})
	for b.Loop() {
		if _, err := g.Do(context.Background(), "k", 1); err != nil {
			b.Fatal(err)
		}
	}
	_ = g.Close(context.Background())
}
