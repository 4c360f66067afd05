package provisioning

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-phone/switchboard/services/license/internal/store"
)

// driven knows the sagas that this process drives at present, and since when. The zero value is ready.
type driven struct {
	mu    sync.Mutex
	since map[uuid.UUID]time.Time
}

// add notes that a saga is driven, until the function that it returns is called.
func (d *driven) add(saga uuid.UUID) (done func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.since == nil {
		d.since = map[uuid.UUID]time.Time{}
	}
	d.since[saga] = time.Now()
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.since, saga)
	}
}

// before returns the sagas that have been driven since a time or longer.
func (d *driven) before(t time.Time) []uuid.UUID {
	d.mu.Lock()
	defer d.mu.Unlock()
	var ids []uuid.UUID
	for id, since := range d.since {
		if !since.After(t) {
			ids = append(ids, id)
		}
	}
	return ids
}

// keepClaims renews the claims of the sagas that are driven here, until ctx ends. Most are driven for less than a round and cost
// nothing. So a claim can be short: what is left of a process that dies is soon taken up by another.
func (e *Engine) keepClaims(ctx context.Context) {
	round := max(e.cfg.Claim/3, 10*time.Millisecond)
	tick := time.NewTicker(round)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if err := e.store.KeepSagas(ctx, e.driven.before(now.Add(-round)), e.cfg.Claim); err != nil && ctx.Err() == nil {
				e.log.WarnContext(ctx, "claims of operations could not be renewed, others may take them up", "error", err)
			}
		}
	}
}

// giveBack ends the claims of sagas, those that are not at their end because this process ends.
func (e *Engine) giveBack(ctx context.Context, sagas []store.Saga) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTimeout)
	defer cancel()
	ids := make([]uuid.UUID, len(sagas))
	for i := range sagas {
		ids[i] = sagas[i].ID
	}
	if err := e.store.KeepSagas(ctx, ids, 0); err != nil {
		e.log.WarnContext(ctx, "operations could not be given back, others take them up when the claims have run out", "error", err)
	}
}
