package importing

import (
	"context"

	"github.com/google/uuid"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// validate finds out what would become of the rows of a chunk. What rows take of seats and numbers adds up over the whole file,
// in the order of rows; what they would give back is not counted, since it depends on the order of things.
func (c *chunk) validate(ctx context.Context) {
	c.each(c.decide)
	if c.budget == nil {
		account, err := c.Store.GetAccount(ctx, c.m.AccountID)
		if err != nil {
			c.each(func(it *item) { it.leave(err) })
			return
		}
		c.budget = newBudget(account, c.m.Tally)
	}
	c.checkExtensions(ctx)
	c.checkNumbers(ctx)
	c.each(func(it *item) { c.spend(ctx, it) })
	c.each(func(it *item) {
		if it.live == nil {
			it.done(model.RowAssigned, uuid.Nil)
		} else {
			it.done(model.RowUpdated, it.live.ID)
		}
	})
}

// wish is the extension number that a row wants, and the site; "" for none.
func (it *item) wish() (number string, site uuid.UUID) {
	switch {
	case it.live == nil:
		return it.who.Extension, it.siteID
	case it.change.extension == nil:
		return "", uuid.Nil
	case it.change.site != nil:
		return *it.change.extension, *it.change.site
	}
	return *it.change.extension, it.live.SiteID
}

// checkExtensions refuses wishes for extension numbers that are not to be had.
func (c *chunk) checkExtensions(ctx context.Context) {
	bySite := group(c.open(func(it *item) bool {
		number, _ := it.wish()
		return number != ""
	}), func(it *item) string {
		_, site := it.wish()
		return site.String()
	})
	for _, key := range sortedByFirst(bySite) {
		items := bySite[key]
		_, site := items[0].wish()
		numbers := make([]string, len(items))
		for i, it := range items {
			numbers[i], _ = it.wish()
		}
		answers, err := c.Catalogue.CheckExtensions(ctx, c.m.AccountID, site, numbers)
		for i, it := range items {
			switch {
			case err != nil:
				it.leave(err)
			case answers[i] != nil:
				it.refuse(answers[i])
			}
		}
	}
}

// checkNumbers refuses direct numbers that are not to be had.
func (c *chunk) checkNumbers(ctx context.Context) {
	items := c.open(func(it *item) bool { return len(it.numbers()) > 0 && c.assignable(it.packageToHave()) })
	s := &step{c: c, succeed: func(*item) {}, call: c.previewNumbers, preview: func(ctx context.Context, it *item) error {
		return c.previewNumbers(ctx, []*item{it})
	}}
	s.run(ctx, batches(group(items, func(it *item) string { return it.packageToHave().String() }), c.cfg.Batch))
}

// numbers are the direct numbers that a row assigns.
func (it *item) numbers() []string {
	if it.live == nil {
		return it.who.PhoneNumbers
	}
	return it.change.add
}

// packageToHave is the package that the phone user of a row will have; uuid.Nil for none.
func (it *item) packageToHave() uuid.UUID {
	switch {
	case it.live == nil:
		return it.packageID
	case it.change.packageID != nil:
		return *it.change.packageID
	}
	return it.live.PackageID
}

// assignable says whether a package can be asked about: numbers can also be added to an inactive one, which nobody can be given.
func (c *chunk) assignable(id uuid.UUID) bool {
	i, known := c.found.packages.byID[id]
	return !known || c.found.packages.all[i].Active
}

func (c *chunk) previewNumbers(ctx context.Context, items []*item) error {
	owners, numbers := make([]uuid.UUID, len(items)), make([][]string, len(items))
	for i, it := range items {
		if owners[i] = it.who.PhoneUserID; it.live != nil {
			owners[i] = it.live.ID
		}
		numbers[i] = it.numbers()
	}
	_, err := c.Numbering.AssignPackages(ctx, c.m.AccountID, items[0].packageToHave(), owners, numbers, true)
	return err
}

// budget counts what the rows looked at so far would take.
type budget struct {
	account model.Account
	spent   model.ImportTally
	// free is how many extension numbers are free, by site, as asked.
	free map[uuid.UUID]int
}

func newBudget(account model.Account, spent model.ImportTally) *budget {
	if spent.Extensions == nil {
		spent.Extensions = map[uuid.UUID]int{}
	}
	if spent.Packages == nil {
		spent.Packages = map[uuid.UUID]int{}
	}
	return &budget{account: account, spent: spent, free: map[uuid.UUID]int{}}
}

func (b *budget) tally() model.ImportTally { return b.spent }

// spend counts what a row takes, or refuses it when there is not enough left.
func (c *chunk) spend(ctx context.Context, it *item) {
	b := c.budget
	seats := boolInt(it.live == nil)
	if a := &b.account; seats > 0 && a.Taken+b.spent.Seats >= a.Seats {
		it.refuse(store.LicenseExhausted(a.Seats, a.Taken+b.spent.Seats, 1))
		return
	}
	site := it.siteID
	if it.change.site != nil {
		site = *it.change.site
	}
	if site != uuid.Nil {
		if _, asked := b.free[site]; !asked {
			free, err := c.Catalogue.FreeExtensions(ctx, c.m.AccountID, site)
			if err != nil {
				it.leave(err)
				return
			}
			b.free[site] = free
		}
		if b.spent.Extensions[site] >= b.free[site] {
			it.refuse(rangeExhausted(c.m.AccountID, site))
			return
		}
	}
	pkg := it.newPackage()
	if i, known := c.found.packages.byID[pkg]; known {
		if p := &c.found.packages.all[i]; p.Assigned+b.spent.Packages[pkg] >= p.Seats {
			it.refuse(packageExhausted(c.m.AccountID, p, p.Assigned+b.spent.Packages[pkg]))
			return
		}
		b.spent.Packages[pkg]++
	}
	if site != uuid.Nil {
		b.spent.Extensions[site]++
	}
	b.spent.Seats += seats
}

// newPackage is the package that a row takes a seat of; uuid.Nil for none.
func (it *item) newPackage() uuid.UUID {
	if it.live != nil && it.change.packageID == nil {
		return uuid.Nil
	}
	return it.packageToHave()
}

func rangeExhausted(account, site uuid.UUID) error {
	return errs.New(commonv1.Reason_EXTENSION_RANGE_EXHAUSTED, "the site's extension ranges have no free number left for this row: add a range").
		With("site", model.SiteName(account, site)).With("requested", "1").With("free", "0")
}

func packageExhausted(account uuid.UUID, p *Package, assigned int) error {
	return errs.New(commonv1.Reason_PACKAGE_SEATS_EXHAUSTED, "the package %q has no free seat left for this row: %d of %d are taken", p.DisplayName, assigned, p.Seats).
		With("package", model.PackageName(account, p.ID)).With("seats", itoa(p.Seats)).With("assigned", itoa(assigned)).With("requested", "1")
}
