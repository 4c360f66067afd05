package allocator

import (
	"cmp"
	"context"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-phone/switchboard/services/extension/internal/lease"
	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
)

// firstLook is how many blocks a scan looks at first; each further look takes four times as many as the one before.
const firstLook = 8

// scan looks at the blocks of a site's ranges in the order of their numbers, a part at a time, so that what it costs depends on
// how far the first free numbers are away and not on how many the site has.
type scan struct {
	*Allocator
	account uuid.UUID
	ranges  []store.Range
	// from is where it began.
	from number.Number
	// used counts, by block, the numbers of each range that are not free, for the blocks from lo up to but not including hi.
	used   []map[int64]int64
	lo, hi []int64
	// free is how many numbers are free in the blocks looked at.
	free int64
	look int64
}

// newScan prepares to look at the blocks of ranges (sorted) from the one on that holds the number from, or the next that there is.
func (a *Allocator) newScan(account uuid.UUID, ranges []store.Range, from number.Number) *scan {
	s := &scan{
		Allocator: a, account: account, ranges: ranges, from: from, used: make([]map[int64]int64, len(ranges)),
		lo: make([]int64, len(ranges)), hi: make([]int64, len(ranges)), look: firstLook,
	}
	for r, rng := range ranges {
		s.used[r] = map[int64]int64{}
		switch {
		case from > rng.To:
			s.lo[r] = rng.Blocks()
		case from > rng.From:
			s.lo[r] = rng.BlockOf(from)
		}
		s.hi[r] = s.lo[r]
	}
	return s
}

// done says whether all blocks have been looked at.
func (s *scan) done() bool {
	for r := range s.ranges {
		if s.hi[r] < s.ranges[r].Blocks() {
			return false
		}
	}
	return true
}

// more looks at further blocks; false means that there are none.
func (s *scan) more(ctx context.Context) (bool, error) {
	if s.done() {
		return false, nil
	}
	left := s.look
	s.look *= 4
	var of []int
	var spans []number.Span
	for r, rng := range s.ranges {
		count := min(left, rng.Blocks()-s.hi[r])
		if count <= 0 {
			continue
		}
		of = append(of, r)
		spans = append(spans, number.Span{From: rng.Block(s.hi[r]).From, To: rng.Block(s.hi[r] + count - 1).To})
		left -= count
	}
	counts, err := s.store.Occupancy(ctx, s.account, spans, s.reserved.All(), s.clock.Now())
	if err != nil {
		return false, err
	}
	for n, r := range of {
		s.add(r, spans[n], counts[n])
	}
	return true, nil
}

// all looks at everything that is left, at one instant.
func (s *scan) all(ctx context.Context) error {
	s.look = math.MaxInt32
	_, err := s.more(ctx)
	return err
}

// add takes in the counts of a span that follows the blocks of range r looked at so far.
func (s *scan) add(r int, sp number.Span, counts []store.BlockUse) {
	s.free += sp.Size()
	for _, u := range counts {
		s.used[r][s.hi[r]+u.Block] = u.Used
		s.free -= u.Used
	}
	for _, n := range s.reserved.In(sp) {
		s.used[r][s.ranges[r].BlockOf(n)]++
		s.free--
	}
	s.hi[r] += sp.Blocks()
}

// freeIn returns how many numbers are free in a block that was looked at.
func (s *scan) freeIn(r int, index int64) int64 {
	return s.ranges[r].Block(index).Size() - s.used[r][index]
}

// open yields the blocks looked at that have something free, lowest first, each with how much.
func (s *scan) open() iter.Seq2[lease.Block, int64] {
	return func(yield func(lease.Block, int64) bool) {
		for r := range s.ranges {
			for i := s.lo[r]; i < s.hi[r]; i++ {
				if free := s.freeIn(r, i); free > 0 && !yield(blockOf(s.ranges[r], i), free) {
					return
				}
			}
		}
	}
}

// lowest returns a number below which the scan has found nothing free but in blocks of own.
func (s *scan) lowest(own map[lease.Key]bool) number.Number {
	for b := range s.open() {
		if !own[b.Key()] {
			return b.From
		}
	}
	for r, rng := range s.ranges {
		if s.hi[r] < rng.Blocks() {
			return rng.Block(s.hi[r]).From
		}
	}
	return 0 // nothing is free anywhere: the next scan begins at the beginning
}

// lookBackTimeout bounds one look at the numbers before the hint.
const lookBackTimeout = 30 * time.Second

// lookFrom returns the number from which on a scan for free numbers of a site begins. Now and then those before it are looked at
// again, in the background: where an account is nearly full that takes a second or more, and nobody shall wait for it.
func (a *Allocator) lookFrom(p *pool, account, siteID uuid.UUID, ranges []store.Range) number.Number {
	lowest, due := p.hint(siteID, a.clock.Now())
	if due && lowest > 0 {
		a.spawn(func(ctx context.Context) {
			ctx, cancel := context.WithTimeout(ctx, lookBackTimeout)
			defer cancel()
			if err := a.lookBack(ctx, p, account, ranges, lowest); err != nil && a.base.Err() == nil {
				a.log.WarnContext(ctx, "numbers that others may have freed could not be looked for", "error", err)
			}
		})
	}
	return lowest
}

// lookBack looks for a free number before upTo that is in no block held here, and has the next scan begin there.
func (a *Allocator) lookBack(ctx context.Context, p *pool, account uuid.UUID, ranges []store.Range, upTo number.Number) error {
	s, own := a.newScan(account, ranges, 0), p.keys()
	for more := true; more && s.lowest(own) < upTo; {
		var err error
		if more, err = s.more(ctx); err != nil {
			return err
		}
		for b := range s.open() {
			if !own[b.Key()] && b.From < upTo {
				p.unlearn(b.From)
				return nil
			}
		}
	}
	return nil
}

// blockOf describes a block of a range.
func blockOf(rng store.Range, index int64) lease.Block {
	return lease.Block{Account: rng.Account, Site: rng.Site, Range: rng.ID, Index: index, Span: rng.Block(index)}
}

// load reads what is free in blocks.
func (a *Allocator) load(ctx context.Context, account uuid.UUID, blocks []lease.Block) ([]*block, error) {
	spans := make([]number.Span, len(blocks))
	for i, b := range blocks {
		spans[i] = b.Span
	}
	slices.SortFunc(spans, func(x, y number.Span) int { return cmp.Compare(x.From, y.From) })
	now := a.clock.Now()
	rows, err := a.store.Used(ctx, account, spans, now)
	if err != nil {
		return nil, err
	}
	out := make([]*block, len(blocks))
	for i, b := range blocks {
		out[i] = &block{Block: b}
		out[i].load(within(rows, b.Span), a.reserved)
	}
	return out, nil
}

// within returns the rows, sorted by number, that lie in the span.
func within(rows []store.Extension, sp number.Span) []store.Extension {
	byNumber := func(e store.Extension, n number.Number) int { return cmp.Compare(e.Number, n) }
	lo, _ := slices.BinarySearchFunc(rows, sp.From, byNumber)
	hi, _ := slices.BinarySearchFunc(rows, sp.To+1, byNumber)
	return rows[lo:hi]
}

// found is what a search in the database brought.
type found struct {
	// picks are numbers that were free, lowest first, as many as were asked for if there are so many.
	picks []pick
	// free is how many are free, exact where it is less than what was asked for.
	free int64
	// known are the numbers of picks.
	known map[number.Number]bool
}

// search looks for up to want free numbers of a site in the database, from where the last search found some. It may find fewer
// than there are when others take some meanwhile. That there are too few is said only after one look at all of them.
func (a *Allocator) search(ctx context.Context, p *pool, account, siteID uuid.UUID, want int) (found, error) {
	ranges, err := a.store.SiteRanges(ctx, account, siteID)
	if err != nil {
		return found{}, err
	}
	// What is free in the blocks held here counts, too, and may come first.
	s := a.newScan(account, ranges, p.earliest(siteID, a.lookFrom(p, account, siteID, ranges)))
	for more := true; more && s.free < int64(want); {
		if more, err = s.more(ctx); err != nil {
			return found{}, err
		}
	}
	if s.free < int64(want) {
		s = a.newScan(account, ranges, 0)
		if err := s.all(ctx); err != nil {
			return found{}, err
		}
	}
	p.learn(siteID, s.from, s.lowest(p.keys()))
	return a.pickFrom(ctx, s, want)
}

// pickFrom reads the first of the open blocks.
func (a *Allocator) pickFrom(ctx context.Context, s *scan, want int) (found, error) {
	out := found{free: s.free, known: map[number.Number]bool{}}
	var blocks []lease.Block
	promised := int64(0)
	for b, free := range s.open() {
		if promised >= int64(want) {
			break
		}
		blocks = append(blocks, b)
		promised += free
	}
	if len(blocks) == 0 {
		return out, nil
	}
	loaded, err := a.load(ctx, s.account, blocks)
	if err != nil {
		return found{}, err
	}
	for _, b := range loaded {
		for _, n := range b.takeLowest(want - len(out.picks)) {
			out.picks = append(out.picks, pick{number: n, rng: b.Range})
			out.known[n] = true
		}
	}
	return out, nil
}

// scatter returns count of the picks by chance, lowest first, so that replicas which look for numbers in the same place at the
// same time stop running into each other.
func scatter(picks []pick, count int) []pick {
	if len(picks) <= count {
		return picks
	}
	picks = slices.Clone(picks)
	rand.Shuffle(len(picks), func(i, j int) { picks[i], picks[j] = picks[j], picks[i] })
	picks = picks[:count]
	slices.SortFunc(picks, func(x, y pick) int { return cmp.Compare(x.number, y.number) })
	return picks
}

// Nearest returns up to count free numbers of a site: those of the range that n is in which are closest to n, closest first,
// then the lowest ones of the site.
func (a *Allocator) Nearest(ctx context.Context, account, siteID uuid.UUID, n number.Number, count int) ([]number.Number, error) {
	ranges, err := a.store.SiteRanges(ctx, account, siteID)
	if err != nil {
		return nil, err
	}
	var out []number.Number
	for _, rng := range ranges {
		if rng.Contains(n) {
			if out, err = a.around(ctx, rng, n, count); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(out, func(x, y number.Number) int {
		return cmp.Or(cmp.Compare(distance(x, n), distance(y, n)), cmp.Compare(x, y))
	})
	if len(out) < count {
		rest, err := a.search(ctx, a.pool(account), account, siteID, count+len(out))
		if err != nil {
			return nil, err
		}
		for _, k := range rest.picks {
			if !slices.Contains(out, k.number) {
				out = append(out, k.number)
			}
		}
	}
	return out[:min(count, len(out))], nil
}

func distance(x, y number.Number) number.Number { return max(x-y, y-x) }

// around returns the free numbers of the block of n, and of the closest ones on either side that have count of them in all. It
// looks further and further away until it has found them.
func (a *Allocator) around(ctx context.Context, rng store.Range, n number.Number, count int) ([]number.Number, error) {
	for reach := number.Number(firstLook * number.BlockSize); ; reach *= 4 {
		part := rng
		part.From = rng.Block(rng.BlockOf(max(rng.From, n-reach))).From
		part.To = min(rng.To, n+reach)
		s := a.newScan(rng.Account, []store.Range{part}, 0)
		if err := s.all(ctx); err != nil {
			return nil, err
		}
		own := part.BlockOf(n)
		below, enoughBelow := s.side(own-1, -1, count)
		above, enoughAbove := s.side(own+1, 1, count)
		if !enoughBelow && part.From > rng.From || !enoughAbove && part.To < rng.To {
			continue
		}
		loaded, err := a.load(ctx, rng.Account, slices.Concat([]lease.Block{blockOf(part, own)}, below, above))
		if err != nil {
			return nil, err
		}
		var out []number.Number
		for _, b := range loaded {
			out = append(out, b.takeLowest(number.BlockSize)...)
		}
		return out, nil
	}
}

// side returns the open blocks from an index on in one direction until they have count free numbers; false when they have not.
// The scan is of one range.
func (s *scan) side(from, step int64, count int) ([]lease.Block, bool) {
	var out []lease.Block
	have := int64(0)
	for i := from; i >= 0 && i < s.hi[0] && have < int64(count); i += step {
		if free := s.freeIn(0, i); free > 0 {
			out = append(out, blockOf(s.ranges[0], i))
			have += free
		}
	}
	return out, have >= int64(count)
}
