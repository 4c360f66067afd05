package keeper

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
)

// auditPage is how many accounts are listed at a time.
const auditPage = 100

// AuditLoop looks through the books of all accounts every so often (interval, give or take a half, so that replicas spread)
// until ctx ends. It repairs nothing: a wrong count is a fault of the program that somebody has to see.
func (k *Keeper) AuditLoop(ctx context.Context, interval time.Duration) {
	for {
		pause := time.NewTimer(interval/2 + rand.N(interval))
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
		if err := k.Audit(ctx); err != nil && ctx.Err() == nil {
			k.log.WarnContext(ctx, "audit was not finished", "error", err)
		}
	}
}

// Audit looks through the books of all accounts, one after the other, and makes every contradiction known (see Broken).
func (k *Keeper) Audit(ctx context.Context) error {
	after := uuid.Nil
	for {
		accounts, err := k.store.ListAccounts(ctx, after, auditPage)
		if err != nil {
			return err
		}
		for _, account := range accounts {
			if err := k.auditAccount(ctx, account); err != nil {
				return err
			}
		}
		if len(accounts) < auditPage {
			return nil
		}
		after = accounts[len(accounts)-1]
	}
}

func (k *Keeper) auditAccount(ctx context.Context, account uuid.UUID) error {
	found, err := k.store.Audit(ctx, account)
	if err != nil {
		return err
	}
	k.metrics.audited.Inc()
	for _, d := range found {
		if d.Owner != uuid.Nil {
			k.Broken(ctx, account, "owner", d.Owner.String(), "number", d.Number, "package", "none")
			continue
		}
		k.Broken(ctx, account, "package", d.Package.String(), "assigned", d.Assigned, "holders", d.Holders)
	}
	return nil
}
