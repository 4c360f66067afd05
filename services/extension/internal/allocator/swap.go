package allocator

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// SwapRequest asks for another number in place of the one that an owner has.
type SwapRequest struct {
	Account, Site, Owner uuid.UUID
	// Wish is the number asked for. Empty means any of the site's: one that the owner has there is kept.
	Wish string
	// Quarantine keeps the old number out of use for a while.
	Quarantine time.Duration
}

// Swap returns the number that the owner has now and the one before, which is zero when nothing changed or there was none.
// It may be repeated when it is not known whether it took effect. Refusals are those of Allocate.
func (a *Allocator) Swap(ctx context.Context, r SwapRequest) (now, before number.Number, err error) {
	rows, err := a.store.ByOwner(ctx, r.Account, []uuid.UUID{r.Owner})
	if err != nil {
		return 0, 0, err
	}
	if len(rows) > 0 {
		before = rows[0].Number
	}
	now = before
	switch {
	case r.Wish == "":
		now, err = a.swapAny(ctx, r, before)
	case before.String() != r.Wish:
		now, err = a.swapWish(ctx, r)
	default:
		err = a.keeps(ctx, r, before)
	}
	switch {
	case err != nil:
		return 0, 0, err
	case now == before:
		return now, 0, nil
	}
	return now, before, nil
}

// keeps refuses to keep n, which the owner has, at a site that it is none of.
func (a *Allocator) keeps(ctx context.Context, r SwapRequest, n number.Number) error {
	ranges, err := a.store.SiteRanges(ctx, r.Account, r.Site)
	if err != nil {
		return err
	}
	if rangeOf(ranges, n) == uuid.Nil {
		refused := outOfRange(n, r.Account, r.Site)
		return refused.Violation("number", refused.Message())
	}
	return nil
}

func (a *Allocator) swapWish(ctx context.Context, r SwapRequest) (number.Number, error) {
	n, refused := a.readWish(r.Wish)
	if refused != nil {
		return 0, refused.Violation("number", refused.Message())
	}
	p := a.pool(r.Account)
	p.seize(n)
	err := a.swapTo(ctx, p, r, n)
	return n, a.explain(ctx, r.Account, r.Site, err)
}

// swapAny gives the owner a number of the site, unless before is one.
func (a *Allocator) swapAny(ctx context.Context, r SwapRequest, before number.Number) (number.Number, error) {
	ranges, err := a.store.SiteRanges(ctx, r.Account, r.Site)
	if err != nil {
		return 0, err
	}
	if before != 0 && rangeOf(ranges, before) != uuid.Nil {
		return before, nil
	}
	p := a.pool(r.Account)
	for n := range maxRounds {
		k, err := a.pickOne(ctx, p, r, n)
		if err != nil {
			return 0, err
		}
		if k.number == 0 {
			continue
		}
		err = a.swapTo(ctx, p, r, k.number)
		var taken *takenError
		if !errors.As(err, &taken) && errs.Reason(err) != commonv1.Reason_EXTENSION_OUT_OF_RANGE {
			return k.number, err
		}
	}
	return 0, errs.New(commonv1.Reason_UNAVAILABLE, "too many others are taking the same numbers; repeat the call").RetryAfter(time.Second)
}

// pickOne picks one free number of a site; none when another got it at the last moment.
func (a *Allocator) pickOne(ctx context.Context, p *pool, r SwapRequest, round int) (pick, error) {
	if a.leases != nil && round == 0 {
		if picks := p.takeLowest(r.Site, 1, a.leases.Epoch(), a.clock.Now()); len(picks) > 0 {
			return picks[0], nil
		}
	}
	res, err := a.search(ctx, p, r.Account, r.Site, 1+16*round)
	if err != nil {
		return pick{}, err
	}
	if res.free == 0 {
		a.metrics.exhausted.Inc()
		return pick{}, exhausted(Request{Account: r.Account, Site: r.Site}, 1, 0)
	}
	for _, k := range p.claim(scatter(res.picks, 1)) {
		return k, nil
	}
	return pick{}, nil
}

// swapTo writes the swap to n, which is in flight. The error is a *takenError when n is another's.
func (a *Allocator) swapTo(ctx context.Context, p *pool, r SwapRequest, n number.Number) error {
	now := a.clock.Now()
	sw := store.Swap{Site: r.Site, Owner: r.Owner, Number: n}
	if r.Quarantine > 0 {
		sw.QuarantineUntil = now.Add(r.Quarantine).Truncate(time.Microsecond) // as the database keeps it
	}
	previous, err := a.store.Swap(ctx, r.Account, sw, now)
	for range maxLost {
		if !crdb.IsAmbiguous(err) {
			break
		}
		previous, err = a.store.Swap(ctx, r.Account, sw, now)
	}
	var taken *store.TakenError
	switch {
	case err == nil:
		p.land(n)
		if previous != nil {
			a.Freed(r.Account, []store.Extension{*previous}, sw.QuarantineUntil)
		}
		return nil
	case errors.As(err, &taken):
		a.metrics.conflicts.Inc()
		p.lost(n)
		return &takenError{fields: []string{"number"}, by: taken.By}
	case errors.Is(err, store.ErrOutOfRange):
		p.land(n)
		refused := outOfRange(n, r.Account, r.Site)
		return refused.Violation("number", refused.Message())
	}
	p.put(n)
	return err
}
