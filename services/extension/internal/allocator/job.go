package allocator

import (
	"context"
	"fmt"
	"strconv"

	"github.com/google/uuid"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/extension/internal/names"
	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/groupcommit"
)

// Item asks for a number for an owner.
type Item struct {
	Owner uuid.UUID
	// Wish is the number asked for; empty for any.
	Wish string
}

// Request asks for numbers of a site. All of it is carried out or nothing.
type Request struct {
	Account, Site uuid.UUID
	Items         []Item
}

// job is a request on its way.
type job struct {
	Request
	wishes []number.Number
	// got is what owners have, as far as that is known; nil elements are open.
	got []*store.Extension

	// picks and paths say, for one round, which number is tried for each open item, and where it came from.
	picks []pick
	path  string
	// outcome is what the request is answered with, once it is finished.
	outcome groupcommit.Result[[]store.Extension]
}

func newJob(r Request) *job {
	return &job{Request: r, wishes: make([]number.Number, len(r.Items)), got: make([]*store.Extension, len(r.Items))}
}

// pathOf says where the number of an item came from, for the metrics.
func (j *job) pathOf(item int) string {
	if j.wishes[item] != 0 {
		return pathWish
	}
	return j.path
}

// slowest says where the numbers came from, for a request that was carried out: of wishes alone, or from wherever those came that
// took any. Requests of owners who had an extension count as wishes.
func (j *job) slowest() string {
	if j.path == "" {
		return pathWish
	}
	return j.path
}

func (j *job) weight() int { return len(j.Items) }

// weigh sums up the weights of jobs.
func weigh(jobs []*job) (sum int) {
	for _, j := range jobs {
		sum += j.weight()
	}
	return sum
}

// open returns the indexes of the items without a number that have a wish, and of those that take any.
func (j *job) open() (wishes, rest []int) {
	rest = make([]int, 0, len(j.Items))
	for i := range j.Items {
		switch {
		case j.got[i] != nil:
		case j.wishes[i] != 0:
			wishes = append(wishes, i)
		default:
			rest = append(rest, i)
		}
	}
	return wishes, rest
}

// result returns what everybody has.
func (j *job) result() []store.Extension {
	out := make([]store.Extension, len(j.got))
	for i, e := range j.got {
		out[i] = *e
	}
	return out
}

// recognise notes the extensions that owners have.
func (j *job) recognise(rows []store.Extension) {
	byOwner := make(map[uuid.UUID]store.Extension, len(rows))
	for _, e := range rows {
		byOwner[e.Owner] = e
	}
	for i, item := range j.Items {
		if e, ok := byOwner[item.Owner]; ok {
			j.got[i] = &e
		}
	}
}

// lookUp notes the extensions that owners have, asked of the database by read.
func (j *job) lookUp(ctx context.Context, read func(ctx context.Context, account uuid.UUID, owners []uuid.UUID) ([]store.Extension, error)) error {
	owners := make([]uuid.UUID, len(j.Items))
	for i, item := range j.Items {
		owners[i] = item.Owner
	}
	rows, err := read(ctx, j.Account, owners)
	if err != nil {
		return err
	}
	j.recognise(rows)
	return nil
}

// keep reads the extensions of owners who are about to be told that they have them.
func (a *Allocator) keep(ctx context.Context, account uuid.UUID, owners []uuid.UUID) ([]store.Extension, error) {
	return a.store.Keep(ctx, account, owners, a.clock.Now())
}

// path names an item in a refusal.
func path(i int) string { return fmt.Sprintf("allocations[%d]", i) }

// blame adds an item whose own refusal says all there is to say.
func blame(all *errs.Collector, field string, e *errs.Error) { all.Add(field, e.Message(), e) }

// distinct refuses requests that name an owner or wish for a number twice.
func (r Request) distinct() error {
	if len(r.Items) == 1 {
		return nil
	}
	var ref errs.Collector
	owners, wishes := make(map[uuid.UUID]bool, len(r.Items)), map[string]bool{}
	for i, item := range r.Items {
		if owners[item.Owner] {
			blame(&ref, path(i), errs.New(commonv1.Reason_DUPLICATE_IN_BATCH, "the owner is named twice"))
		} else if wishes[item.Wish] {
			blame(&ref, path(i), errs.New(commonv1.Reason_DUPLICATE_IN_BATCH, "the number %s is wished for twice", item.Wish))
		}
		owners[item.Owner] = true
		if item.Wish != "" {
			wishes[item.Wish] = true
		}
	}
	return ref.Err()
}

// readWishes reads the wishes of owners that have no extension, and refuses those that can never be met.
func (a *Allocator) readWishes(j *job) error {
	var ref errs.Collector
	for i, item := range j.Items {
		if item.Wish == "" || j.got[i] != nil {
			continue
		}
		n, err := a.readWish(item.Wish)
		if err != nil {
			blame(&ref, path(i), err)
		}
		j.wishes[i] = n
	}
	return ref.Err()
}

func (a *Allocator) readWish(text string) (number.Number, *errs.Error) {
	n, err := number.Parse(text)
	switch {
	case err != nil:
		return 0, errs.New(commonv1.Reason_EXTENSION_INVALID, "%.32q is not an extension number: it takes 2 to 10 digits", text).
			With("number", text)
	case a.reserved.Contains(n):
		return 0, reserved(n)
	}
	return n, nil
}

func reserved(n number.Number) *errs.Error {
	return errs.New(commonv1.Reason_EXTENSION_RESERVED, "the number %s is reserved and cannot be given out", n).With("number", n.String())
}

func outOfRange(n number.Number, account, site uuid.UUID) *errs.Error {
	return errs.New(commonv1.Reason_EXTENSION_OUT_OF_RANGE, "the number %s is in no extension range of the site", n).
		With("number", n.String()).With("site", names.Site(account, site))
}

func exhausted(r Request, wanted int, free int64) *errs.Error {
	return errs.New(commonv1.Reason_EXTENSION_RANGE_EXHAUSTED,
		"the site's extension ranges have %d free numbers, and %d are needed: add a range or free numbers", free, wanted).
		With("site", names.Site(r.Account, r.Site)).With("requested", strconv.Itoa(wanted)).With("free", strconv.FormatInt(free, 10))
}
