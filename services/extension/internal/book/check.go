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
	"github.com/switchboard-phone/switchboard/services/extension/internal/allocator"
	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// States that a number can be in besides those of a stored one. They are the names of extensionv1.Extension_State.
const (
	Free       store.State = "FREE"
	OutOfRange store.State = "OUT_OF_RANGE"
	Invalid    store.State = "INVALID"
	Duplicate  store.State = "DUPLICATE_IN_LIST"
)

// Entry is what callers are told about a number.
type Entry struct {
	// Text is the number as the caller wrote it, Number the same if it is one.
	Text   string
	Number number.Number
	State  store.State
	// Owner is set when the state is ASSIGNED or HELD.
	Owner uuid.UUID
	// QuarantineUntil is set when the state is QUARANTINED.
	QuarantineUntil time.Time
	// Site is the site whose range the number is in; uuid.Nil when it is in none.
	Site uuid.UUID
}

// Check says of each text whether it is a number that could be given out, at the site or, when that is uuid.Nil, at any of the
// account. Refusals: BATCH_EMPTY, BATCH_TOO_LARGE.
func (b *Book) Check(ctx context.Context, account, site uuid.UUID, texts []string) ([]Entry, error) {
	if err := bounded(len(texts)); err != nil {
		return nil, err
	}
	seen := map[number.Number]bool{}
	out := make([]Entry, len(texts))
	for i, text := range texts {
		n, err := number.Parse(text)
		out[i].Text, out[i].Number = text, n
		switch {
		case err != nil:
			out[i].State = Invalid
		case seen[n]:
			out[i].State = Duplicate
		}
		seen[n] = true
	}
	if err := b.describe(ctx, account, site, out); err != nil {
		return nil, err
	}
	return out, nil
}

// describe fills in entries that have no state yet.
func (b *Book) describe(ctx context.Context, account, site uuid.UUID, entries []Entry) error {
	var valid []number.Number
	for _, e := range entries {
		if e.Number != 0 {
			valid = append(valid, e.Number)
		}
	}
	if len(valid) == 0 {
		return nil
	}
	rows, err := b.store.Lookup(ctx, account, valid, b.clock.Now())
	if err != nil {
		return err
	}
	ranges, err := b.store.RangesAcross(ctx, account, slices.Min(valid), slices.Max(valid))
	if err != nil {
		return err
	}
	byNumber := map[number.Number]store.Extension{}
	for _, e := range rows {
		byNumber[e.Number] = e
	}
	for i := range entries {
		e := &entries[i]
		if e.Number == 0 {
			continue
		}
		e.Site = siteOf(ranges, e.Number)
		if e.State == "" {
			b.judge(e, byNumber, site)
		}
	}
	return nil
}

// judge sets the state of a number that is valid and named for the first time.
func (b *Book) judge(entry *Entry, rows map[number.Number]store.Extension, site uuid.UUID) {
	row, used := rows[entry.Number]
	elsewhere := site != uuid.Nil && entry.Site != site
	switch {
	case b.reserved.Contains(entry.Number) && !used, used && row.State == store.Reserved:
		entry.State = store.Reserved
	case used && !elsewhere:
		entry.State, entry.Owner, entry.QuarantineUntil = row.State, row.Owner, row.QuarantineUntil
	case elsewhere, entry.Site == uuid.Nil:
		entry.State = OutOfRange
	default:
		entry.State = Free
	}
}

// siteOf returns the site whose range n is in; ranges are sorted.
func siteOf(ranges []store.Range, n number.Number) uuid.UUID {
	i, ok := slices.BinarySearchFunc(ranges, n, func(r store.Range, n number.Number) int {
		switch {
		case r.To < n:
			return -1
		case r.From > n:
			return 1
		}
		return 0
	})
	if !ok {
		return uuid.Nil
	}
	return ranges[i].Site
}

// bounded refuses lists that are empty or too long.
func bounded(count int) error {
	switch {
	case count == 0:
		return errs.New(commonv1.Reason_BATCH_EMPTY, "name at least one number")
	case count > MaxBatch:
		return errs.New(commonv1.Reason_BATCH_TOO_LARGE, "at most %d numbers can be named at once", MaxBatch).
			With("limit", strconv.Itoa(MaxBatch)).With("count", strconv.Itoa(count))
	}
	return nil
}

// Reserve keeps numbers out of use, all or none, and returns what has become of them. Refusals: BATCH_EMPTY, BATCH_TOO_LARGE,
// EXTENSION_INVALID, DUPLICATE_IN_BATCH, EXTENSION_IN_USE; each blames numbers[i].
func (b *Book) Reserve(ctx context.Context, account uuid.UUID, texts []string) ([]Entry, error) {
	numbers, err := readNumbers(texts)
	if err != nil {
		return nil, err
	}
	if err := distinct(numbers); err != nil {
		return nil, err
	}
	err = b.store.Reserve(ctx, account, numbers, b.clock.Now())
	var taken *store.TakenError
	if errors.As(err, &taken) {
		return nil, inUse(account, numbers, taken.By)
	}
	if err != nil {
		return nil, err
	}
	b.alloc.Used(account, numbers...)
	return b.entries(ctx, account, texts, numbers)
}

func inUse(account uuid.UUID, numbers []number.Number, by []store.Extension) error {
	var all errs.Collector
	for i, n := range numbers {
		for _, e := range by {
			if e.Number == n {
				refused := allocator.InUse(account, e)
				all.Add(field(i), refused.Message(), refused)
			}
		}
	}
	return all.Err()
}

// Unreserve lets reserved numbers be used again and returns what has become of them; others stay as they are. Refusals:
// BATCH_EMPTY, BATCH_TOO_LARGE, EXTENSION_INVALID.
func (b *Book) Unreserve(ctx context.Context, account uuid.UUID, texts []string) ([]Entry, error) {
	numbers, err := readNumbers(texts)
	if err != nil {
		return nil, err
	}
	freed, err := b.store.Unreserve(ctx, account, numbers)
	if err != nil {
		return nil, err
	}
	b.alloc.Freed(account, freed, time.Time{})
	return b.entries(ctx, account, texts, numbers)
}

// entries describes numbers after a change.
func (b *Book) entries(ctx context.Context, account uuid.UUID, texts []string, numbers []number.Number) ([]Entry, error) {
	out := make([]Entry, len(texts))
	for i, text := range texts {
		out[i].Text, out[i].Number = text, numbers[i]
	}
	err := b.describe(ctx, account, uuid.Nil, out)
	return out, err
}

// readNumbers reads a list, and refuses all that is no number.
func readNumbers(texts []string) ([]number.Number, error) {
	if err := bounded(len(texts)); err != nil {
		return nil, err
	}
	out := make([]number.Number, len(texts))
	var refused errs.Collector
	for i, text := range texts {
		n, err := number.Parse(text)
		if err != nil {
			refused.Add(field(i), err.Error(), invalid(text))
		}
		out[i] = n
	}
	if err := refused.Err(); err != nil {
		return nil, err
	}
	return out, nil
}

func distinct(numbers []number.Number) error {
	var refused errs.Collector
	seen := map[number.Number]bool{}
	for i, n := range numbers {
		if seen[n] {
			refused.Add(field(i), "named twice", errs.New(commonv1.Reason_DUPLICATE_IN_BATCH, "the number %s is named twice", n))
		}
		seen[n] = true
	}
	return refused.Err()
}

func field(i int) string { return fmt.Sprintf("numbers[%d]", i) }

// List returns a page of the numbers that are not free, lowest first.
func (b *Book) List(ctx context.Context, account uuid.UUID, page store.List) ([]Entry, error) {
	rows, err := b.store.ListExtensions(ctx, account, page, b.clock.Now())
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	ranges, err := b.store.RangesAcross(ctx, account, rows[0].Number, rows[len(rows)-1].Number)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, len(rows))
	for i, e := range rows {
		entries[i] = Entry{
			Text: e.Number.String(), Number: e.Number, State: e.State, Owner: e.Owner, QuarantineUntil: e.QuarantineUntil,
			Site: siteOf(ranges, e.Number),
		}
	}
	return entries, nil
}
