package importing

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

// expire ends the claims on imports: their workers count as dead.
func (w *world) expire(t *testing.T) {
	t.Helper()
	_, err := w.db.Pool().Exec(t.Context(), `UPDATE operations SET claimed_until = now() WHERE claimed_until IS NOT NULL`)
	require.NoError(t, err)
}

// settle works on the import once its claim has ended, with the reconciler beside, until it is over.
func (w *world) settle(t *testing.T, im *Importer, id uuid.UUID) model.Import {
	t.Helper()
	defer w.reconcile(t)()
	w.expire(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var m model.Import
	testkit.Eventually(t, 60*time.Second, func() error {
		if _, err := im.Step(ctx); err != nil {
			return err
		}
		var err error
		if m, err = w.reader.GetImport(t.Context(), id); err == nil && !m.Done() {
			err = fmt.Errorf("the import is %s", m.State)
		}
		return err
	})
	return m
}

// reconcile runs the reconciler until the returned function is called.
func (w *world) reconcile(t testing.TB) func() {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_ = w.engine.Reconcile(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// TestKilledAnywhere ends the process, as far as the database and the other services can tell, at one step of an import after the
// other, once before the step and once after it, and has another worker go on. No row is done twice and none is lost: what the
// first one did counts as done by the import.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	points := []string{
		"license.RenewImport", "license.MarkChanging", "license.RecordRows", "license.BeginSagas", "license.FinishSagas", "license.EndImport",
		"extension.Allocate", "extension.Swap", "numbering.AssignPackages",
	}
	for _, point := range points {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s after=%v", point, after), func(t *testing.T) {
				eachWorld(t, 120, 120, func(t *testing.T, w *world) {
					for nth := range 3 {
						if point == "license.EndImport" && nth > 0 {
							break
						}
						w.killAndResume(t, point, nth, after)
					}
				}, impatient, func(_ *world, _ *provisioning.Config, cfg *Config) { cfg.Chunk = 8 })
			})
		}
	}
}

func (w *world) killAndResume(t *testing.T, point string, nth int, after bool) {
	t.Helper()
	defer w.reconcile(t)()
	// 20 people who have a licence are changed, 20 others get one.
	var before []string
	lines := []string{"email,site,package,extension"}
	for i := range 20 {
		licensed, fresh := 40*nth+i, 40*nth+20+i
		before = append(before, email(licensed)+",Lisbon,World,")
		lines = append(lines, fmt.Sprintf("%s,Lisbon,World,%d", email(licensed), 1800+40*nth+i), email(fresh)+",Lisbon,World,")
	}
	w.run(t, Request{}, append(lines[:1:1], before...)...)
	m := w.submit(t, Request{}, lines...)
	var dead atomic.Bool
	kill := func() error { dead.Store(true); return errKilled }
	w.script.DoBefore(faults.Any, faults.Every, func(context.Context) error {
		if dead.Load() {
			return errKilled
		}
		return nil
	})
	var hits atomic.Int32
	killAt := func() error {
		if int(hits.Add(1)) == nth+1 {
			return kill()
		}
		return nil
	}
	if after {
		w.script.DoAfter(point, faults.Every, func(_ context.Context, err error) error { return errors.Join(killAt(), err) })
	} else {
		w.script.DoBefore(point, faults.Every, func(context.Context) error { return killAt() })
	}
	_, err := w.importer.Step(t.Context())
	require.True(t, dead.Load(), "the step is reached")
	require.Error(t, err)
	w.script.Clear()
	dead.Store(false)

	m = w.settle(t, w.newImporter(w.importer.cfg), m.ID)
	require.Equal(t, model.ImportCounts{Rows: 40, Succeeded: 40}, m.Counts)
	for i, r := range w.rows(t, m.ID) {
		want := []model.ImportOutcome{model.RowUpdated, model.RowAssigned}[i%2]
		require.Equal(t, want, r.Outcome, "row %d", r.Number)
	}
	w.check(t, m.ID)
	assigned := map[uuid.UUID]int{}
	entries, err := w.reader.ListLog(t.Context(), w.account, logOf(1000))
	require.NoError(t, err)
	for _, e := range entries {
		if e.Kind == model.LogAssigned {
			assigned[e.PhoneUserID]++
		}
	}
	for _, n := range assigned {
		require.Equal(t, 1, n, "a licence is assigned once")
	}
}

// TestRemovedBeforeResume shows that a licence that was given before a crash and taken away since is not given again.
func TestRemovedBeforeResume(t *testing.T) {
	eachWorld(t, 10, 3, func(t *testing.T, w *world) {
		m := w.submit(t, Request{}, "email,site", "p0@example.com,Lisbon", "p1@example.com,Lisbon")
		w.script.FailBefore("license.RecordRows", faults.Every, errKilled)
		_, err := w.importer.Step(t.Context())
		require.ErrorIs(t, err, errKilled)
		w.script.Clear()
		gone := w.phoneUsers(t)["p0@example.com"].ID
		_, err = w.engine.Remove(t.Context(), provisioning.Targets{Account: w.account, PhoneUsers: []uuid.UUID{gone}})
		require.NoError(t, err)
		m = w.settle(t, w.importer, m.ID)
		require.Equal(t, 2, m.Counts.Succeeded)
		require.Equal(t, gone, w.rows(t, m.ID)[0].PhoneUserID)
		require.Len(t, w.phoneUsers(t), 1)
		w.check(t, m.ID)
	})
}

// TestPausedWorker lets one worker be thought dead while it is about to write down what it did: its follower does every row once, and
// it cannot write any more.
func TestPausedWorker(t *testing.T) {
	eachWorld(t, 100, 60, func(t *testing.T, w *world) {
		lines := []string{header}
		for i := range 60 {
			lines = append(lines, lineOf(i))
		}
		m := w.submit(t, Request{}, lines...)
		paused, resumed := make(chan struct{}), make(chan struct{})
		w.script.DoBefore("license.RenewImport", faults.Every, func(ctx context.Context) error {
			select {
			case <-paused: // the sign of life of the paused one
				<-resumed
			default:
			}
			return nil
		})
		w.script.DoBefore("license.RecordRows", 1, func(context.Context) error {
			close(paused)
			<-resumed
			return nil
		})
		failed := make(chan error, 1)
		go func() {
			_, err := w.importer.Step(context.WithoutCancel(t.Context()))
			failed <- err
		}()
		<-paused
		other := w.newImporter(w.importer.cfg)
		other.Store = w.reader // without the pauses
		m = w.settle(t, other, m.ID)
		close(resumed)
		require.ErrorIs(t, <-failed, store.ErrImportLost)
		require.Equal(t, model.ImportCounts{Rows: 60, Succeeded: 60}, m.Counts)
		require.Equal(t, map[model.ImportOutcome]int{model.RowAssigned: 60}, outcomes(w.rows(t, m.ID)))
		w.check(t, m.ID)
	})
}

// TestSeveralReplicas has two replicas work on several imports at once.
func TestSeveralReplicas(t *testing.T) {
	eachWorld(t, 400, 300, func(t *testing.T, w *world) {
		var ids []uuid.UUID
		for part := range 3 {
			lines := []string{header}
			for i := range 100 {
				lines = append(lines, lineOf(100*part+i))
			}
			ids = append(ids, w.submit(t, Request{}, lines...).ID)
		}
		defer w.reconcile(t)()
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 2 {
			im := w.newImporter(w.importer.cfg)
			all.Go(func() { im.Run(ctx) })
		}
		testkit.Eventually(t, 60*time.Second, func() error {
			for _, id := range ids {
				if m, err := w.reader.GetImport(t.Context(), id); err != nil || !m.Done() {
					return fmt.Errorf("%s: %w", m.State, err)
				}
			}
			return nil
		})
		cancel()
		all.Wait()
		require.Len(t, w.phoneUsers(t), 300)
		w.check(t, ids...)
	})
}

// TestSameFileTwice has two replicas carry out the same file at once: everybody gets one licence, from one of the two.
func TestSameFileTwice(t *testing.T) {
	eachWorld(t, 400, 200, func(t *testing.T, w *world) {
		defer w.reconcile(t)()
		lines := []string{header}
		for i := range 200 {
			lines = append(lines, lineOf(i))
		}
		ids := []uuid.UUID{w.submit(t, Request{}, lines...).ID, w.submit(t, Request{}, lines...).ID}
		var all sync.WaitGroup
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for range 2 {
			im := w.newImporter(w.importer.cfg)
			all.Go(func() { _, _ = im.Step(ctx) })
		}
		all.Wait()
		assigned := 0
		for _, id := range ids {
			m, err := w.reader.GetImport(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, model.ImportSucceeded, m.State)
			require.Equal(t, 200, m.Counts.Succeeded+m.Counts.Unchanged)
			assigned += outcomes(w.rows(t, id))[model.RowAssigned]
		}
		require.Equal(t, 200, assigned)
		require.Len(t, w.phoneUsers(t), 200)
		w.check(t, ids...)
	})
}

// TestStopped ends a worker in the middle: it writes down what it did, and the next goes on at once.
func TestStopped(t *testing.T) {
	eachWorld(t, 400, 300, func(t *testing.T, w *world) {
		lines := []string{header}
		for i := range 300 {
			lines = append(lines, lineOf(i))
		}
		m := w.submit(t, Request{}, lines...)
		defer w.reconcile(t)()
		ctx, stop := context.WithCancel(t.Context())
		w.script.DoBefore("extension.Allocate", 8, func(context.Context) error { stop(); return nil })
		w.importer.Run(ctx)
		half, err := w.reader.GetImport(t.Context(), m.ID)
		require.NoError(t, err)
		require.Equal(t, model.ImportRunning, half.State)
		require.Len(t, w.phoneUsers(t), half.Counts.Succeeded, "all that was done is written down")
		require.Positive(t, half.Counts.Succeeded)
		require.Less(t, half.Counts.Succeeded, 300)
		m = w.finish(t, m.ID)
		require.Equal(t, model.ImportCounts{Rows: 300, Succeeded: 300}, m.Counts)
		w.check(t, m.ID)
	})
}

func TestCancel(t *testing.T) {
	eachWorld(t, 400, 300, func(t *testing.T, w *world) {
		lines := []string{header}
		for i := range 300 {
			lines = append(lines, lineOf(i))
		}
		m := w.submit(t, Request{}, lines...)
		w.script.DoAfter("license.RecordRows", 2, func(ctx context.Context, err error) error {
			require.NoError(t, w.reader.CancelImport(ctx, m.ID))
			return err
		})
		m = w.finish(t, m.ID)
		require.Equal(t, model.ImportCancelled, m.State)
		require.Equal(t, model.ImportCounts{Rows: 300, Succeeded: 100}, m.Counts)
		require.Len(t, w.phoneUsers(t), 100)
		require.Equal(t, map[model.ImportOutcome]int{model.RowAssigned: 100, model.RowPending: 200}, outcomes(w.rows(t, m.ID)))
		w.check(t, m.ID)
	})
}

// TestCancelAfterCrash cancels an import whose worker died after it had given licences and before it wrote that down.
func TestCancelAfterCrash(t *testing.T) {
	eachWorld(t, 400, 120, func(t *testing.T, w *world) {
		w.run(t, Request{}, "email,site", "p100@example.com,Lisbon")
		lines := []string{header, "p100@example.com,,,World,,,", "p101@example.com,,Nowhere,,,,"}
		for i := range 90 {
			lines = append(lines, lineOf(i))
		}
		m := w.submit(t, Request{}, lines...)
		w.script.FailBefore("license.RecordRows", faults.Every, errKilled)
		_, err := w.importer.Step(t.Context())
		require.ErrorIs(t, err, errKilled)
		w.script.Clear()
		require.NoError(t, w.reader.CancelImport(t.Context(), m.ID))
		m = w.settle(t, w.importer, m.ID)
		require.Equal(t, model.ImportCancelled, m.State)
		// Exactly what was done says so.
		all, rows := w.phoneUsers(t), w.rows(t, m.ID)
		n := outcomes(rows)
		require.Len(t, all, 1+n[model.RowAssigned])
		require.Positive(t, n[model.RowAssigned])
		require.Equal(t, all["p100@example.com"].PackageID == w.world, rows[0].Outcome == model.RowUpdated)
		require.Equal(t, model.RowPending, rows[1].Outcome, "it did not get its turn")
		require.GreaterOrEqual(t, n[model.RowPending], 42, "the second chunk was not begun")
		w.check(t, m.ID)
	})
}

// TestServiceAway has the extension service away for a while: the rows wait, and all get done.
func TestServiceAway(t *testing.T) {
	eachWorld(t, 100, 60, func(t *testing.T, w *world) {
		lines := []string{header}
		for i := range 60 {
			lines = append(lines, lineOf(i))
		}
		away := errs.New(commonv1.Reason_UNAVAILABLE, "away")
		for n := 1; n <= 40; n++ {
			w.script.FailBefore("extension.Allocate", n, away)
		}
		m, rows := w.run(t, Request{}, lines...)
		require.Equal(t, model.ImportCounts{Rows: 60, Succeeded: 60}, m.Counts)
		require.Equal(t, map[model.ImportOutcome]int{model.RowAssigned: 60}, outcomes(rows))
		w.check(t, m.ID)
	}, impatient)
}

// TestServiceAwayForLong ends the import of rows that cannot be carried out, with the reason.
func TestServiceAwayForLong(t *testing.T) {
	eachWorld(t, 100, 60, func(t *testing.T, w *world) {
		w.script.FailBefore("catalogue.Packages", faults.Every, errs.New(commonv1.Reason_UNAVAILABLE, "away"))
		m, rows := w.run(t, Request{}, header, lineOf(1), lineOf(2))
		require.Equal(t, model.ImportCounts{Rows: 2, Failed: 2}, m.Counts)
		require.Equal(t, commonv1.Reason_UNAVAILABLE, refusal(t, &rows[0]).Reason())
		w.check(t, m.ID)
	}, func(_ *world, _ *provisioning.Config, cfg *Config) { cfg.StallTimeout = 300 * time.Millisecond })
}

// TestBusyPhoneUser waits for an operation that somebody else has begun.
func TestBusyPhoneUser(t *testing.T) {
	eachWorld(t, 100, 60, func(t *testing.T, w *world) {
		w.run(t, Request{}, header, lineOf(1), lineOf(2))
		w.script.FailAfter("numbering.Remove", faults.Every, errs.New(commonv1.Reason_UNAVAILABLE, "away"))
		p := w.phoneUsers(t)["p1@example.com"]
		_, err := w.engine.RemovePackages(t.Context(), provisioning.Targets{Account: w.account, PhoneUsers: []uuid.UUID{p.ID}})
		require.Error(t, err)
		w.script.Clear()
		require.NotEqual(t, uuid.Nil, w.phoneUsers(t)["p1@example.com"].SagaID, "it was left to the reconciler")
		m, rows := w.run(t, Request{}, header, lineOf(1), "p2@example.com,,Porto,,,,")
		require.Equal(t, model.RowUpdated, rows[0].Outcome, "the package that was being removed is assigned again")
		require.Equal(t, model.RowUpdated, rows[1].Outcome)
		w.check(t, m.ID)
	}, impatient)
}
