package book

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
)

// MissingRounds is in how many rounds running an owner has to be missing for its extension to be freed.
const MissingRounds = 3

// BeginRound begins a round of reconciliation and returns its number; 0 when the last one began less than interval ago.
func (b *Book) BeginRound(ctx context.Context, interval time.Duration) (int64, error) {
	return b.store.BeginRound(ctx, interval, b.clock.Now())
}

// ListOwned returns a page of the extensions of all accounts.
func (b *Book) ListOwned(ctx context.Context, account uuid.UUID, after number.Number, limit int) ([]store.Owned, error) {
	return b.store.ListOwned(ctx, account, after, limit)
}

// ReportMissing notes that owners are missing, or with dryRun says what was noted, and returns those whose extension is as it was
// listed.
func (b *Book) ReportMissing(ctx context.Context, round int64, missing []store.Owned, dryRun bool) ([]store.Suspect, error) {
	if dryRun {
		return b.store.Suspects(ctx, missing)
	}
	return b.store.ReportMissing(ctx, round, missing)
}

// ReleaseMissing frees up to MaxBatch extensions whose owners were missing in this round and those before it, and returns them.
func (b *Book) ReleaseMissing(ctx context.Context, round int64) ([]store.Owned, error) {
	released, err := b.store.ReleaseMissing(ctx, round, MissingRounds, MaxBatch)
	for _, o := range released {
		b.alloc.Freed(o.Account, []store.Extension{{Number: o.Number, State: store.Assigned, Owner: o.Owner}}, time.Time{})
	}
	return released, err
}
