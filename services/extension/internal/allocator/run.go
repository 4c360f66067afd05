package allocator

import (
	"context"
	"time"

	"github.com/google/uuid"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/groupcommit"
)

const (
	// maxRounds bounds how often a group picks anew because its numbers were taken. Each such round means that somebody else
	// got numbers, so that the system as a whole moves on.
	maxRounds = 50
	// maxLost bounds how often a group is written anew because the answer of a commit was lost.
	maxLost = 3
)

// run carries out the jobs of one account that came together. Others of the account may be under way: they are to each other what
// other replicas are, but for never picking the same number.
func (a *Allocator) run(ctx context.Context, account uuid.UUID, jobs []*job) ([]groupcommit.Result[[]store.Extension], error) {
	r := &runner{Allocator: a, account: account, pool: a.pool(account), pending: jobs}
	for r.n = 0; len(r.pending) > 0 && r.n < maxRounds && ctx.Err() == nil; r.n++ {
		r.round(ctx)
	}
	for _, j := range r.pending {
		err := ctx.Err()
		if err == nil {
			err = errs.New(commonv1.Reason_UNAVAILABLE, "too many others are taking the same numbers; repeat the call").RetryAfter(time.Second)
		}
		r.finish(j, err)
	}
	for _, site := range r.sites(jobs) {
		if r.pool.wanting(site) {
			a.refill(account, site, r.pool, 0)
		}
	}
	out := make([]groupcommit.Result[[]store.Extension], len(jobs))
	for i, j := range jobs {
		out[i] = j.outcome
	}
	return out, nil
}

// runner is one run.
type runner struct {
	*Allocator
	account uuid.UUID
	pool    *pool
	n       int
	lost    int
	pending []*job
}

func (r *runner) finish(j *job, err error) {
	j.outcome.Err = err
	if err == nil {
		j.outcome.Value = j.result()
	}
}

func (r *runner) sites(jobs []*job) []uuid.UUID {
	var out []uuid.UUID
	seen := map[uuid.UUID]bool{}
	for _, j := range jobs {
		if !seen[j.Site] {
			seen[j.Site] = true
			out = append(out, j.Site)
		}
	}
	return out
}

// round plans numbers for the pending jobs, writes them, and keeps those jobs pending that have to try others.
func (r *runner) round(ctx context.Context) {
	planned, later := r.plan(ctx)
	r.pending = later
	count := weigh(planned)
	claims, owners := make([]store.Claim, 0, count), make([]claimant, 0, count)
	for i, j := range planned {
		for item, k := range j.picks {
			switch {
			case k.number == 0:
			case j.got[item] != nil: // found out after the number was picked
				r.pool.put(k.number)
			default:
				claims = append(claims, store.Claim{Request: i, Owner: j.Items[item].Owner, Number: k.number, Range: k.rng})
				owners = append(owners, claimant{j, item})
			}
		}
	}
	outcomes, err := r.store.Allocate(ctx, r.account, claims, r.clock.Now())
	if err != nil {
		r.failed(planned, claims, err)
		return
	}
	r.settle(planned, claims, owners, outcomes)
}

type claimant struct {
	job  *job
	item int
}

// failed ends the jobs of a round that could not be written. Their numbers go back: should they have been written after all,
// the database says so to the next who tries them.
func (r *runner) failed(planned []*job, claims []store.Claim, err error) {
	for _, c := range claims {
		r.pool.put(c.Number)
	}
	if crdb.IsAmbiguous(err) && r.lost < maxLost {
		r.lost++
		r.pending = append(planned, r.pending...)
		return
	}
	for _, j := range planned {
		r.finish(j, err)
	}
}

// settle sorts the outcomes of a round.
func (r *runner) settle(planned []*job, claims []store.Claim, owners []claimant, outcomes []store.Outcome) {
	again := map[*job]bool{}
	refused := map[*job]*takenError{}
	given := make([]number.Number, 0, len(outcomes))
	for i, o := range outcomes {
		j, item := owners[i].job, owners[i].item
		switch {
		case o.Settled():
			if o.Got.Number == claims[i].Number {
				given = append(given, claims[i].Number)
				r.metrics.allocations[j.pathOf(item)].Inc()
			} else {
				r.pool.put(claims[i].Number)
			}
			j.got[item] = o.Got
		case o.Taken != nil:
			r.metrics.conflicts.Inc()
			r.pool.lost(claims[i].Number)
			if j.wishes[item] != 0 {
				if refused[j] == nil {
					refused[j] = &takenError{}
				}
				refused[j].add(path(item), *o.Taken)
			}
			again[j] = true
		case o.RangeGone:
			r.pool.land(claims[i].Number)
			r.giveUp(r.pool.dropRange(claims[i].Range))
			again[j] = true
		default:
			r.pool.put(claims[i].Number)
			again[j] = true
		}
	}
	r.pool.land(given...)
	var retry []*job
	for _, j := range planned {
		switch {
		case refused[j] != nil:
			r.finish(j, refused[j])
		case again[j]:
			retry = append(retry, j)
		default:
			r.finish(j, nil)
		}
	}
	r.pending = append(retry, r.pending...)
}

// lost notes that a number is another's, and has its block read again.
func (p *pool) lost(n number.Number) {
	p.land(n)
	p.mark(n)
	p.doubt(n)
}
