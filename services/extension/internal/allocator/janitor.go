package allocator

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-phone/switchboard/services/extension/internal/lease"
)

const (
	sweepEvery    = 15 * time.Second
	giveUpTimeout = 2 * time.Second
)

// janitor gives back what idle accounts hold, until ctx ends.
func (a *Allocator) janitor(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			a.Sweep(ctx)
		}
	}
}

// Sweep gives back the blocks of accounts that have been idle for longer than Config.IdleAfter, and those of the idlest
// accounts while more than Config.MaxBlocks are held. It runs by itself every few seconds.
func (a *Allocator) Sweep(ctx context.Context) {
	for _, p := range a.idle() {
		a.abandon(ctx, p)
	}
}

// idle takes the pools out that have to go.
func (a *Allocator) idle() []*pool {
	total := a.held()
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []*pool
	now := a.clock.Now()
	var epoch int64
	if a.leases != nil {
		epoch = a.leases.Epoch()
	}
	for len(a.pools) > 0 {
		account, p, used, blocks := a.oldest(epoch, now)
		if now.Sub(used) < a.cfg.IdleAfter && total <= a.cfg.MaxBlocks {
			break
		}
		delete(a.pools, account)
		out = append(out, p)
		total -= blocks
	}
	return out
}

// oldest finds the pool that has been idle for longest. The caller holds a.mu.
func (a *Allocator) oldest(epoch int64, now time.Time) (account uuid.UUID, oldest *pool, used time.Time, blocks int) {
	for id, p := range a.pools {
		p.mu.Lock()
		if oldest == nil || p.used.Before(used) {
			account, oldest, used, blocks = id, p, p.used, p.blocks()
		}
		for _, s := range p.sites {
			s.refresh(epoch, now)
		}
		p.mu.Unlock()
	}
	return account, oldest, used, blocks
}

// abandon gives back all blocks of a pool, for good.
func (a *Allocator) abandon(ctx context.Context, p *pool) {
	p.mu.Lock()
	p.gone = true
	var blocks []*block
	for _, s := range p.sites {
		blocks = append(blocks, s.blocks...)
		s.blocks = nil
	}
	p.mu.Unlock()
	a.giveUpNow(ctx, blocks)
}

// giveUp ends the leases of blocks in the background.
func (a *Allocator) giveUp(blocks []*block) {
	if len(blocks) > 0 {
		a.spawn(func(ctx context.Context) { a.giveUpNow(ctx, blocks) })
	}
}

// giveUpNow ends the leases of blocks. That it fails does not matter much: the leases end with the session.
func (a *Allocator) giveUpNow(ctx context.Context, blocks []*block) {
	byEpoch := map[int64][]lease.Block{}
	for _, b := range blocks {
		byEpoch[b.epoch] = append(byEpoch[b.epoch], b.Block)
	}
	ctx, cancel := context.WithTimeout(ctx, giveUpTimeout)
	defer cancel()
	for epoch, bs := range byEpoch {
		if epoch != a.leases.Epoch() {
			continue
		}
		a.metrics.etcd("give_up")
		if err := a.leases.GiveUp(ctx, epoch, bs); err != nil {
			a.log.WarnContext(ctx, "extension blocks could not be given back; their lease will end", "blocks", len(bs), "error", err)
		}
	}
}
