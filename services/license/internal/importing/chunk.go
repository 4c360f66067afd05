package importing

import (
	"context"
	"errors"

	"github.com/google/uuid"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// errUnfinished is why a row is left for later when the worker stops before it.
var errUnfinished = errors.New("the worker stopped before this row")

// chunk is some rows of an import that are looked up, carried out and recorded together.
type chunk struct {
	*run
	mode  mode
	items []*item
	found *lookups
}

// item is a row on its way. It ends with an outcome, or is left for later with what is in the way, or (in mode settle) is left alone.
type item struct {
	row model.ImportRow
	// who is the person or room, with the id of the phone user that the row would make, the settings, and what is wished of
	// extension and direct numbers.
	who provisioning.Assignee
	// live is the phone user that there is; nil without a licence.
	live *model.PhoneUser
	// siteID is the site of a new phone user, packageID its package (uuid.Nil for none).
	siteID, packageID uuid.UUID
	// change is what is to be changed of a phone user that there is.
	change change
	// changed says that a part of change was carried out.
	changed bool
	// returned says that the row was named by a refusal that did not hold when asked about the row alone.
	returned bool

	outcome model.ImportOutcome
	err     error // why refused, or why left for later
	later   bool
}

// change is what a row changes of a phone user. What is nil or empty stays.
type change struct {
	site      *uuid.UUID
	extension *string
	settings  *licensev1.Settings
	// packageID is the package to have; uuid.Nil for none.
	packageID *uuid.UUID
	add, take []string
}

func (ch *change) record() bool { return ch.site != nil || ch.extension != nil || ch.settings != nil }

func (ch *change) any() bool {
	return ch.record() || ch.packageID != nil || len(ch.add) > 0 || len(ch.take) > 0
}

func (it *item) done(outcome model.ImportOutcome, phoneUser uuid.UUID) {
	it.outcome, it.row.PhoneUserID, it.err = outcome, phoneUser, nil
}

// refuse ends an item with the error of its row.
func (it *item) refuse(err error) {
	if e, ok := errs.From(err); ok && it.changed {
		err = withNote(e, "; other changes of this row were made")
	}
	it.outcome, it.err = model.RowFailed, err
}

func withNote(e *errs.Error, note string) error {
	out := errs.New(e.Reason(), "%s%s", e.Message(), note)
	for k, v := range e.Metadata() {
		out = out.With(k, v)
	}
	return out
}

// leave leaves an item for later.
func (it *item) leave(err error) { it.later, it.err = true, err }

// open says whether an item is still to be dealt with.
func (it *item) open() bool { return it.outcome == model.RowPending && !it.later }

func (r *run) newChunk(rows []model.ImportRow, how mode) *chunk {
	c := &chunk{run: r, mode: how}
	for _, row := range rows {
		c.items = append(c.items, &item{row: row})
	}
	return c
}

// process deals with every item of the chunk.
func (c *chunk) process(ctx context.Context) {
	found, err := c.lookUp(ctx)
	if err != nil {
		c.each(func(it *item) { it.leave(err) })
		return
	}
	c.found = found
	if c.m.ValidateOnly {
		c.validate(ctx)
		return
	}
	c.each(c.decide)
	if c.mode == settle {
		return
	}
	c.carryOutChanges(ctx)
	c.carryOutAssigns(ctx)
}

// each deals with the open items in order.
func (c *chunk) each(do func(it *item)) {
	for _, it := range c.items {
		if it.open() {
			do(it)
		}
	}
}

// open are the open items for which want holds.
func (c *chunk) open(want func(it *item) bool) []*item {
	var out []*item
	c.each(func(it *item) {
		if want(it) {
			out = append(out, it)
		}
	})
	return out
}

// trouble says whether items were left for later for a reason that others would meet too.
func (c *chunk) trouble() bool {
	for _, it := range c.items {
		if it.later && !inTheWay(it.err) {
			return true
		}
	}
	return false
}

// inTheWay says whether an item was left for later for what another operation does with its own phone user.
func inTheWay(err error) bool {
	switch errs.Reason(err) {
	case commonv1.Reason_OPERATION_IN_PROGRESS, commonv1.Reason_ALREADY_LICENSED, commonv1.Reason_ETAG_MISMATCH:
		return true
	}
	return false
}

// outcomes are the rows that have an outcome now, and the number of those left for later.
func (c *chunk) outcomes() (rows []model.ImportRow, deferred int) {
	for _, it := range c.items {
		if it.later && c.mode == giveUp && !errors.Is(it.err, errUnfinished) {
			it.later = false
			it.refuse(it.err)
		}
		switch {
		case it.later:
			deferred++
		case it.outcome != model.RowPending:
			it.row.Outcome = it.outcome
			if it.outcome == model.RowFailed {
				it.row.Error = failure(it.err, blamedColumn(errs.Reason(it.err)))
			}
			rows = append(rows, it.row)
		}
	}
	return rows, deferred
}
