package importing

import (
	"context"

	"github.com/google/uuid"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
)

// carryOutChanges makes the phone users of those that have a licence what their rows say: site, extension and settings in one
// operation, then package and numbers to be had, then numbers to be given up. A row ends with the first refusal.
func (c *chunk) carryOutChanges(ctx context.Context) {
	items := c.open(func(it *item) bool { return it.live != nil })
	if len(items) == 0 {
		return
	}
	rows := make([]int, len(items))
	for i, it := range items {
		rows[i] = it.row.Number
	}
	// From here on a phone user that is as the row says was made so by this import, whatever process finds it.
	if err := c.Store.MarkChanging(ctx, c.m, rows); err != nil {
		for _, it := range items {
			it.leave(err)
		}
		return
	}
	c.checkHoldings(ctx)
	for _, p := range c.parts() {
		c.changePart(ctx, p)
	}
	for _, it := range items {
		if it.open() {
			it.done(model.RowUpdated, it.live.ID)
		}
	}
}

// part is a part of changes that is carried out by one kind of operation.
type part struct {
	// want says whether there is such a part in a change, forget takes it off the list.
	want   func(ch *change) bool
	forget func(ch *change)
	// call is the operation, for at most size items with the same key.
	call    func(ctx context.Context, items []*item) error
	size    int
	key     func(it *item) string
	preview func(ctx context.Context, it *item) error
}

func (c *chunk) changePart(ctx context.Context, p part) {
	items := c.open(func(it *item) bool { return it.live != nil && p.want(&it.change) })
	s := &step{c: c, call: p.call, preview: p.preview, succeed: func(it *item) {
		p.forget(&it.change)
		it.changed = true
	}}
	s.run(ctx, batches(group(items, p.key), p.size))
}

func together(*item) string { return "" }

// parts are all parts, in the order in which they are carried out. Numbers are given before others are taken, so that a refusal
// leaves the phone user those it has.
func (c *chunk) parts() []part {
	forgetPackage := func(ch *change) { ch.packageID, ch.add = nil, nil }
	return []part{{
		want:   (*change).record,
		forget: func(ch *change) { ch.site, ch.extension, ch.settings = nil, nil, nil },
		call:   c.changeRecord, size: 1, key: together,
	}, {
		want:   func(ch *change) bool { return ch.packageID != nil && *ch.packageID == uuid.Nil },
		forget: forgetPackage,
		call: func(ctx context.Context, items []*item) error {
			_, err := c.Engine.RemovePackages(ctx, c.targets(items))
			return err
		}, size: c.cfg.Batch, key: together,
	}, {
		want:   func(ch *change) bool { return ch.packageID != nil },
		forget: forgetPackage,
		call:   c.changePackage, size: c.cfg.Batch, key: func(it *item) string { return it.change.packageID.String() },
		preview: c.previewHolding,
	}, {
		want:   func(ch *change) bool { return len(ch.add) > 0 },
		forget: func(ch *change) { ch.add = nil },
		call: func(ctx context.Context, items []*item) error {
			_, err := c.Engine.AssignNumbers(ctx, c.targets(items), items[0].change.add)
			return err
		}, size: 1, key: together,
	}, {
		want:   func(ch *change) bool { return len(ch.take) > 0 },
		forget: func(ch *change) { ch.take = nil },
		call: func(ctx context.Context, items []*item) error {
			_, err := c.Engine.UnassignNumbers(ctx, c.targets(items), items[0].change.take)
			return err
		}, size: 1, key: together,
	}}
}

func (c *chunk) changeRecord(ctx context.Context, items []*item) error {
	ch := &items[0].change
	u := provisioning.Update{
		Account: c.m.AccountID, Caller: caller(c.m), PhoneUser: items[0].live.ID, SiteID: ch.site, Extension: ch.extension,
	}
	if ch.settings != nil {
		u.Settings = func(*licensev1.Settings) *licensev1.Settings { return ch.settings }
	}
	_, err := c.Engine.Update(ctx, u)
	return err
}

func (c *chunk) changePackage(ctx context.Context, items []*item) error {
	numbers := make([][]string, len(items))
	for i, it := range items {
		numbers[i] = it.change.add
	}
	_, err := c.Engine.AssignPackage(ctx, c.targets(items), *items[0].change.packageID, numbers)
	return err
}

// checkHoldings refuses rows whose package or numbers are not to be had, before anything else of them is done.
func (c *chunk) checkHoldings(ctx context.Context) {
	items := c.open(func(it *item) bool {
		return it.live != nil && it.change.record() && it.change.packageID != nil && *it.change.packageID != uuid.Nil
	})
	s := &step{c: c, succeed: func(*item) {}, call: func(ctx context.Context, items []*item) error {
		return c.previewHolding(ctx, items[0])
	}}
	s.run(ctx, batches(group(items, together), 1))
}

// previewHolding asks the numbering service about the package and the numbers that one phone user shall have.
func (c *chunk) previewHolding(ctx context.Context, it *item) error {
	_, err := c.Numbering.AssignPackages(ctx, c.m.AccountID, *it.change.packageID, []uuid.UUID{it.live.ID}, [][]string{it.change.add}, true)
	return err
}

func (c *chunk) targets(items []*item) provisioning.Targets {
	t := provisioning.Targets{Account: c.m.AccountID, Caller: caller(c.m)}
	for _, it := range items {
		t.PhoneUsers = append(t.PhoneUsers, it.live.ID)
	}
	return t
}
