package allocator

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/extension/internal/names"
	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// alternatives is how many free numbers are offered in place of one that is taken.
const alternatives = 3

// Allocate gives every owner a number and returns what each has, in the order asked. An owner that has an extension keeps it.
// It is all or nothing, and may be repeated when it is not known whether it took effect.
//
// Refusals: DUPLICATE_IN_BATCH, EXTENSION_RANGE_EXHAUSTED; for wishes EXTENSION_INVALID, EXTENSION_RESERVED,
// EXTENSION_OUT_OF_RANGE, EXTENSION_IN_USE. Each blames allocations[i]. ctx bounds the waiting only.
func (a *Allocator) Allocate(ctx context.Context, r Request) ([]store.Extension, error) {
	j, err := a.prepare(ctx, r)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	out, err := a.group.Do(ctx, r.Account, j)
	if err == nil {
		a.metrics.took[j.slowest()].Observe(time.Since(start).Seconds())
	}
	return out, a.explain(ctx, r.Account, r.Site, err)
}

// prepare reads a request. Owners that have an extension are looked up first where wishes are in play, as theirs do not count.
func (a *Allocator) prepare(ctx context.Context, r Request) (*job, error) {
	if err := r.distinct(); err != nil {
		return nil, err
	}
	j := newJob(r)
	if !slices.ContainsFunc(r.Items, func(i Item) bool { return i.Wish != "" }) {
		return j, nil
	}
	if err := j.lookUp(ctx, a.keep); err != nil {
		return nil, err
	}
	return j, a.readWishes(j)
}

// Preview returns what Allocate would answer if nothing else happened meanwhile and numbers came from the database, or the
// refusal that it would meet. It changes nothing.
func (a *Allocator) Preview(ctx context.Context, r Request) ([]store.Extension, error) {
	if err := r.distinct(); err != nil {
		return nil, err
	}
	j := newJob(r)
	if err := j.lookUp(ctx, a.store.ByOwner); err != nil {
		return nil, err
	}
	if err := a.readWishes(j); err != nil {
		return nil, err
	}
	return j.preview(ctx, a)
}

func (j *job) preview(ctx context.Context, a *Allocator) ([]store.Extension, error) {
	wishes, rest := j.open()
	ranges, err := a.store.SiteRanges(ctx, j.Account, j.Site)
	if err != nil {
		return nil, err
	}
	if err := j.inRange(wishes, ranges); err != nil {
		return nil, err
	}
	taken, err := a.store.Lookup(ctx, j.Account, j.wishes, a.clock.Now())
	if err != nil {
		return nil, err
	}
	if err := j.taken(wishes, taken); err != nil {
		return nil, a.explain(ctx, j.Account, j.Site, err)
	}
	wished := map[number.Number]bool{}
	for _, i := range wishes {
		wished[j.wishes[i]] = true
		j.got[i] = &store.Extension{Number: j.wishes[i], State: store.Assigned, Owner: j.Items[i].Owner}
	}
	res, err := a.search(ctx, a.pool(j.Account), j.Account, j.Site, len(rest)+len(wishes))
	if err != nil {
		return nil, err
	}
	picks := slices.DeleteFunc(res.picks, func(k pick) bool { return wished[k.number] })
	if len(picks) < len(rest) {
		return nil, exhausted(j.Request, len(rest)+len(wishes), res.free)
	}
	for n, i := range rest {
		j.got[i] = &store.Extension{Number: picks[n].number, State: store.Assigned, Owner: j.Items[i].Owner}
	}
	return j.result(), nil
}

// inRange refuses wishes that are in none of the ranges.
func (j *job) inRange(wishes []int, ranges []store.Range) error {
	var ref errs.Collector
	for _, i := range wishes {
		if rangeOf(ranges, j.wishes[i]) == uuid.Nil {
			blame(&ref, path(i), outOfRange(j.wishes[i], j.Account, j.Site))
		}
	}
	return ref.Err()
}

// rangeOf returns the range that n is in; uuid.Nil when it is in none.
func rangeOf(ranges []store.Range, n number.Number) uuid.UUID {
	for _, r := range ranges {
		if r.Contains(n) {
			return r.ID
		}
	}
	return uuid.Nil
}

// taken refuses wishes whose numbers have rows.
func (j *job) taken(wishes []int, rows []store.Extension) error {
	var te takenError
	for _, i := range wishes {
		for _, e := range rows {
			if e.Number == j.wishes[i] {
				te.add(path(i), e)
			}
		}
	}
	return te.orNil()
}

// takenError is a refusal because of numbers that are taken. What callers see is made of it by explain, which can look for
// alternatives.
type takenError struct {
	fields []string
	by     []store.Extension
}

func (e *takenError) Error() string { return "numbers wished for are taken" }

func (e *takenError) add(field string, by store.Extension) {
	e.fields = append(e.fields, field)
	e.by = append(e.by, by)
}

func (e *takenError) orNil() error {
	if len(e.by) == 0 {
		return nil
	}
	return e
}

// explain turns a takenError into EXTENSION_IN_USE with alternatives (or EXTENSION_RESERVED), and returns other errors as they
// are.
func (a *Allocator) explain(ctx context.Context, account, site uuid.UUID, err error) error {
	te, ok := err.(*takenError) //nolint:errorlint // made in this package and never wrapped
	if !ok {
		return err
	}
	var ref errs.Collector
	for i, by := range te.by {
		blame(&ref, te.fields[i], InUse(account, by))
	}
	if ref.Whole().Reason() != commonv1.Reason_EXTENSION_IN_USE {
		return ref.Whole()
	}
	free, err := a.Nearest(ctx, account, site, te.by[0].Number, alternatives)
	if err != nil {
		a.log.WarnContext(ctx, "alternatives to a number in use could not be looked up", "error", err)
		return ref.Whole()
	}
	return withAlternatives(ref.Whole(), free)
}

func withAlternatives(e *errs.Error, free []number.Number) *errs.Error {
	text := ""
	for i, n := range free {
		if i > 0 {
			text += ","
		}
		text += n.String()
	}
	return e.With("alternatives", text)
}

// InUse says why a number with the row by cannot be had: EXTENSION_RESERVED or EXTENSION_IN_USE, without alternatives.
func InUse(account uuid.UUID, by store.Extension) *errs.Error {
	switch by.State {
	case store.Reserved:
		return reserved(by.Number)
	case store.Quarantined:
		return errs.New(commonv1.Reason_EXTENSION_IN_USE, "the number %s was given back and is kept out of use until %s", by.Number,
			by.QuarantineUntil.Format(time.RFC3339)).With("number", by.Number.String()).
			With("quarantine_time", by.QuarantineUntil.UTC().Format(time.RFC3339Nano))
	}
	return errs.New(commonv1.Reason_EXTENSION_IN_USE, "the number %s is in use", by.Number).
		With("number", by.Number.String()).With("holder", names.PhoneUser(account, by.Owner))
}
