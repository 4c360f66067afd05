package allocator

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"

	"github.com/google/uuid"

	"github.com/switchboard-phone/switchboard/services/extension/internal/lease"
	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
)

// survey is how full a site's ranges are, at one instant.
type survey struct {
	ranges []store.Range
	// used counts, by block, the numbers of each range that are not free.
	used []map[int64]int64
	// free is how many numbers of all ranges are free.
	free int64
}

// survey counts the free numbers of a site.
func (a *Allocator) survey(ctx context.Context, account, siteID uuid.UUID) (survey, error) {
	ranges, err := a.store.SiteRanges(ctx, account, siteID)
	if err != nil {
		return survey{}, err
	}
	return a.surveyOf(ctx, account, ranges)
}

func (a *Allocator) surveyOf(ctx context.Context, account uuid.UUID, ranges []store.Range) (survey, error) {
	sv := survey{ranges: ranges}
	if len(ranges) == 0 {
		return sv, nil
	}
	spans := make([]number.Span, len(ranges))
	for i, r := range ranges {
		spans[i] = r.Span
	}
	counts, err := a.store.Occupancy(ctx, account, spans, a.reserved.All(), a.clock.Now())
	if err != nil {
		return survey{}, err
	}
	for i, r := range ranges {
		used := make(map[int64]int64, len(counts[i]))
		free := r.Size()
		for _, u := range counts[i] {
			used[u.Block] = u.Used
			free -= u.Used
		}
		for _, n := range a.reserved.In(r.Span) {
			used[r.BlockOf(n)]++
			free--
		}
		sv.used = append(sv.used, used)
		sv.free += free
	}
	return sv, nil
}

// freeIn returns how many numbers of a block are free.
func (sv survey) freeIn(r int, index int64) int64 {
	return sv.ranges[r].Block(index).Size() - sv.used[r][index]
}

// block describes a block of a range.
func (sv survey) block(r int, index int64) lease.Block {
	rng := sv.ranges[r]
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
	// free is how many are free in all.
	free int64
	// known are the numbers of picks.
	known map[number.Number]bool
}

// search looks for up to want free numbers of a site in the database. It may find fewer than there are when others take some
// meanwhile; free is exact.
func (a *Allocator) search(ctx context.Context, account, siteID uuid.UUID, want int) (found, error) {
	sv, err := a.survey(ctx, account, siteID)
	if err != nil {
		return found{}, err
	}
	out := found{free: sv.free, known: map[number.Number]bool{}}
	var blocks []lease.Block
	promised := int64(0)
	for r := range sv.ranges {
		for i := range sv.ranges[r].Blocks() {
			if promised >= min(int64(want), sv.free) {
				break
			}
			if free := sv.freeIn(r, i); free > 0 {
				blocks = append(blocks, sv.block(r, i))
				promised += free
			}
		}
	}
	if len(blocks) == 0 {
		return out, nil
	}
	loaded, err := a.load(ctx, account, blocks)
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
	sv, err := a.survey(ctx, account, siteID)
	if err != nil {
		return nil, err
	}
	var out []number.Number
	for r, rng := range sv.ranges {
		if !rng.Contains(n) {
			continue
		}
		loaded, err := a.load(ctx, account, sv.around(r, n, count))
		if err != nil {
			return nil, err
		}
		for _, b := range loaded {
			out = append(out, b.takeLowest(number.BlockSize)...)
		}
	}
	slices.SortFunc(out, func(x, y number.Number) int {
		return cmp.Or(cmp.Compare(distance(x, n), distance(y, n)), cmp.Compare(x, y))
	})
	if len(out) < count && int64(len(out)) < sv.free {
		rest, err := a.search(ctx, account, siteID, count+len(out))
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

// around returns the block of n, and the closest ones on either side that have count free numbers in all.
func (sv survey) around(r int, n number.Number, count int) []lease.Block {
	own := sv.ranges[r].BlockOf(n)
	var out []lease.Block
	side := func(from, step int64) {
		for i, have := from, int64(0); i >= 0 && i < sv.ranges[r].Blocks() && have < int64(count); i += step {
			if free := sv.freeIn(r, i); free > 0 {
				out = append(out, sv.block(r, i))
				have += free
			}
		}
	}
	if sv.freeIn(r, own) > 0 {
		out = append(out, sv.block(r, own))
	}
	side(own-1, -1)
	side(own+1, 1)
	return out
}
