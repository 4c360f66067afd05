package importing

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// listPage is how many sites or templates are read at a time.
const listPage = 1000

// lookups are what the rows of a chunk name, each kind found with one statement or call.
type lookups struct {
	sites     *named[model.Site]
	templates *named[model.Template]
	packages  *named[Package]
	people    map[string]model.User
	rooms     map[string]model.Room    // by folded name
	roomsByID map[uuid.UUID]model.Room // those named by resource name
	licences  map[uuid.UUID]model.PhoneUser
	// done are the phone users that rows of this import have made before.
	done map[uuid.UUID]bool
	// taken are the assignees that rows of the chunk are for, by the number of the first.
	taken map[uuid.UUID]int
}

func (c *chunk) lookUp(ctx context.Context) (*lookups, error) {
	l := &lookups{
		templates: newNamed(columnTemplate, func(*model.Template) string { return "" }),
		packages:  newNamed(columnPackage, func(*Package) string { return "" }), taken: map[uuid.UUID]int{},
	}
	var all errgroup.Group
	all.Go(func() (err error) { l.sites, err = c.siteNames(ctx, c.m.AccountID); return err })
	if c.uses(columnTemplate) {
		all.Go(func() (err error) { l.templates, err = c.templateNames(ctx, c.m.AccountID); return err })
	}
	if c.uses(columnPackage) {
		all.Go(func() (err error) { l.packages, err = c.packageNames(ctx, c.m.AccountID); return err })
	}
	all.Go(func() error { return c.lookUpPeople(ctx, l) })
	return l, all.Wait()
}

// lookUpPeople finds people and rooms, their licences, and what the import has done for them before.
func (c *chunk) lookUpPeople(ctx context.Context, l *lookups) (err error) {
	var emails, names []string
	var rooms, begun []uuid.UUID
	for _, it := range c.items {
		if cells := &it.row.Cells; cells.Email != "" {
			emails = append(emails, model.EmailKey(cells.Email))
		} else if id, ok := c.roomID(cells.Room); ok {
			rooms = append(rooms, id)
		} else {
			names = append(names, model.Fold(cells.Room))
		}
		if it.row.Number <= c.m.BegunRow && !c.m.ValidateOnly {
			begun = append(begun, phoneUserID(c.m, it.row.Number))
		}
	}
	if l.people, err = c.Store.FindUsers(ctx, c.m.AccountID, emails); err != nil {
		return err
	}
	if l.rooms, err = c.Store.FindRooms(ctx, c.m.AccountID, names); err != nil {
		return err
	}
	if l.roomsByID, err = c.Store.GetRooms(ctx, c.m.AccountID, rooms); err != nil {
		return err
	}
	// What was done is asked before who has a licence now: of a licence that is assigned in between the row learns by the second.
	if l.done, err = c.Store.LoggedPhoneUsers(ctx, c.m.AccountID, begun); err != nil {
		return err
	}
	l.licences, err = c.Store.FindLicences(ctx, c.m.AccountID, l.assignees())
	return err
}

func (c *chunk) roomID(text string) (uuid.UUID, bool) {
	owner, id, err := model.ParseRoom(text)
	return id, err == nil && owner == c.m.AccountID
}

func (l *lookups) assignees() []uuid.UUID {
	var ids []uuid.UUID
	for _, u := range l.people {
		ids = append(ids, u.ID)
	}
	for _, r := range l.rooms {
		ids = append(ids, r.ID)
	}
	for id := range l.roomsByID {
		ids = append(ids, id)
	}
	return ids
}

// uses says whether a row of the chunk says anything in a column.
func (c *chunk) uses(column string) bool {
	return slices.ContainsFunc(c.items, func(it *item) bool { return *cell(&it.row.Cells, column) != "" })
}

// siteNames, templateNames and packageNames are all there are in an account.
func (im *Importer) siteNames(ctx context.Context, account uuid.UUID) (*named[model.Site], error) {
	n := newNamed(columnSite, func(s *model.Site) string { return s.DisplayName })
	err := pages(func(last *model.Site) ([]model.Site, error) {
		var after *store.SiteCursor
		if last != nil {
			after = &store.SiteCursor{Main: last.IsMain, Key: model.Fold(last.DisplayName)}
		}
		return im.Store.ListSites(ctx, account, after, listPage)
	}, func(s model.Site) { n.add(s, s.ID, model.SiteName(account, s.ID), s.DisplayName, s.SiteCode) })
	return n, err
}

func (im *Importer) templateNames(ctx context.Context, account uuid.UUID) (*named[model.Template], error) {
	n := newNamed(columnTemplate, func(t *model.Template) string { return t.DisplayName })
	err := pages(func(last *model.Template) ([]model.Template, error) {
		var after *store.NameCursor
		if last != nil {
			after = &store.NameCursor{Key: model.Fold(last.DisplayName), ID: last.ID}
		}
		return im.Store.ListTemplates(ctx, account, after, listPage)
	}, func(t model.Template) { n.add(t, t.ID, model.TemplateName(account, t.ID), t.DisplayName) })
	return n, err
}

func (im *Importer) packageNames(ctx context.Context, account uuid.UUID) (*named[Package], error) {
	n := newNamed(columnPackage, func(p *Package) string { return p.DisplayName })
	packages, err := im.Catalogue.Packages(ctx, account)
	for _, p := range packages {
		n.add(p, p.ID, model.PackageName(account, p.ID), p.DisplayName)
	}
	return n, err
}

// pages reads a list to its end.
func pages[T any](read func(last *T) ([]T, error), each func(T)) error {
	var last *T
	for {
		found, err := read(last)
		if err != nil {
			return err
		}
		for _, v := range found {
			each(v)
		}
		if len(found) < listPage {
			return nil
		}
		last = &found[len(found)-1]
	}
}

// named finds things by their resource name, display name or code, in this order.
type named[T any] struct {
	column      string
	displayName func(v *T) string
	all         []T
	byID        map[uuid.UUID]int
	byName      map[string]int // display names, folded, and resource names
	byCode      map[string]int
}

func newNamed[T any](column string, displayName func(v *T) string) *named[T] {
	return &named[T]{column: column, displayName: displayName, byID: map[uuid.UUID]int{}, byName: map[string]int{}, byCode: map[string]int{}}
}

func (n *named[T]) add(v T, id uuid.UUID, resource, name string, codes ...string) {
	i := len(n.all)
	n.all = append(n.all, v)
	n.byID[id], n.byName[resource], n.byName[model.Fold(name)] = i, i, i
	for _, code := range codes {
		if code != "" {
			n.byCode[model.Fold(code)] = i
		}
	}
}

// find finds what a cell names or refuses with NOT_FOUND.
func (n *named[T]) find(text string) (*T, error) {
	for _, index := range []map[string]int{n.byName, n.byCode} {
		for _, key := range []string{text, model.Fold(text)} {
			if i, ok := index[key]; ok {
				return &n.all[i], nil
			}
		}
	}
	hint := ""
	if near := n.closest(text); near != "" {
		hint = fmt.Sprintf(": did you mean %q?", near)
	}
	return nil, notFound(n.column, text, "there is no %s %q%s", n.column, abbreviate(text), hint)
}

func (n *named[T]) closest(text string) string {
	if len(n.all) > 100 { // comparing every unknown name with all of them is not worth the time
		return ""
	}
	names := make([]string, len(n.all))
	for i := range n.all {
		names[i] = n.displayName(&n.all[i])
	}
	return closest(text, names)
}

func notFound(column, resource, format string, args ...any) error {
	e := errs.New(commonv1.Reason_NOT_FOUND, format, args...).With("resource", resource)
	return e.Violation(column, strings.TrimSuffix(e.Message(), "?"))
}
