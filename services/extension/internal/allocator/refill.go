package allocator

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-phone/switchboard/services/extension/internal/lease"
	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
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
	ranges, err := a.store.SiteRanges(ctx, account, siteID)
	if err != nil {
		return 0, err
	}
	found, err := a.tidy(ctx, account, siteID, p, ranges)
	if err != nil {
		return 0, err
	}
	p.mu.Lock()
	need -= p.site(siteID).left()
	batch := a.adapt(p.site(siteID), ranges)
	p.mu.Unlock()
	if found > 0 && need <= 0 {
		return found, nil // what was given back meanwhile suffices
	}
	s := a.newScan(account, ranges, a.lookFrom(p, account, siteID, ranges))
	s.look = max(s.look, int64(batch))
	taken, err := a.takeBlocks(ctx, siteID, p, selection{
		scan: s, epoch: epoch, taken: map[lease.Key]int64{}, own: p.keys(),
		need: need, batch: batch,
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
	// What was just leased is ours: the next scan need not begin before it, nor read again what will be given out of it.
	p.learn(siteID, s.from, s.lowest(p.keys()))
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
func (a *Allocator) adapt(s *site, ranges []store.Range) int {
	if !s.filled.IsZero() {
		switch lasted := a.clock.Now().Sub(s.filled); {
		case lasted < a.cfg.RefillTarget:
			s.batch = min(2*s.batch, maxBatch)
		case lasted > 4*a.cfg.RefillTarget:
			s.batch = max(s.batch/2, 1)
		}
	}
	blocks := int64(0)
	for _, r := range ranges {
		blocks += r.Blocks()
	}
	return min(s.batch, int(max(blocks/8, 1)))
}

// selection is what a refill looks for.
type selection struct {
	*scan
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
func (a *Allocator) takeBlocks(ctx context.Context, siteID uuid.UUID, p *pool, sel selection) ([]lease.Block, error) {
	for range takeAttempts {
		open, ours, err := sel.find(ctx)
		if err != nil {
			return nil, err
		}
		p.learn(siteID, sel.from, sel.lowest(sel.own))
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

// find chooses blocks, and looks at more until there are enough or no more.
func (sel selection) find(ctx context.Context) (open, ours []lease.Block, err error) {
	for more := true; more; {
		var enough bool
		if open, ours, enough = sel.choose(); enough {
			return open, ours, nil
		}
		if more, err = sel.more(ctx); err != nil {
			return nil, nil, err
		}
	}
	return open, ours, nil
}

// choose looks for blocks: those that nobody is known to hold, and those that are leased to this replica without its knowing,
// since the answer of etcd was lost or the rows could not be read. It says whether they are enough.
func (sel selection) choose() (open, ours []lease.Block, enough bool) {
	for b, free := range sel.open() {
		if sel.own[b.Key()] {
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
		if n := len(open) + len(ours); n >= maxPerTake || n >= sel.batch && sel.need <= 0 {
			return open, ours, true
		}
	}
	return open, ours, false
}

// tidy looks after the blocks held here that seem used up: those in which the database shows free numbers are loaded again,
// the others are given back. It returns how many free numbers came to light.
func (a *Allocator) tidy(ctx context.Context, account, siteID uuid.UUID, p *pool, ranges []store.Range) (int, error) {
	drained := p.drained(siteID)
	if len(drained) == 0 {
		return 0, nil
	}
	free, err := a.freeInEach(ctx, account, drained)
	if err != nil {
		return 0, err
	}
	var full, open []*block
	for i, b := range drained {
		// What was picked and not yet written is free only in the eyes of the database.
		if free[i] > p.inFlight(b) && rangeOf(ranges, b.From) == b.Range {
			open = append(open, b)
		} else {
			full = append(full, b)
		}
	}
	if full = p.forget(siteID, full); len(full) > 0 {
		a.giveUpNow(ctx, full)
	}
	if len(open) == 0 {
		return 0, nil
	}
	return a.reload(ctx, account, p, open)
}

// freeInEach asks the database how many numbers of each block, sorted by their numbers, are free.
func (a *Allocator) freeInEach(ctx context.Context, account uuid.UUID, blocks []*block) ([]int64, error) {
	var spans []number.Span // of blocks that follow each other
	var first []int         // the first block of each span
	for i, b := range blocks {
		if i > 0 && b.Range == blocks[i-1].Range && b.Index == blocks[i-1].Index+1 {
			spans[len(spans)-1].To = b.To
			continue
		}
		spans, first = append(spans, b.Span), append(first, i)
	}
	counts, err := a.store.Occupancy(ctx, account, spans, a.reserved.All(), a.clock.Now())
	if err != nil {
		return nil, err
	}
	free := make([]int64, len(blocks))
	for i, b := range blocks {
		free[i] = b.Size() - int64(len(a.reserved.In(b.Span)))
	}
	for i, uses := range counts {
		for _, u := range uses {
			free[first[i]+int(u.Block)] -= u.Used
		}
	}
	return free, nil
}

// inFlight counts the numbers of a block that were picked and whose fate is open.
func (p *pool) inFlight(b *block) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	count := int64(0)
	for n := b.From; n <= b.To; n++ {
		if p.flight[n] {
			count++
		}
	}
	return count
}

// drained returns the blocks of a site that have nothing free in memory.
func (p *pool) drained(siteID uuid.UUID) []*block {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*block
	for _, b := range p.site(siteID).blocks {
		if b.left == 0 {
			out = append(out, b)
		}
	}
	return out
}

// forget drops those of the blocks that still have nothing free in memory, and returns them.
func (p *pool) forget(siteID uuid.UUID, blocks []*block) []*block {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.site(siteID)
	var gone []*block
	s.blocks = slices.DeleteFunc(s.blocks, func(b *block) bool {
		drop := b.left == 0 && slices.Contains(blocks, b)
		if drop {
			gone = append(gone, b)
		}
		return drop
	})
	return gone
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
