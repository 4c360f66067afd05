// Package book is what becomes of extension numbers apart from giving them out: ranges, reservations, the states in which
// numbers are kept for somebody or for nobody, and what callers are told about them.
package book

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/extension/internal/names"
	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

const (
	// MaxRanges is how many ranges a site may have.
	MaxRanges = 10
	// MaxBatch is how many numbers one call may name.
	MaxBatch = 1000
)

// Allocator is told what happens to numbers, so that what it has in memory stays right.
type Allocator interface {
	// Freed: numbers were given back, free from until on (at once, when that is past).
	Freed(account uuid.UUID, rows []store.Extension, until time.Time)
	// Used: numbers were taken.
	Used(account uuid.UUID, ns ...number.Number)
	// RangeDeleted: a range is gone.
	RangeDeleted(account, rng uuid.UUID)
}

// Book keeps the numbers. It is safe for concurrent use.
type Book struct {
	store    store.Store
	alloc    Allocator
	reserved number.Set
	clock    clock.Clock
}

// New returns a book over st. reserved numbers are never given out.
func New(st store.Store, alloc Allocator, reserved number.Set, clk clock.Clock) *Book {
	return &Book{store: st, alloc: alloc, reserved: reserved, clock: clk}
}

// CreateRange makes a range of a site. Refusals: EXTENSION_INVALID, FIELD_INVALID, RANGE_OVERLAP, LIMIT_REACHED; fields are those
// of CreateExtensionRangeRequest.
func (b *Book) CreateRange(ctx context.Context, account, site uuid.UUID, from, to string) (store.Range, error) {
	sp, err := readSpan(from, to)
	if err != nil {
		return store.Range{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return store.Range{}, fmt.Errorf("make an id: %w", err)
	}
	r := store.Range{ID: id, Account: account, Site: site, Span: sp, CreateTime: b.clock.Now().Truncate(time.Microsecond)}
	err = b.store.CreateRange(ctx, r, MaxRanges)
	var overlap *store.OverlapError
	switch {
	case errors.As(err, &overlap):
		with := overlap.With
		return store.Range{}, errs.New(commonv1.Reason_RANGE_OVERLAP, "%s to %s shares numbers with the range %s to %s of the account",
			from, to, with.From, with.To).With("range", names.Range(account, with.Site, with.ID))
	case errors.Is(err, store.ErrTooManyRanges):
		return store.Range{}, errs.New(commonv1.Reason_LIMIT_REACHED, "a site may have %d extension ranges", MaxRanges).
			With("limit", strconv.Itoa(MaxRanges))
	case err != nil:
		return store.Range{}, err
	}
	return r, nil
}

func readSpan(from, to string) (number.Span, error) {
	var sp number.Span
	for _, end := range []struct {
		field, text string
		into        *number.Number
	}{{"extension_range.from", from, &sp.From}, {"extension_range.to", to, &sp.To}} {
		n, err := number.Parse(end.text)
		if err != nil {
			return sp, invalid(end.text).Violation(end.field, err.Error())
		}
		*end.into = n
	}
	switch {
	case sp.From.Digits() != sp.To.Digits():
		return sp, fieldInvalid("extension_range.to", "it must have as many digits as the first number")
	case sp.From > sp.To:
		return sp, fieldInvalid("extension_range.to", "it must not come before the first number")
	}
	return sp, nil
}

func fieldInvalid(field, text string) *errs.Error {
	return errs.New(commonv1.Reason_FIELD_INVALID, "%s: %s", field, text).Violation(field, text)
}

func invalid(text string) *errs.Error {
	return errs.New(commonv1.Reason_EXTENSION_INVALID, "%.32q is not an extension number: it takes 2 to 10 digits", text).With("number", text)
}

// DeleteRange deletes a range. Refusals: NOT_FOUND, RANGE_IN_USE.
func (b *Book) DeleteRange(ctx context.Context, account, site, id uuid.UUID) error {
	err := b.store.DeleteRange(ctx, account, site, id)
	name := names.Range(account, site, id)
	var inUse *store.RangeInUseError
	switch {
	case errors.Is(err, store.ErrRangeNotFound):
		return errs.New(commonv1.Reason_NOT_FOUND, "the extension range does not exist").With("resource", name)
	case errors.As(err, &inUse):
		return errs.New(commonv1.Reason_RANGE_IN_USE, "%d numbers of the range are assigned or held", inUse.Used).
			With("range", name).With("used", strconv.FormatInt(inUse.Used, 10))
	case err != nil:
		return err
	}
	b.alloc.RangeDeleted(account, id)
	return nil
}

// Release takes the extensions of owners away and returns them as they were. The numbers are free at once, or after the
// quarantine.
func (b *Book) Release(ctx context.Context, account uuid.UUID, owners []uuid.UUID, quarantine time.Duration) ([]store.Extension, error) {
	now := b.clock.Now()
	var until time.Time
	if quarantine > 0 {
		until = now.Add(quarantine).Truncate(time.Microsecond) // as the database keeps it
	}
	released, err := b.store.Release(ctx, account, owners, until, now)
	if err != nil {
		return nil, err
	}
	b.alloc.Freed(account, released, until)
	return released, nil
}

// Hold keeps the extensions of owners for them, and returns those held.
func (b *Book) Hold(ctx context.Context, account uuid.UUID, owners []uuid.UUID) ([]store.Extension, error) {
	return b.store.Hold(ctx, account, owners, b.clock.Now())
}

// Reclaim gives held extensions back, and returns what the owners have in the order asked. Refusal: NOT_FOUND, and then nothing
// is changed; fields are those of ReclaimExtensionsRequest.
func (b *Book) Reclaim(ctx context.Context, account uuid.UUID, owners []uuid.UUID) ([]store.Extension, error) {
	got, err := b.store.Reclaim(ctx, account, owners, b.clock.Now())
	var none *store.NoExtensionError
	if errors.As(err, &none) {
		e := errs.New(commonv1.Reason_NOT_FOUND, "the phone user has no extension").
			With("resource", names.PhoneUser(account, none.Owners[0]))
		for i, o := range owners {
			if slices.Contains(none.Owners, o) {
				_ = e.Violation(fmt.Sprintf("owners[%d]", i), e.Message())
			}
		}
		return nil, e
	}
	if err != nil {
		return nil, err
	}
	byOwner := map[uuid.UUID]store.Extension{}
	for _, e := range got {
		byOwner[e.Owner] = e
	}
	out := make([]store.Extension, len(owners))
	for i, o := range owners {
		out[i] = byOwner[o]
	}
	return out, nil
}

// maxGaps bounds the runs of free numbers that are shown.
const maxGaps = 1000

// Range returns a range of a site, and the first runs of numbers in it that are free. Refusal: NOT_FOUND.
func (b *Book) Range(ctx context.Context, account, site, id uuid.UUID) (store.Range, []number.Span, error) {
	ranges, err := b.store.SiteRanges(ctx, account, site)
	if err != nil {
		return store.Range{}, nil, err
	}
	i := slices.IndexFunc(ranges, func(r store.Range) bool { return r.ID == id })
	if i < 0 {
		return store.Range{}, nil, errs.New(commonv1.Reason_NOT_FOUND, "the extension range does not exist").
			With("resource", names.Range(account, site, id))
	}
	gaps, err := b.store.Gaps(ctx, account, ranges[i].Span, b.clock.Now(), maxGaps)
	if err != nil {
		return store.Range{}, nil, err
	}
	var free []number.Span
	for _, g := range gaps {
		for _, n := range b.reserved.In(g) { // emergency numbers have no rows
			if n > g.From {
				free = append(free, number.Span{From: g.From, To: n - 1})
			}
			g.From = n + 1
		}
		if g.From <= g.To {
			free = append(free, g)
		}
	}
	return ranges[i], free[:min(len(free), maxGaps)], nil
}

// CountUsed returns how many numbers of each range are not free.
func (b *Book) CountUsed(ctx context.Context, queries []store.UseQuery) ([]int64, error) {
	counts, err := b.store.CountUsed(ctx, queries, b.reserved.All(), b.clock.Now())
	if err != nil {
		return nil, err
	}
	for i, q := range queries {
		counts[i] += int64(len(b.reserved.In(q.Span)))
	}
	return counts, nil
}
