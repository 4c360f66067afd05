package importing

import (
	"context"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
)

// carryOutAssigns gives licences to those that have none.
func (c *chunk) carryOutAssigns(ctx context.Context) {
	items := c.open(func(it *item) bool { return it.live == nil })
	groups := group(items, func(it *item) string { return it.siteID.String() + it.packageID.String() })
	s := &step{c: c, call: c.assign, preview: c.previewAssign, succeed: func(it *item) {
		it.done(model.RowAssigned, it.who.PhoneUserID)
	}}
	s.run(ctx, batches(groups, c.cfg.Batch))
}

func (c *chunk) assign(ctx context.Context, items []*item) error {
	a := provisioning.Assignment{
		Account: c.m.AccountID, Caller: caller(c.m), SiteID: items[0].siteID, PackageID: items[0].packageID,
	}
	for _, it := range items {
		a.Assignees = append(a.Assignees, it.who)
	}
	_, err := c.Engine.Assign(ctx, a)
	return err
}

// previewAssign asks the other services about one licence. The order of refusals is that of the operation.
func (c *chunk) previewAssign(ctx context.Context, it *item) error {
	owner := []uuid.UUID{it.who.PhoneUserID}
	var extensionErr, packageErr error
	var both errgroup.Group
	both.Go(func() error {
		_, extensionErr = c.Extensions.Allocate(ctx, c.m.AccountID, it.siteID, owner, []string{it.who.Extension}, true)
		return nil
	})
	if it.packageID != uuid.Nil {
		both.Go(func() error {
			_, packageErr = c.Numbering.AssignPackages(ctx, c.m.AccountID, it.packageID, owner, [][]string{it.who.PhoneNumbers}, true)
			return nil
		})
	}
	_ = both.Wait()
	if packageErr != nil {
		return packageErr
	}
	return extensionErr
}
