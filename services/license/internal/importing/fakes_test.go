package importing

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	notificationv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/notification/v1"
	numberingv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/numbering/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
	"github.com/switchboard-phone/switchboard/services/license/internal/view"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
)

// books stands for the extension and the numbering service: it keeps what they would keep, refuses where they would refuse and
// blames by index, and each method is a fault point of its own ("extension.Allocate").
type books struct {
	faults faults.Injector

	mu         sync.Mutex
	ranges     map[uuid.UUID][2]int // first and last extension by site
	extensions map[string]uuid.UUID // number → owner
	byOwner    map[uuid.UUID]string
	next       map[uuid.UUID]int // where to look for a free number, by site
	packages   map[uuid.UUID]*Package
	numbers    map[string]uuid.UUID // direct number → owner, uuid.Nil when available
	holdings   map[uuid.UUID]provisioning.Holding
}

func newBooks(inj faults.Injector) *books {
	return &books{
		faults: inj, ranges: map[uuid.UUID][2]int{}, extensions: map[string]uuid.UUID{}, byOwner: map[uuid.UUID]string{}, next: map[uuid.UUID]int{},
		packages: map[uuid.UUID]*Package{}, numbers: map[string]uuid.UUID{}, holdings: map[uuid.UUID]provisioning.Holding{},
	}
}

// at runs do under the lock between two fault points.
func (b *books) at(ctx context.Context, point string, do func() error) error {
	if err := faults.Before(ctx, b.faults, point); err != nil {
		return err
	}
	b.mu.Lock()
	err := do()
	b.mu.Unlock()
	return faults.After(ctx, b.faults, point, err)
}

type extensionBook struct{ *books }

// refuseWish says why a number cannot be given out; nil when it can.
func (b *books) refuseWish(site uuid.UUID, number string) *errs.Error {
	var n int
	_, _ = fmt.Sscan(number, &n)
	switch {
	case b.extensions[number] != uuid.Nil:
		return errs.New(commonv1.Reason_EXTENSION_IN_USE, "the number %s is in use", number).With("number", number).
			With("holder", b.extensions[number].String()).With("alternatives", "1,2,3")
	case n < b.ranges[site][0] || n > b.ranges[site][1]:
		return errs.New(commonv1.Reason_EXTENSION_OUT_OF_RANGE, "the number %s is in no range of the site", number).With("number", number)
	}
	return nil
}

func (b *books) free(site uuid.UUID) (free int) {
	for n := b.ranges[site][0]; n <= b.ranges[site][1]; n++ {
		if b.extensions[fmt.Sprint(n)] == uuid.Nil {
			free++
		}
	}
	return free
}

func (b *books) lowestFree(site uuid.UUID) string {
	for n := max(b.next[site], b.ranges[site][0]); n <= b.ranges[site][1]; n++ {
		if text := fmt.Sprint(n); b.extensions[text] == uuid.Nil {
			b.next[site] = n
			return text
		}
	}
	return ""
}

func (b *books) give(owner uuid.UUID, number string) {
	b.drop(owner)
	b.extensions[number], b.byOwner[owner] = owner, number
}

func (b *books) drop(owner uuid.UUID) {
	if number, ok := b.byOwner[owner]; ok {
		delete(b.extensions, number)
		delete(b.byOwner, owner)
		clear(b.next)
	}
}

func (x extensionBook) Allocate(ctx context.Context, _, site uuid.UUID, owners []uuid.UUID, wishes []string, validateOnly bool) (out []string, err error) {
	err = x.at(ctx, "extension.Allocate", func() error {
		out = nil
		var refusal *errs.Error
		for i, owner := range owners {
			if len(wishes) == 0 || wishes[i] == "" || x.byOwner[owner] != "" {
				continue
			}
			if no := x.refuseWish(site, wishes[i]); no != nil {
				if refusal == nil {
					refusal = no
				}
				refusal = refusal.Violation(fmt.Sprintf("allocations[%d]", i), no.Message())
			}
		}
		if refusal != nil {
			return refusal
		}
		var given []uuid.UUID
		for i, owner := range owners {
			if x.byOwner[owner] == "" {
				number := ""
				if wishes != nil {
					number = wishes[i]
				}
				if number == "" {
					number = x.lowestFree(site)
				}
				if number == "" {
					for _, o := range given {
						x.drop(o)
					}
					free := x.free(site)
					return errs.New(commonv1.Reason_EXTENSION_RANGE_EXHAUSTED, "%d wanted, %d free", len(owners), free).With("free", fmt.Sprint(free))
				}
				x.give(owner, number)
				given = append(given, owner)
			}
			out = append(out, x.byOwner[owner])
		}
		if validateOnly {
			for _, o := range given {
				x.drop(o)
			}
		}
		return nil
	})
	return out, err
}

func (x extensionBook) Swap(ctx context.Context, _, site, owner uuid.UUID, number string, _ time.Duration) (now string, err error) {
	err = x.at(ctx, "extension.Swap", func() error {
		if now = x.byOwner[owner]; now == number {
			return nil
		}
		if number != "" {
			if no := x.refuseWish(site, number); no != nil {
				return no
			}
		} else if number = x.lowestFree(site); number == "" {
			return errs.New(commonv1.Reason_EXTENSION_RANGE_EXHAUSTED, "none is free").With("free", "0")
		}
		x.give(owner, number)
		now = number
		return nil
	})
	return now, err
}

func (x extensionBook) Release(ctx context.Context, _ uuid.UUID, owners []uuid.UUID, _ time.Duration) error {
	return x.at(ctx, "extension.Release", func() error {
		for _, o := range owners {
			x.drop(o)
		}
		return nil
	})
}

func (extensionBook) Hold(context.Context, uuid.UUID, []uuid.UUID) error { return nil }

func (x extensionBook) Reclaim(_ context.Context, _ uuid.UUID, owners []uuid.UUID) (out []string, err error) {
	for _, o := range owners {
		out = append(out, x.byOwner[o])
	}
	return out, nil
}

type numberBook struct{ *books }

func (n numberBook) AssignPackages(ctx context.Context, _, pkg uuid.UUID, owners []uuid.UUID, numbers [][]string, validateOnly bool) (out []provisioning.Holding, err error) {
	err = n.at(ctx, "numbering.AssignPackages", func() error {
		out = nil
		p := n.packages[pkg]
		switch {
		case p == nil:
			return errs.New(commonv1.Reason_NOT_FOUND, "no such package")
		case !p.Active:
			return errs.New(commonv1.Reason_PACKAGE_INACTIVE, "%s is inactive", p.DisplayName)
		}
		if err := n.refuseNumbers(owners, numbers, "assignments"); err != nil {
			return err
		}
		needed := 0
		for _, o := range owners {
			if n.holdings[o].PackageID != pkg {
				needed++
			}
		}
		if p.Assigned+needed > p.Seats {
			return errs.New(commonv1.Reason_PACKAGE_SEATS_EXHAUSTED, "%d wanted, %d of %d are free", needed, p.Seats-p.Assigned, p.Seats).
				With("seats", fmt.Sprint(p.Seats)).With("assigned", fmt.Sprint(p.Assigned)).With("requested", fmt.Sprint(needed))
		}
		for i, o := range owners {
			h := provisioning.Holding{PackageID: pkg, PackageState: numberingv1.Package_ACTIVE, PhoneNumbers: slices.Clone(n.holdings[o].PhoneNumbers)}
			if numbers != nil {
				h.PhoneNumbers = append(h.PhoneNumbers, without(numbers[i], h.PhoneNumbers)...)
			}
			out = append(out, h)
			if !validateOnly {
				n.hold(o, h)
			}
		}
		return nil
	})
	return out, err
}

func (n numberBook) refuseNumbers(owners []uuid.UUID, numbers [][]string, list string) error {
	var refusal *errs.Error
	for i := range numbers {
		for _, number := range numbers[i] {
			if holder, known := n.numbers[number]; known && (holder == uuid.Nil || holder == owners[i]) {
				continue
			}
			if refusal == nil {
				refusal = errs.New(commonv1.Reason_NUMBER_NOT_AVAILABLE, "%s is not available", number).With("number", number)
			}
			refusal = refusal.Violation(fmt.Sprintf("%s[%d].phone_numbers", list, i), number+" is not available")
		}
	}
	if refusal == nil {
		return nil
	}
	return refusal
}

// hold makes h what the owner holds.
func (n numberBook) hold(owner uuid.UUID, h provisioning.Holding) {
	before := n.holdings[owner]
	if p := n.packages[before.PackageID]; p != nil {
		p.Assigned--
	}
	if p := n.packages[h.PackageID]; p != nil {
		p.Assigned++
	}
	for _, number := range before.PhoneNumbers {
		n.numbers[number] = uuid.Nil
	}
	for _, number := range h.PhoneNumbers {
		n.numbers[number] = owner
	}
	n.holdings[owner] = h
	if h.PackageID == uuid.Nil {
		delete(n.holdings, owner)
	}
}

func (n numberBook) AssignNumbers(ctx context.Context, _, owner uuid.UUID, numbers []string) (h provisioning.Holding, err error) {
	err = n.at(ctx, "numbering.AssignNumbers", func() error {
		if err := n.refuseNumbers([]uuid.UUID{owner}, [][]string{numbers}, "phone_numbers"); err != nil {
			return err
		}
		h = n.holdings[owner]
		h.PhoneNumbers = append(slices.Clone(h.PhoneNumbers), without(numbers, h.PhoneNumbers)...)
		n.hold(owner, h)
		return nil
	})
	return h, err
}

func (n numberBook) UnassignNumbers(ctx context.Context, _, owner uuid.UUID, numbers []string, _ time.Duration) (h provisioning.Holding, err error) {
	err = n.at(ctx, "numbering.UnassignNumbers", func() error {
		h = n.holdings[owner]
		h.PhoneNumbers = without(h.PhoneNumbers, numbers)
		n.hold(owner, h)
		return nil
	})
	return h, err
}

func (n numberBook) Remove(ctx context.Context, _ uuid.UUID, owners []uuid.UUID, _ time.Duration) error {
	return n.at(ctx, "numbering.Remove", func() error {
		for _, o := range owners {
			n.hold(o, provisioning.Holding{})
		}
		return nil
	})
}

func (numberBook) Restore(context.Context, uuid.UUID, []uuid.UUID, []provisioning.Holding, bool) (restored, missing []provisioning.Holding, err error) {
	return nil, nil, errs.New(commonv1.Reason_UNAVAILABLE, "not part of these tests")
}

func (n numberBook) PackageStates(ctx context.Context, _ uuid.UUID) (states view.PackageStates, err error) {
	err = n.at(ctx, "numbering.PackageStates", func() error {
		states = view.PackageStates{}
		for id, p := range n.packages {
			states[id] = numberingv1.Package_INACTIVE
			if p.Active {
				states[id] = numberingv1.Package_ACTIVE
			}
		}
		return nil
	})
	return states, err
}

type catalogue struct{ *books }

func (c catalogue) Packages(ctx context.Context, _ uuid.UUID) (out []Package, err error) {
	err = c.at(ctx, "catalogue.Packages", func() error {
		out = nil
		for _, p := range c.packages {
			out = append(out, *p)
		}
		return nil
	})
	return out, err
}

func (c catalogue) FreeExtensions(ctx context.Context, _, site uuid.UUID) (free int, err error) {
	err = c.at(ctx, "catalogue.FreeExtensions", func() error {
		free = c.free(site)
		return nil
	})
	return free, err
}

func (c catalogue) CheckExtensions(ctx context.Context, _, site uuid.UUID, numbers []string) (out []error, err error) {
	err = c.at(ctx, "catalogue.CheckExtensions", func() error {
		out = make([]error, len(numbers))
		for i, n := range numbers {
			if no := c.refuseWish(site, n); no != nil {
				out[i] = no
			}
		}
		return nil
	})
	return out, err
}

// snapshot is all that the books say, for comparison.
func (b *books) snapshot() (map[uuid.UUID]string, map[uuid.UUID]provisioning.Holding) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.byOwner), maps.Clone(b.holdings)
}

// mailbox counts the messages handed over.
type mailbox struct{}

func (mailbox) Enqueue(context.Context, []*notificationv1.Message) error { return nil }
