package importing

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// step carries items out by operations that are each all or nothing for several items.
type step struct {
	c *chunk
	// call is the operation; when it succeeds, succeed says what that means for each item.
	call    func(ctx context.Context, items []*item) error
	succeed func(it *item)
	// preview asks what the call would say about one item alone, without doing it; nil to go by what is said of it in the refusal.
	preview func(ctx context.Context, it *item) error
	// full are the things that turned out to be used up: later items that need one are refused without asking again.
	full map[string]error
}

// run carries out batches, several at a time. A batch in which some items are refused is done without them. A batch that needs more
// than there is (of licence seats, extension numbers, package seats) is set aside until nothing else is under way, since others
// may be about to give back what they took; then as many of its items as fit are done.
func (s *step) run(ctx context.Context, batches [][]*item) {
	tooMuch := make([][]*item, len(batches))
	var all errgroup.Group
	all.SetLimit(s.c.cfg.Parallel)
	for i, batch := range batches {
		all.Go(func() error {
			tooMuch[i], _ = s.attempt(ctx, batch)
			return nil
		})
	}
	_ = all.Wait()
	s.full = map[string]error{}
	for _, batch := range tooMuch {
		s.squeeze(ctx, batch)
	}
}

// attempt carries out a batch without the items that are refused. It returns the items that are left when there is not enough
// for them, with the refusal.
func (s *step) attempt(ctx context.Context, batch []*item) ([]*item, error) {
	for len(batch) > 0 {
		err := s.carryOut(ctx, batch)
		refusal, _ := errs.From(err)
		switch {
		case err == nil:
			for _, it := range batch {
				s.succeed(it)
			}
			return nil, nil
		case mayPass(err) && len(offendingOf(refusal, batch)) == 0:
			for _, it := range batch {
				it.leave(err)
			}
			return nil, nil
		case exhausted(errs.Reason(err)):
			return batch, err
		}
		batch = s.takeOut(ctx, batch, refusal)
	}
	return nil, nil
}

// carryOut makes the call. It is not interrupted when the worker has to stop, so that its result is known and written down.
func (s *step) carryOut(ctx context.Context, batch []*item) error {
	if ctx.Err() != nil {
		return errUnfinished
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.c.cfg.CallTimeout)
	defer cancel()
	return s.call(ctx, batch)
}

func offendingOf(refusal *errs.Error, batch []*item) []int {
	if refusal == nil {
		return nil
	}
	return offending(refusal, len(batch))
}

// takeOut deals with the items that a refusal names (all, when it names none) and returns the others.
func (s *step) takeOut(ctx context.Context, batch []*item, refusal *errs.Error) []*item {
	named := offending(refusal, len(batch))
	if len(named) == 0 {
		for _, it := range batch {
			it.refuse(refusal)
		}
		return nil
	}
	for n, i := range named {
		it := batch[i]
		switch {
		case mayPass(refusal): // somebody else was faster: looked at again in the next pass
			it.leave(refusal)
		case n == 0: // the refusal as a whole speaks of the first one
			it.refuse(refusal)
		case s.preview == nil:
			it.refuse(errs.New(refusal.Reason(), "%s", said(refusal, i)))
		default:
			s.ask(ctx, it, refusal)
		}
	}
	return slices.DeleteFunc(batch, func(it *item) bool { return !it.open() })
}

// said is what a refusal says of the i-th item.
func said(refusal *errs.Error, i int) string {
	for _, v := range refusal.Violations() {
		if _, path, _ := strings.Cut(v.GetField(), "["); strings.HasPrefix(path, itoa(i)+"]") && v.GetDescription() != "" {
			return v.GetDescription()
		}
	}
	return refusal.Message()
}

// ask finds out the refusal of one item among several. One that is not refused alone is tried again, once.
func (s *step) ask(ctx context.Context, it *item, refusal *errs.Error) {
	err := s.preview(ctx, it)
	switch {
	case err != nil && mayPass(err):
		it.leave(err)
	case err != nil:
		it.refuse(err)
	case it.returned:
		it.refuse(refusal)
	default:
		it.returned = true
	}
}

// squeeze does as many items of a batch as there is enough for, the first ones first.
func (s *step) squeeze(ctx context.Context, batch []*item) {
	batch = slices.DeleteFunc(batch, func(it *item) bool {
		if err := s.usedUp(it); err != nil {
			it.refuse(err)
		}
		return !it.open()
	})
	left, err := s.attempt(ctx, batch)
	if len(left) == 0 {
		return
	}
	fit, known := room(err)
	if known && fit <= 0 || len(left) == 1 {
		left[0].refuse(err)
		s.full[needs(err, left[0])] = err
		s.squeeze(ctx, left[1:])
		return
	}
	if !known || fit >= len(left) {
		fit = len(left) / 2
	}
	s.squeeze(ctx, left[:fit:fit])
	s.squeeze(ctx, left[fit:])
}

// usedUp is the refusal of an item that needs something of which there is none.
func (s *step) usedUp(it *item) error {
	for _, reason := range []commonv1.Reason{
		commonv1.Reason_LICENSE_EXHAUSTED, commonv1.Reason_EXTENSION_RANGE_EXHAUSTED, commonv1.Reason_PACKAGE_SEATS_EXHAUSTED,
	} {
		if err := s.full[need(reason, it)]; err != nil && (reason != commonv1.Reason_EXTENSION_RANGE_EXHAUSTED || it.who.Extension == "") {
			return err
		}
	}
	return nil
}

// needs names what an item needs and err says there is not enough of.
func needs(err error, it *item) string { return need(errs.Reason(err), it) }

func need(reason commonv1.Reason, it *item) string {
	switch reason {
	case commonv1.Reason_EXTENSION_RANGE_EXHAUSTED:
		return reason.String() + it.siteID.String()
	case commonv1.Reason_PACKAGE_SEATS_EXHAUSTED:
		return reason.String() + it.neededPackage().String()
	}
	return reason.String()
}

func (it *item) neededPackage() uuid.UUID {
	if it.change.packageID != nil {
		return *it.change.packageID
	}
	return it.packageID
}

// room is how many items a refusal for want of something leaves room for, where it says so.
func room(err error) (int, bool) {
	refusal, ok := errs.From(err)
	if !ok {
		return 0, false
	}
	metadata := refusal.Metadata()
	if free, err := strconv.Atoi(metadata["free"]); err == nil {
		return free, true
	}
	seats, err1 := strconv.Atoi(metadata["seats"])
	assigned, err2 := strconv.Atoi(metadata["assigned"])
	return seats - assigned, errors.Join(err1, err2) == nil
}

// batches cuts groups of items into batches of at most size.
func batches(groups map[string][]*item, size int) [][]*item {
	var out [][]*item
	for _, key := range sortedByFirst(groups) {
		for batch := range slices.Chunk(groups[key], size) {
			out = append(out, batch)
		}
	}
	return out
}

// sortedByFirst are the keys of groups, in the order of their first rows.
func sortedByFirst(groups map[string][]*item) []string {
	keys := make([]string, 0, len(groups))
	for key := range groups {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int { return groups[a][0].row.Number - groups[b][0].row.Number })
	return keys
}

// group sorts items by what an operation can have only one of.
func group(items []*item, key func(it *item) string) map[string][]*item {
	groups := map[string][]*item{}
	for _, it := range items {
		groups[key(it)] = append(groups[key(it)], it)
	}
	return groups
}
