package allocator

import (
	"context"
	"maps"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-phone/switchboard/services/extension/internal/lease"
)

const (
	// takeAttempts bounds how often a refill tries again because others hold blocks that it chose. A site has up to ten ranges.
	takeAttempts = 15
	// maxPerTake bounds the blocks of one etcd transaction.
	maxPerTake = 64
	// refillTimeout bounds one refill, which goes on when the request that asked for it no longer waits.
	refillTimeout = 5 * time.Second
)

// refill has further blocks leased for a site, so many that need numbers are free in memory if possible. It returns a channel
// that is closed when that is done, with whatever outcome; nil when leasing pauses.
func (a *Allocator) refill(account, siteID uuid.UUID, p *pool, need int) <-chan struct{} {
	if a.leases == nil || a.leases.Epoch() == 0 || a.paused() {
		return nil
	}
	done, begin := p.beginRefill(siteID, a.clock.Now())
	if !begin {
		return done
	}
	if !a.spawn(func(ctx context.Context) {
		defer close(done)
		ctx, cancel := context.WithTimeout(ctx, refillTimeout)
		defer cancel()
		got, err := a.fill(ctx, account, siteID, p, need)
		a.filled(ctx, siteID, p, got, err)
		if a.held() > a.cfg.MaxBlocks {
			a.Sweep(ctx)
		}
	}) {
		p.endRefill(siteID)
		close(done)
	}
	return done
}

// beginRefill returns the channel of the refill under way, or a new one and true when the caller shall begin one; nil when
// none is to be had.
func (p *pool) beginRefill(siteID uuid.UUID, now time.Time) (chan struct{}, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.site(siteID)
	switch {
	case s.refill != nil:
		return s.refill, false
	case p.gone || now.Before(s.retry):
		return nil, false
	}
	s.refill = make(chan struct{})
	return s.refill, true
}

func (p *pool) endRefill(siteID uuid.UUID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.site(siteID).refill = nil
}

func (a *Allocator) paused() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.clock.Now().Before(a.down)
}

// filled notes the outcome of a refill.
func (a *Allocator) filled(ctx context.Context, siteID uuid.UUID, p *pool, got int, err error) {
	outcome := "ok"
	now := a.clock.Now()
	p.mu.Lock()
	s := p.site(siteID)
	s.refill = nil
	switch {
	case err != nil:
		outcome = "error"
	case got == 0:
		outcome = "none"
		s.retry = now.Add(a.cfg.RetryAfter)
	default:
		s.filled, s.low = now, got/2
	}
	p.mu.Unlock()
	a.metrics.refills.WithLabelValues(outcome).Inc()
	if err != nil && a.base.Err() == nil {
		a.mu.Lock()
		a.down = now.Add(a.cfg.RetryAfter)
		a.mu.Unlock()
		a.log.WarnContext(ctx, "extension blocks cannot be leased; numbers come straight from the database", "error", err)
	}
}

// fill leases blocks, loads and installs them, and gives back those that are used up. It returns how many free numbers came.
func (a *Allocator) fill(ctx context.Context, account, siteID uuid.UUID, p *pool, need int) (int, error) {
	epoch := a.leases.Epoch()
	p.beginReading()
	defer p.endReading()
	sv, err := a.survey(ctx, account, siteID)
	if err != nil {
		return 0, err
	}
	found, err := a.tidy(ctx, account, siteID, p, sv)
	if err != nil {
		return 0, err
	}
	p.mu.Lock()
	s := p.site(siteID)
	need -= s.left()
	batch := a.adapt(s, sv)
	p.mu.Unlock()
	if found > 0 && need <= 0 {
		return found, nil // what was given back meanwhile suffices
	}
	taken, err := a.takeBlocks(ctx, selection{
		survey: sv, epoch: epoch, taken: map[lease.Key]int64{}, own: p.keys(), need: need, batch: batch,
	})
	if err != nil || len(taken) == 0 {
		return found, err
	}
	loaded, err := a.load(ctx, account, taken)
	if err != nil {
		return found, err // the blocks are ours now, and the next refill finds them so
	}
	for _, b := range loaded {
		b.epoch = epoch
	}
	fresh, ok := p.install(siteID, loaded)
	if !ok {
		a.giveUpNow(ctx, loaded)
		return 0, nil
	}
	return found + fresh, nil
}

// install puts blocks that were just leased and read into place, and returns how many free numbers they have; false when the
// pool was given up meanwhile.
func (p *pool) install(siteID uuid.UUID, blocks []*block) (free int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return 0, false
	}
	p.amend(blocks)
	p.site(siteID).install(blocks)
	for _, b := range blocks {
		free += b.left
	}
	return free, true
}

// adapt decides how many blocks the refill takes for what is to come: more when the last ones were used up fast, but never so
// many that other replicas find none. The pool's mutex is held.
func (a *Allocator) adapt(s *site, sv survey) int {
	if !s.filled.IsZero() {
		switch lasted := a.clock.Now().Sub(s.filled); {
		case lasted < a.cfg.RefillTarget:
			s.batch = min(2*s.batch, maxBatch)
		case lasted > 4*a.cfg.RefillTarget:
			s.batch = max(s.batch/2, 1)
		}
	}
	blocks := int64(0)
	for _, r := range sv.ranges {
		blocks += r.Blocks()
	}
	return min(s.batch, int(max(blocks/8, 1)))
}

// selection is what a refill looks for.
type selection struct {
	survey
	epoch int64
	// taken are the blocks known to be held by anybody, with the epoch of each; own are those in this replica's memory.
	taken map[lease.Key]int64
	own   map[lease.Key]bool
	// need is how many free numbers the blocks should have, batch how many blocks there should be at least.
	need, batch int
}

// keys names the blocks held.
func (p *pool) keys() map[lease.Key]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[lease.Key]bool{}
	for _, s := range p.sites {
		for _, b := range s.blocks {
			out[b.Key()] = true
		}
	}
	return out
}

// takeBlocks leases the lowest blocks that have free numbers and that nobody holds, as far as there are any. It tries without
// asking first: a refusal says who holds what.
func (a *Allocator) takeBlocks(ctx context.Context, sel selection) ([]lease.Block, error) {
	for range takeAttempts {
		open, ours := sel.choose()
		if len(open) == 0 {
			return ours, nil
		}
		a.metrics.etcd("take")
		taken, err := a.leases.Take(ctx, sel.epoch, open)
		if err != nil {
			return nil, err
		}
		if taken == nil {
			return append(ours, open...), nil
		}
		maps.Copy(sel.taken, taken)
	}
	return nil, nil
}

// choose looks for blocks: those that nobody is known to hold, and those that are leased to this replica without its knowing,
// since the answer of etcd was lost or the rows could not be read.
func (sel selection) choose() (open, ours []lease.Block) {
	for r := range sel.ranges {
		for i := range sel.ranges[r].Blocks() {
			if n := len(open) + len(ours); n >= maxPerTake || n >= sel.batch && sel.need <= 0 {
				return open, ours
			}
			b := sel.block(r, i)
			free := sel.freeIn(r, i)
			if free <= 0 || sel.own[b.Key()] {
				continue
			}
			switch epoch, held := sel.taken[b.Key()]; {
			case !held:
				open = append(open, b)
			case epoch == sel.epoch:
				ours = append(ours, b)
			default:
				continue
			}
			sel.need -= int(free)
		}
	}
	return open, ours
}

// tidy looks after the blocks held here that seem used up: those in which the database shows free numbers are loaded again,
// the others are given back. It returns how many free numbers came to light.
func (a *Allocator) tidy(ctx context.Context, account, siteID uuid.UUID, p *pool, sv survey) (int, error) {
	full, open := p.drained(siteID, sv)
	if len(full) > 0 {
		a.giveUpNow(ctx, full)
	}
	if len(open) == 0 {
		return 0, nil
	}
	return a.reload(ctx, account, p, open)
}

// drained returns the blocks of a site that have nothing free in memory: those that are full, which are forgotten, and those
// that have something free in the database.
func (p *pool) drained(siteID uuid.UUID, sv survey) (full, open []*block) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.site(siteID)
	keep := s.blocks[:0:0]
	for _, b := range s.blocks {
		switch {
		case b.left > 0:
			keep = append(keep, b)
		case sv.freeOf(b) > 0:
			keep, open = append(keep, b), append(open, b)
		default:
			full = append(full, b)
		}
	}
	s.blocks = keep
	return full, open
}

// freeOf returns how many numbers of a block that is held here are free; none when its range is gone.
func (sv survey) freeOf(b *block) int64 {
	for r := range sv.ranges {
		if sv.ranges[r].ID == b.Range {
			return sv.freeIn(r, b.Index)
		}
	}
	return 0
}

// reload reads blocks anew and returns how many of their numbers are free.
func (a *Allocator) reload(ctx context.Context, account uuid.UUID, p *pool, blocks []*block) (int, error) {
	p.beginReading()
	defer p.endReading()
	keys := make([]lease.Block, len(blocks))
	for i, b := range blocks {
		keys[i] = b.Block
	}
	loaded, err := a.load(ctx, account, keys)
	if err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.amend(loaded)
	free := 0
	for i, b := range blocks {
		b.free, b.left, b.lapses, b.stale = loaded[i].free, loaded[i].left, loaded[i].lapses, false
		free += b.left
	}
	return free, nil
}
