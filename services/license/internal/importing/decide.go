package importing

import (
	"slices"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
	"github.com/switchboard-phone/switchboard/services/license/internal/view"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// decide finds out what a row is to do: it ends the item, leaves it for later, or fills in what an operation needs.
func (c *chunk) decide(it *item) {
	if err := c.decideWho(it); err != nil {
		c.refuseUnlessBegun(it, err)
		return
	}
	derived := phoneUserID(c.m, it.row.Number)
	live, licensed := c.found.licences[it.who.ID]
	switch {
	case c.found.done[derived], licensed && live.ID == derived && live.SagaID == uuid.Nil:
		it.done(model.RowAssigned, derived)
	case licensed && live.ID == derived: // an operation of this import is on its way still
		it.leave(inProgress(&live))
	case licensed:
		it.live = &live
		c.decideLicensed(it)
	case c.mode == settle: // whatever was begun was undone
	default:
		if err := c.decideAssign(it); err != nil {
			it.refuse(err)
		}
	}
}

// refuseUnlessBegun refuses a row, save while a cancelled import settles: rows that did not get their turn have no outcome.
func (c *chunk) refuseUnlessBegun(it *item, err error) {
	if c.mode != settle {
		it.refuse(err)
	}
}

func inProgress(p *model.PhoneUser) error {
	return errs.New(commonv1.Reason_OPERATION_IN_PROGRESS, "another operation on the phone user is under way").
		With("resource", view.PhoneUserName(p))
}

// decideWho finds the person or room.
func (c *chunk) decideWho(it *item) error {
	cells := &it.row.Cells
	if cells.Email != "" {
		u, ok := c.found.people[model.EmailKey(cells.Email)]
		if !ok {
			return notFound(columnEmail, cells.Email, "there is no person with the e-mail address %q", abbreviate(cells.Email))
		}
		it.who = provisioning.Assignee{Kind: model.KindUser, ID: u.ID, DisplayName: u.DisplayName, Email: u.Email}
		if _, licensed := c.found.licences[u.ID]; !licensed && u.Status == model.UserPending {
			return userPending(it)
		}
	} else {
		room, ok := c.found.rooms[model.Fold(cells.Room)]
		if id, named := c.roomID(cells.Room); named {
			room, ok = c.found.roomsByID[id]
		}
		if !ok {
			return notFound(columnRoom, cells.Room, "there is no room %q", abbreviate(cells.Room))
		}
		it.who = provisioning.Assignee{Kind: model.KindRoom, ID: room.ID, DisplayName: room.DisplayName}
	}
	if first, twice := c.found.taken[it.who.ID]; twice {
		return duplicate(columnRoom, cells.Key(), first)
	}
	c.found.taken[it.who.ID] = it.row.Number
	return nil
}

func userPending(it *item) error {
	return errs.New(commonv1.Reason_USER_PENDING, "%s has not confirmed the account yet", it.who.DisplayName).
		Violation(columnEmail, "has not confirmed the account")
}

// decideAssign works out the licence that a row gives.
func (c *chunk) decideAssign(it *item) (err error) {
	cells := &it.row.Cells
	if it.siteID, err = c.siteOfNew(cells.Site); err != nil {
		return err
	}
	if it.who.Settings, err = c.settings(cells.Template, it.siteID); err != nil {
		return err
	}
	if it.who.Settings == nil {
		it.who.Settings = &licensev1.Settings{}
	}
	if cells.Package != "" && cells.Package != clearCell {
		if it.packageID, err = c.activePackage(cells.Package); err != nil {
			return err
		}
	}
	it.who.Extension = cells.Extension
	if it.who.PhoneNumbers, _, err = readPhoneNumbers(cells.PhoneNumbers); err != nil {
		return err
	}
	if len(it.who.PhoneNumbers) > 0 && it.packageID == uuid.Nil {
		return packageRequired(it)
	}
	it.who.PhoneUserID = phoneUserID(c.m, it.row.Number)
	return nil
}

func packageRequired(it *item) error {
	return errs.New(commonv1.Reason_PACKAGE_REQUIRED, "%s has no package, which a direct number needs: name one", it.who.DisplayName).
		Violation(columnPhoneNumbers, "needs a package")
}

// siteOfNew is the site named, or the only one there is.
func (c *chunk) siteOfNew(text string) (uuid.UUID, error) {
	if text == "" {
		if all := c.found.sites.all; len(all) == 1 {
			return all[0].ID, nil
		}
		return uuid.Nil, errs.New(commonv1.Reason_SITE_REQUIRED, "the account has several sites: name the one that is meant").
			Violation(columnSite, "must be filled")
	}
	site, err := c.found.sites.find(text)
	if err != nil {
		return uuid.Nil, err
	}
	return site.ID, nil
}

// settings are those of the template named, for use at a site: nil to leave them alone, the defaults for "-".
func (c *chunk) settings(text string, site uuid.UUID) (*licensev1.Settings, error) {
	switch text {
	case "":
		return nil, nil //nolint:nilnil // nil settings mean: leave alone
	case clearCell:
		return &licensev1.Settings{}, nil
	}
	t, err := c.found.templates.find(text)
	switch {
	case err != nil:
		return nil, err
	case t.SiteID != uuid.Nil && t.SiteID != site:
		return nil, errs.New(commonv1.Reason_TEMPLATE_SITE_MISMATCH,
			"the template %q belongs to another site: take one of this site or one for every site", t.DisplayName).
			With("template", model.TemplateName(t.AccountID, t.ID)).With("site", model.SiteName(t.AccountID, t.SiteID)).
			Violation(columnTemplate, "belongs to another site")
	case t.Settings == nil:
		return &licensev1.Settings{}, nil
	}
	return t.Settings, nil
}

func (c *chunk) activePackage(text string) (uuid.UUID, error) {
	p, err := c.found.packages.find(text)
	switch {
	case err != nil:
		return uuid.Nil, err
	case !p.Active:
		return uuid.Nil, errs.New(commonv1.Reason_PACKAGE_INACTIVE, "the package %q is inactive and cannot be assigned", p.DisplayName).
			With("package", model.PackageName(c.m.AccountID, p.ID)).Violation(columnPackage, "is inactive")
	}
	return p.ID, nil
}

// decideLicensed deals with a row for somebody who has a licence.
func (c *chunk) decideLicensed(it *item) {
	p := it.live
	switch {
	case c.m.AssignOnly:
		c.refuseUnlessBegun(it, errs.New(commonv1.Reason_ALREADY_LICENSED, "%s has a phone licence already", it.who.DisplayName).
			With("phone_user", view.PhoneUserName(p)))
		return
	case p.State == model.StatePending:
		c.refuseUnlessBegun(it, userPending(it))
		return
	case p.SagaID != uuid.Nil:
		if c.mode != settle || it.row.Changing {
			it.leave(inProgress(p))
		}
		return
	}
	err := c.decideChange(it)
	switch {
	case err != nil:
		c.refuseUnlessBegun(it, err)
	case it.change.any(): // to be carried out, unless the import only settles
	case it.row.Changing:
		it.done(model.RowUpdated, p.ID)
	case c.mode != settle:
		it.done(model.RowUnchanged, p.ID)
	}
}

// decideChange works out what a row changes of a phone user.
func (c *chunk) decideChange(it *item) error {
	cells, p, ch := &it.row.Cells, it.live, &it.change
	site := p.SiteID
	if cells.Site != "" {
		named, err := c.found.sites.find(cells.Site)
		if err != nil {
			return err
		}
		if site = named.ID; site != p.SiteID {
			ch.site = &site
		}
	}
	// The present number is still a wish when the site changes: that one need not have it.
	if cells.Extension != "" && (ch.site != nil || cells.Extension != p.ExtensionNumber) {
		ch.extension = &cells.Extension
	}
	settings, err := c.settings(cells.Template, site)
	if err != nil {
		return err
	}
	if settings != nil && !sameSettings(settings, p.Settings) {
		ch.settings = settings
	}
	return c.decideHolding(it)
}

func sameSettings(a, b *licensev1.Settings) bool {
	if b == nil {
		b = &licensev1.Settings{}
	}
	return proto.Equal(a, b)
}

// decideHolding works out what a row changes of package and direct numbers. The numbers named are those to have: others are taken.
func (c *chunk) decideHolding(it *item) error {
	cells, p, ch := &it.row.Cells, it.live, &it.change
	has := p.PackageID
	switch cells.Package {
	case "":
	case clearCell:
		if has = uuid.Nil; p.PackageID != has || len(p.PhoneNumbers) > 0 {
			ch.packageID = &has
		}
	default:
		named, err := c.found.packages.find(cells.Package)
		if err != nil {
			return err
		}
		if has = named.ID; has != p.PackageID {
			if _, err := c.activePackage(cells.Package); err != nil {
				return err
			}
			ch.packageID = &has
		}
	}
	if cells.PhoneNumbers == "" {
		return nil
	}
	wanted, _, err := readPhoneNumbers(cells.PhoneNumbers)
	if err != nil {
		return err
	}
	if has == uuid.Nil { // no package, no numbers: those held go with it
		if len(wanted) > 0 {
			return packageRequired(it)
		}
		return nil
	}
	ch.add, ch.take = without(wanted, p.PhoneNumbers), without(p.PhoneNumbers, wanted)
	return nil
}

// without are the elements of a that are not in b.
func without(a, b []string) []string {
	var out []string
	for _, s := range a {
		if !slices.Contains(b, s) {
			out = append(out, s)
		}
	}
	return out
}
