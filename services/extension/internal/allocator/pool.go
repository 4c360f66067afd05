package allocator

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
)

// pick is a number that this replica means to give out.
type pick struct {
	number number.Number
	rng    uuid.UUID
}

// pool is what this replica holds of one account. Its mutex guards everything below it, and is never held over a call to the
// database or etcd.
type pool struct {
	mu    sync.Mutex
	sites map[uuid.UUID]*site
	used  time.Time
	// flight are the numbers that were picked and whose fate is open.
	flight map[number.Number]bool
	// recent are, while blocks are being read, all numbers that were in flight since the reading began: what was read may be
	// older than their rows.
	recent  map[number.Number]bool
	reading int
	// gone is set once the pool was dropped from the allocator: whoever still has it starts again with a new one.
	gone bool
}

// site is what is held of one site's ranges.
type site struct {
	// blocks are sorted by their numbers.
	blocks []*block
	// batch is how many blocks the next refill takes.
	batch int
	// filled is when the last refill was, and low the count of free numbers below which the next one is begun.
	filled time.Time
	low    int
	// retry is when leasing may be tried again after it brought nothing.
	retry time.Time
	// lowest is a number below which the database had nothing free but in the blocks held here, and looked is when that was last
	// asked from the very beginning. See Allocator.lookFrom.
	lowest number.Number
	looked time.Time
	// refill is closed when the refill under way is done; nil when there is none.
	refill chan struct{}
}

func (p *pool) site(id uuid.UUID) *site {
	s := p.sites[id]
	if s == nil {
		s = &site{batch: 1}
		p.sites[id] = s
	}
	return s
}

// blocks counts the blocks of all sites.
func (p *pool) blocks() int {
	count := 0
	for _, s := range p.sites {
		count += len(s.blocks)
	}
	return count
}

// left counts the free numbers.
func (s *site) left() int {
	sum := 0
	for _, b := range s.blocks {
		sum += b.left
	}
	return sum
}

// refresh drops blocks of sessions other than epoch, and frees the numbers whose quarantine is over.
func (s *site) refresh(epoch int64, now time.Time) {
	s.blocks = slices.DeleteFunc(s.blocks, func(b *block) bool {
		if b.epoch != epoch {
			s.lowest = min(s.lowest, b.From) // searches left it out as long as it was held here
		}
		return b.epoch != epoch
	})
	for _, b := range s.blocks {
		b.expire(now)
	}
}

// takeLowest picks count free numbers of a site, lowest first, or none when there are fewer.
func (p *pool) takeLowest(siteID uuid.UUID, count int, epoch int64, now time.Time) []pick {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.site(siteID)
	s.refresh(epoch, now)
	if s.left() < count {
		return nil
	}
	out := make([]pick, 0, count)
	for _, b := range s.blocks {
		if len(out) == count {
			break
		}
		for _, n := range b.takeLowest(count - len(out)) {
			out = append(out, pick{number: n, rng: b.Range})
			p.depart(n)
		}
	}
	return out
}

// hintFor is how long it is believed that nothing is free below a number. Other replicas free numbers there and quarantines end.
const hintFor = time.Minute

// hint returns the number from which on a search for free numbers of a site begins, and whether it is time to look again at those
// below it: the caller that is told so has to.
func (p *pool) hint(siteID uuid.UUID, now time.Time) (lowest number.Number, due bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.site(siteID)
	if due = now.Sub(s.looked) >= hintFor; due {
		s.looked = now
	}
	return s.lowest, due
}

// earliest returns n, or the first number of a block held here that begins before it and has something free.
func (p *pool) earliest(siteID uuid.UUID, n number.Number) number.Number {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.site(siteID).blocks {
		if b.left > 0 {
			return min(n, b.From)
		}
	}
	return n
}

// learn notes that a search that began at from found nothing free below lowest but in blocks held here. What came to be free before
// from meanwhile is not forgotten.
func (p *pool) learn(siteID uuid.UUID, from, lowest number.Number) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.site(siteID); s.lowest >= from {
		s.lowest = lowest
	}
}

// unlearn notes that a number is free.
func (p *pool) unlearn(n number.Number) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reconsider(n)
}

// reconsider notes that a number is free, or soon will be. The mutex is held.
func (p *pool) reconsider(n number.Number) {
	for _, s := range p.sites {
		s.lowest = min(s.lowest, n)
	}
}

// wanting says whether a site should be refilled ahead of need.
func (p *pool) wanting(siteID uuid.UUID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.site(siteID)
	return s.left() < s.low
}

// stale returns the blocks of a site that have to be read again.
func (p *pool) stale(siteID uuid.UUID) []*block {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*block
	for _, b := range p.site(siteID).blocks {
		if b.stale {
			out = append(out, b)
		}
	}
	return out
}

// install adds blocks.
func (s *site) install(blocks []*block) {
	s.blocks = append(s.blocks, blocks...)
	slices.SortFunc(s.blocks, func(a, b *block) int { return cmp.Compare(a.From, b.From) })
}

// newPool returns an empty pool.
func newPool() *pool {
	return &pool{sites: map[uuid.UUID]*site{}, flight: map[number.Number]bool{}}
}

// beginReading has to be called before rows are read that blocks will be made of, and endReading after the blocks are in place.
func (p *pool) beginReading() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reading == 0 {
		p.recent = maps.Clone(p.flight)
	}
	p.reading++
}

func (p *pool) endReading() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reading--; p.reading == 0 {
		p.recent = nil
	}
}

// amend takes the recent numbers out of blocks that were just read. The mutex is held.
func (p *pool) amend(blocks []*block) {
	for n := range p.recent {
		for _, b := range blocks {
			if b.Contains(n) {
				b.take(n)
			}
		}
	}
}

// depart notes that numbers are in flight. The mutex is held.
func (p *pool) depart(ns ...number.Number) {
	for _, n := range ns {
		p.flight[n] = true
		if p.reading > 0 {
			p.recent[n] = true
		}
	}
}

// land notes that numbers were given out or taken by others.
func (p *pool) land(ns ...number.Number) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range ns {
		delete(p.flight, n)
	}
}

// seize marks a number, chosen without this pool, as taken and in flight.
func (p *pool) seize(n number.Number) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b := p.find(n); b != nil {
		b.take(n)
	}
	p.depart(n)
}

// claim marks numbers, chosen without this pool, as taken and in flight, unless they are in flight already: it returns those
// that are its own to give out now.
func (p *pool) claim(picks []pick) []pick {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]pick, 0, len(picks))
	for _, k := range picks {
		if p.flight[k.number] {
			continue
		}
		if b := p.find(k.number); b != nil {
			b.take(k.number)
		}
		p.depart(k.number)
		out = append(out, k)
	}
	return out
}

// find returns the block that n is in, if it is held here.
func (s *site) find(n number.Number) *block {
	i, ok := slices.BinarySearchFunc(s.blocks, n, func(b *block, n number.Number) int {
		switch {
		case b.To < n:
			return -1
		case b.From > n:
			return 1
		}
		return 0
	})
	if !ok {
		return nil
	}
	return s.blocks[i]
}

// find returns the block that n is in, if it is held here.
func (p *pool) find(n number.Number) *block {
	for _, s := range p.sites {
		if b := s.find(n); b != nil {
			return b
		}
	}
	return nil
}

// free makes numbers that were given back available again, at once or when their quarantine ends.
func (p *pool) free(until, now time.Time, reserved number.Set, rows ...store.Extension) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range rows {
		b := p.find(e.Number)
		switch {
		case reserved.Contains(e.Number):
		case b == nil:
			p.reconsider(e.Number)
		case until.After(now):
			b.lapseAt(e.Number, until)
		default:
			b.put(e.Number)
		}
	}
}

// mark makes numbers that others took unavailable.
func (p *pool) mark(ns ...number.Number) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range ns {
		if p.reading > 0 {
			p.recent[n] = true
		}
		if b := p.find(n); b != nil {
			b.lapses = slices.DeleteFunc(b.lapses, func(l lapse) bool { return l.number == n })
			b.take(n)
		}
	}
}

// put gives numbers back that were picked and not given out.
func (p *pool) put(ns ...number.Number) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range ns {
		delete(p.flight, n)
		delete(p.recent, n)
		if b := p.find(n); b != nil {
			b.put(n)
		}
	}
}

// doubt has the blocks of numbers loaded again before they are used, since the numbers turned out to be taken.
func (p *pool) doubt(ns ...number.Number) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range ns {
		if b := p.find(n); b != nil {
			b.stale = true
		}
	}
}

// dropRange forgets the blocks of a range and returns them.
func (p *pool) dropRange(rng uuid.UUID) []*block {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*block
	for _, s := range p.sites {
		s.blocks = slices.DeleteFunc(s.blocks, func(b *block) bool {
			if b.Range == rng {
				out = append(out, b)
			}
			return b.Range == rng
		})
	}
	return out
}
