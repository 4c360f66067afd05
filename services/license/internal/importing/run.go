package importing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
)

const (
	// recordTimeout bounds the writing down of what was done, also when the process is about to end.
	recordTimeout = 15 * time.Second
	recordTries   = 4
	// settleTimeout bounds how long a cancelled import waits for the operations that it has begun, which a reconciler may have
	// to end.
	settleTimeout = 90 * time.Second
)

// run is the work of one worker on one import, from claim to end.
type run struct {
	*Importer
	m   *model.Import
	log *slog.Logger
	// cancelled says that the import is asked to stop.
	cancelled atomic.Bool
	budget    *budget
}

// mode is what a pass over the rows is for.
type mode int

const (
	// work carries rows out.
	work mode = iota
	// settle only finds out what became of rows that were begun, and begins nothing.
	settle
	// giveUp is work, and refuses rows that cannot be carried out for the moment.
	giveUp
)

// carryOut works on the import until it has ended, another worker has it, or ctx ends.
func (r *run) carryOut(ctx context.Context) (err error) {
	ctx, stop := context.WithCancelCause(ctx)
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		r.keepClaim(ctx, stop)
	}()
	defer func() {
		stop(nil)
		<-kept
		if err != nil {
			err = errors.Join(err, r.detached(ctx, func(ctx context.Context) error { return r.Store.ReleaseImport(ctx, r.m) }))
		}
	}()
	end, err := r.passes(ctx)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return err
	}
	err = r.detached(ctx, func(ctx context.Context) error { return r.Store.EndImport(ctx, r.m, end) })
	if err != nil {
		return fmt.Errorf("end: %w", err)
	}
	r.metrics.ended(end)
	r.log.InfoContext(ctx, "import ended", "state", end, "rows", r.m.Counts.Rows)
	return nil
}

// detached runs fn although ctx may be over.
func (r *run) detached(ctx context.Context, fn func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	return fn(ctx)
}

// keepClaim extends the claim until ctx ends, and ends it when the claim is lost.
func (r *run) keepClaim(ctx context.Context, stop context.CancelCauseFunc) {
	tick := time.NewTicker(r.cfg.Claim / 3)
	defer tick.Stop()
	lost := time.NewTimer(r.cfg.Claim)
	defer lost.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-lost.C:
			stop(store.ErrImportLost)
			return
		case <-tick.C:
		}
		cancel, err := r.renew(ctx)
		switch {
		case errors.Is(err, store.ErrImportLost):
			stop(err)
			return
		case err == nil:
			lost.Reset(r.cfg.Claim)
			r.cancelled.Store(cancel)
		}
	}
}

// renew extends the claim, or gives up soon enough for the next try.
func (r *run) renew(ctx context.Context) (cancel bool, err error) {
	ctx, done := context.WithTimeout(ctx, r.cfg.Claim/3)
	defer done()
	return r.Store.RenewImport(ctx, r.m, r.cfg.Claim, 0)
}

// passes goes over the rows until each has an outcome or the import is cancelled, and says how it ends.
func (r *run) passes(ctx context.Context) (model.ImportState, error) {
	how := work
	stalled := time.NewTimer(r.cfg.StallTimeout)
	defer stalled.Stop()
	pause := newPause()
	for {
		done, left, err := r.pass(ctx, how)
		switch {
		case err != nil:
			return "", err
		case r.cancelled.Load():
			return model.ImportCancelled, r.settle(ctx)
		case left == 0:
			return model.ImportSucceeded, nil
		case done > 0:
			pause.Reset()
			stalled.Reset(r.cfg.StallTimeout)
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-stalled.C:
			how = giveUp
		case <-time.After(pause.NextBackOff()):
		}
	}
}

func newPause() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = 50*time.Millisecond, 5*time.Second
	return b
}

// settle finds out what became of the rows that a cancelled import has begun.
func (r *run) settle(ctx context.Context) error {
	if r.m.ValidateOnly || r.m.BegunRow == 0 {
		return nil
	}
	late := time.NewTimer(settleTimeout)
	defer late.Stop()
	pause := newPause()
	for {
		_, left, err := r.pass(ctx, settle)
		if err != nil || left == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			r.log.WarnContext(ctx, "cancelled import ends while operations of it are under way", "rows", left)
			return nil
		case <-time.After(pause.NextBackOff()):
		}
	}
}

// pass goes once over the rows without outcome. It answers how many rows got an outcome, and how many are to be looked at again.
// Rows that name an extension number come first: the others are given the lowest free ones, which must not be those.
func (r *run) pass(ctx context.Context, how mode) (done, left int, err error) {
	for _, wish := range []store.Wish{store.WithWish, store.WithoutWish} {
		d, l, err := r.round(ctx, how, wish)
		if done, left = done+d, left+l; err != nil || r.cancelled.Load() && how != settle {
			return done, left, err
		}
	}
	return done, left, nil
}

// round is pass over some of the rows, in chunks.
func (r *run) round(ctx context.Context, how mode, wish store.Wish) (done, left int, err error) {
	for after := 0; ; {
		q := store.ImportRowQuery{After: after, OnlyOutcome: true, Outcome: model.RowPending, Wish: wish, Limit: r.cfg.Chunk}
		if how == settle {
			q.UpTo = r.m.BegunRow
		}
		rows, err := r.Store.ListImportRows(ctx, r.m.ID, q)
		if err != nil || len(rows) == 0 {
			return done, left, err
		}
		after = rows[len(rows)-1].Number
		cancel, err := r.Store.RenewImport(ctx, r.m, r.cfg.Claim, after)
		if err != nil {
			return done, left, err
		}
		if cancel && how != settle {
			r.cancelled.Store(true)
			return done, left, nil
		}
		recorded, deferred, trouble, err := r.chunk(ctx, rows, how)
		if done, left = done+recorded, left+deferred; err != nil {
			return done, left, err
		}
		if err := ctx.Err(); err != nil {
			return done, left, err
		}
		if trouble && recorded == 0 { // the rows that follow would fare no better
			return done, left, nil
		}
	}
}

// chunk deals with some rows and writes down what became of them.
func (r *run) chunk(ctx context.Context, rows []model.ImportRow, how mode) (recorded, deferred int, trouble bool, err error) {
	c := r.newChunk(rows, how)
	c.process(ctx)
	r.m.BegunRow = max(r.m.BegunRow, rows[len(rows)-1].Number)
	recorded, deferred, err = r.record(ctx, c)
	return recorded, deferred, c.trouble(), err
}

// record writes down what became of the rows of a chunk, whatever became of ctx. What is done and not written down costs the
// worker after this one the looking.
func (r *run) record(ctx context.Context, c *chunk) (recorded, deferred int, err error) {
	rows, deferred := c.outcomes()
	r.m.FirstErrors = firstErrors(r.m.FirstErrors, rows)
	if r.budget != nil {
		r.m.Tally = r.budget.tally()
	}
	if len(rows) == 0 {
		return 0, deferred, nil
	}
	err = r.detached(ctx, func(ctx context.Context) error {
		_, err := backoff.Retry(ctx, func() (struct{}, error) {
			err := r.Store.RecordRows(ctx, r.m, rows)
			if errors.Is(err, store.ErrImportLost) {
				err = backoff.Permanent(err)
			}
			return struct{}{}, err
		}, backoff.WithBackOff(newPause()), backoff.WithMaxTries(recordTries))
		return err
	})
	if err != nil {
		return 0, deferred, err
	}
	r.metrics.recorded(rows)
	return len(rows), deferred, nil
}
