package allocator

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
)

// maxSpread bounds among how many further numbers a retry picks by chance.
const maxSpread = 4096

// planner chooses the numbers of one round.
type planner struct {
	*runner
	owners   map[uuid.UUID]bool
	numbers  map[number.Number]bool
	ranges   map[uuid.UUID][]store.Range
	readied  map[uuid.UUID]bool
	searched map[uuid.UUID]*found
}

// plan chooses a number for every open item of the pending jobs, in the order of their arrival. It returns the jobs that have
// their numbers, and those that have to wait for the next round since they want what an earlier one is about to get. Jobs that
// are refused are finished.
func (r *runner) plan(ctx context.Context) (planned, later []*job) {
	count := weigh(r.pending)
	p := &planner{
		runner: r, owners: make(map[uuid.UUID]bool, count), numbers: make(map[number.Number]bool, count),
		ranges: map[uuid.UUID][]store.Range{}, readied: map[uuid.UUID]bool{}, searched: map[uuid.UUID]*found{},
	}
	for i, j := range r.pending {
		j.picks = make([]pick, len(j.Items))
		ready, err := p.job(ctx, j, r.pending[i:])
		switch {
		case err != nil:
			p.release(j)
			r.finish(j, err)
		case ready:
			planned = append(planned, j)
		default:
			p.release(j)
			later = append(later, j)
		}
	}
	return planned, later
}

// release gives the picks of a job back.
func (p *planner) release(j *job) {
	for i, k := range j.picks {
		if k.number != 0 {
			p.pool.put(k.number)
			delete(p.numbers, k.number)
		}
		j.picks[i] = pick{}
	}
}

// job chooses numbers for one job; false means that it has to wait. rest is the job with those behind it.
func (p *planner) job(ctx context.Context, j *job, rest []*job) (bool, error) {
	for _, item := range j.Items {
		if p.owners[item.Owner] {
			return false, nil // somebody asks for the same owner at the same time
		}
	}
	wishes, free := j.open()
	if ok, err := p.wishes(ctx, j, wishes); err != nil || !ok {
		return false, err
	}
	if ok, err := p.any(ctx, j, free, rest); err != nil || !ok {
		return false, err
	}
	for _, item := range j.Items {
		p.owners[item.Owner] = true
	}
	return true, nil
}

// wishes reserves the numbers wished for.
func (p *planner) wishes(ctx context.Context, j *job, wishes []int) (bool, error) {
	if len(wishes) == 0 {
		return true, nil
	}
	ranges, ok := p.ranges[j.Site]
	if !ok {
		var err error
		if ranges, err = p.store.SiteRanges(ctx, j.Account, j.Site); err != nil {
			return false, err
		}
		p.ranges[j.Site] = ranges
	}
	if err := j.inRange(wishes, ranges); err != nil {
		return false, err
	}
	for _, i := range wishes {
		n := j.wishes[i]
		if p.numbers[n] {
			return false, nil // somebody earlier in this round is about to get it
		}
		p.pool.seize(n)
		p.numbers[n] = true
		j.picks[i] = pick{number: n, rng: rangeOf(ranges, n)}
	}
	return true, nil
}

// any picks numbers for the items that take any: out of the blocks held, or else out of the database.
func (p *planner) any(ctx context.Context, j *job, free []int, rest []*job) (bool, error) {
	if len(free) == 0 {
		return true, nil
	}
	if err := p.ready(ctx, j.Site); err != nil {
		return false, err
	}
	picks, err := p.leased(ctx, j.Site, len(free), rest)
	if err != nil {
		return false, err
	}
	j.path = pathLeased
	if picks == nil {
		j.path = pathDatabase
		if picks, err = p.fromDatabase(ctx, j, len(free), rest); err != nil {
			return false, err
		}
		_, free = j.open() // who has an extension was looked up meanwhile
	}
	if len(picks) < len(free) {
		for _, k := range picks {
			p.pool.put(k.number)
		}
		return false, nil
	}
	for n, i := range free {
		j.picks[i] = picks[n]
		p.numbers[picks[n].number] = true
	}
	return true, nil
}

// ready has the blocks of a site read again that turned out to be wrong.
func (p *planner) ready(ctx context.Context, site uuid.UUID) error {
	if p.readied[site] || p.leases == nil {
		return nil
	}
	p.readied[site] = true
	if stale := p.pool.stale(site); len(stale) > 0 {
		if _, err := p.reload(ctx, p.account, p.pool, stale); err != nil {
			return err
		}
	}
	return nil
}

// leased picks count numbers out of the blocks held, waiting a little for further blocks when there are too few; nil when
// there are too few still.
func (p *planner) leased(ctx context.Context, site uuid.UUID, count int, rest []*job) ([]pick, error) {
	if p.leases == nil {
		return nil, nil
	}
	if picks := p.pool.takeLowest(site, count, p.leases.Epoch(), p.clock.Now()); picks != nil {
		return picks, nil
	}
	if p.searched[site] != nil {
		return nil, nil // there was nothing to lease a moment ago
	}
	timer := time.NewTimer(p.cfg.AcquireTimeout)
	defer timer.Stop()
	for range 2 { // a refill that was under way already may have been a small one
		done := p.refill(p.account, site, p.pool, demand(site, rest))
		if done == nil {
			break
		}
		select {
		case <-done:
		case <-timer.C:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if picks := p.pool.takeLowest(site, count, p.leases.Epoch(), p.clock.Now()); picks != nil {
			return picks, nil
		}
	}
	return nil, nil
}

// demand counts the numbers of a site that jobs still need.
func demand(site uuid.UUID, jobs []*job) int {
	sum := 0
	for _, j := range jobs {
		if j.Site == site {
			_, free := j.open()
			sum += len(free)
		}
	}
	return sum
}

// fromDatabase picks count numbers that are free in the database. It refuses when there are fewer: only the database can say
// so. It returns fewer when there are enough but others of this round get them.
func (p *planner) fromDatabase(ctx context.Context, j *job, count int, rest []*job) ([]pick, error) {
	res, err := p.find(ctx, j.Site, rest)
	if err != nil {
		return nil, err
	}
	if res.available(j) < int64(count) {
		// Those who have an extension already need none.
		if err := j.lookUp(ctx, p.keep); err != nil {
			return nil, err
		}
		wishes, open := j.open()
		count = min(count, len(open))
		if res.available(j) < int64(count) {
			p.metrics.exhausted.Inc()
			return nil, exhausted(j.Request, count+len(wishes), res.free)
		}
	}
	return p.draw(res, count), nil
}

// find searches for what jobs need of a site, once a round. Retries look further and pick by chance: others look in the same
// place.
func (p *planner) find(ctx context.Context, site uuid.UUID, jobs []*job) (*found, error) {
	if res := p.searched[site]; res != nil {
		return res, nil
	}
	want := demand(site, jobs) + len(p.numbers)
	spread := 0
	if p.n > 0 {
		spread = min(want<<min(p.n, 10), maxSpread) + 16
	}
	res, err := p.search(ctx, p.pool, p.account, site, want+spread)
	if err != nil {
		return nil, err
	}
	if p.n > 0 {
		res.picks = scatter(res.picks, want)
	}
	p.searched[site] = &res
	return &res, nil
}

// available returns how many of the numbers found free a job can have besides those that it wishes for.
func (f *found) available(j *job) int64 {
	out := f.free
	for _, n := range j.wishes {
		if n != 0 && f.known[n] {
			out--
		}
	}
	return out
}

// draw takes count picks off the result of a search, or as many as are left.
func (p *planner) draw(res *found, count int) []pick {
	var out []pick
	for len(out) < count && len(res.picks) > 0 {
		n := min(count-len(out), len(res.picks))
		for _, k := range p.pool.claim(res.picks[:n]) {
			p.numbers[k.number] = true
			out = append(out, k)
		}
		res.picks = res.picks[n:]
	}
	return out
}
