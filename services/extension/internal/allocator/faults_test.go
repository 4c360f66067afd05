package allocator_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/extension/internal/allocator"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
	"github.com/switchboard-phone/switchboard/services/platform/groupcommit"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

var errLost = errors.New("the answer was lost")

// TestExecutedThenFailed has every write carried out and then reported as failed, in both ways that can be: callers repeat what
// failed, and the books are right in the end.
func TestExecutedThenFailed(t *testing.T) {
	t.Parallel()
	eachPath(t, func(t *testing.T, w *world, opts ...option) {
		ctx := t.Context()
		r := w.replica(t, opts...)
		w.newRange(t, r, "100", "399")
		wish := 300
		for _, lost := range []error{errLost, &crdb.AmbiguousError{Op: "test", Err: errLost}} {
			for _, op := range []string{"extension.Allocate", "extension.AllocateChecked"} {
				req := w.wish("", "", "")
				r.faults.FailAfter(op, r.faults.Hits(op)+1, lost)
				first, err := r.Allocate(ctx, req)
				if err != nil {
					require.ErrorIs(t, err, errLost)
				}
				r.faults.Clear()
				again, err := r.Allocate(ctx, req)
				require.NoError(t, err)
				if first != nil {
					require.Equal(t, first, again)
				}
				r.faults.FailAfter("extension.Swap", r.faults.Hits("extension.Swap")+1, lost)
				swap := allocator.SwapRequest{Account: w.account, Site: w.site, Owner: req.Items[0].Owner, Wish: strconv.Itoa(wish)}
				wish++
				now, _, err := r.Swap(ctx, swap)
				if crdb.IsAmbiguous(lost) {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, errLost)
					now, _, err = r.Swap(ctx, swap)
					require.NoError(t, err)
				}
				r.faults.Clear()
				require.Equal(t, swap.Wish, now.String())
			}
		}
		rows := w.rows(t, r)
		require.Len(t, rows, 12)
		requireDistinct(t, rows)
	})
}

// TestFailuresUnderLoad fails a good part of all database operations, before and after they are carried out, while two replicas
// serve callers that repeat until they get an answer.
func TestFailuresUnderLoad(t *testing.T) {
	t.Parallel()
	eachPath(t, func(t *testing.T, w *world, opts ...option) {
		ctx := t.Context()
		rs := []*replica{w.replica(t, opts...), w.replica(t, opts...)}
		w.newRange(t, rs[0], "1000", "1399")
		for _, r := range rs {
			r.faults.DoBefore(faults.Any, faults.Every, func(context.Context) error {
				if rand.IntN(10) == 0 {
					return errors.New("not done")
				}
				return nil
			})
			r.faults.DoAfter(faults.Any, faults.Every, func(_ context.Context, err error) error {
				if err == nil && rand.IntN(10) == 0 {
					return errLost
				}
				return err
			})
		}
		var mu sync.Mutex
		var wg sync.WaitGroup
		told := map[uuid.UUID]string{}
		for i := range 100 {
			req := w.request(4)
			wg.Go(func() {
				for n := i; ; n++ {
					got, err := rs[n%2].Allocate(ctx, req)
					if errors.Is(err, groupcommit.ErrClosed) || ctx.Err() != nil {
						t.Errorf("%v", err)
						return
					}
					if err != nil {
						continue
					}
					mu.Lock()
					for _, e := range got {
						told[e.Owner] = e.Number.String()
					}
					mu.Unlock()
					return
				}
			})
		}
		wg.Wait()
		for _, r := range rs {
			r.faults.Clear()
		}
		rows := w.rows(t, rs[0])
		require.Len(t, rows, 400, "every number of the range, once")
		requireDistinct(t, rows)
		for _, e := range rows {
			require.Equal(t, told[e.Owner], e.Number.String(), "what callers were told is what is so")
		}
	})
}

// TestCallerWhoLeaves ends a caller's context while its request is being written: others of the same group are not affected.
func TestCallerWhoLeaves(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		w := newWorld(t, e)
		r := w.replica(t)
		w.newRange(t, r, "100", "199")
		began, leave := make(chan struct{}), make(chan struct{})
		r.faults.DoBefore("extension.Allocate", 1, func(context.Context) error {
			close(began)
			<-leave
			return nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		req := w.request(1)
		go func() {
			_, err := r.Allocate(ctx, req)
			done <- err
		}()
		<-began
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		close(leave)
		got, err := r.Allocate(t.Context(), w.request(1))
		require.NoError(t, err)
		require.Equal(t, []string{"101"}, texts(got))
		again, err := r.Allocate(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, []string{"100"}, texts(again), "it took effect all the same")
	})
}
