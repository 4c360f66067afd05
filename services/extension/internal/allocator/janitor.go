package allocator

import (
	"context"
	"slices"
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
// accounts while more than Config.MaxBlocks are held. It runs by itself every few seconds, and after refills.
func (a *Allocator) Sweep(ctx context.Context) {
	now := a.clock.Now()
	pools := a.byIdleness(now)
	total := 0
	for _, p := range pools {
		total += p.blocks
	}
	for _, p := range pools {
		if now.Sub(p.used) < a.cfg.IdleAfter && total <= a.cfg.MaxBlocks {
			return
		}
		a.mu.Lock()
		if a.pools[p.account] == p.pool {
			delete(a.pools, p.account)
		}
		a.mu.Unlock()
		a.abandon(ctx, p.pool)
		total -= p.blocks
	}
}

type idlePool struct {
	*pool
	account uuid.UUID
	used    time.Time
	blocks  int
}

// byIdleness returns all pools, idlest first.
func (a *Allocator) byIdleness(now time.Time) []idlePool {
	var out []idlePool
	a.mu.Lock()
	for account, p := range a.pools {
		out = append(out, idlePool{pool: p, account: account})
	}
	a.mu.Unlock()
	var epoch int64
	if a.leases != nil {
		epoch = a.leases.Epoch()
	}
	for i, p := range out {
		p.mu.Lock()
		for _, s := range p.sites {
			s.refresh(epoch, now)
		}
		out[i].used, out[i].blocks = p.pool.used, p.pool.blocks()
		p.mu.Unlock()
	}
	slices.SortFunc(out, func(x, y idlePool) int { return x.used.Compare(y.used) })
	return out
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
