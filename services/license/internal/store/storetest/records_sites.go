package storetest

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

func (f *fixture) newSite(name, code string) model.Site {
	return model.Site{AccountID: f.account, ID: newID(), DisplayName: name, SiteCode: code, Revision: 1, CreateTime: stamp()}
}

func (f *fixture) makeSite(t *testing.T, name, code string) model.Site {
	t.Helper()
	st := f.newSite(name, code)
	require.NoError(t, f.store.CreateSite(t.Context(), st, 1000))
	return st
}

// listSites reads all sites in pages of n.
func (f *fixture) listSites(t *testing.T, n int) []model.Site {
	t.Helper()
	var all []model.Site
	var after *store.SiteCursor
	for {
		page, err := f.store.ListSites(t.Context(), f.account, after, n)
		require.NoError(t, err)
		all = append(all, page...)
		if len(page) < n {
			return all
		}
		last := page[n-1]
		after = &store.SiteCursor{Main: last.IsMain, Key: model.Fold(last.DisplayName)}
	}
}

func siteNames(sites []model.Site) []string {
	var names []string
	for _, st := range sites {
		names = append(names, st.DisplayName)
	}
	return names
}

func testSites(t *testing.T, f *fixture) {
	zurich := f.makeSite(t, "Zürich", "ZRH-1")
	f.makeSite(t, "amsterdam", "")
	f.makeSite(t, "Berlin", "")
	for _, n := range []int{1, 2, 3, 10} {
		require.Equal(t, []string{"Main site", "amsterdam", "Berlin", "Zürich"}, siteNames(f.listSites(t, n)), "pages of %d", n)
	}
	got, err := f.other.GetSite(t.Context(), f.account, zurich.ID)
	require.NoError(t, err)
	requireSame(t, zurich, got)
	_, err = f.store.GetSite(t.Context(), f.account, newID())
	requireReason(t, commonv1.Reason_NOT_FOUND, err)
	_, err = f.store.GetSite(t.Context(), newID(), zurich.ID)
	requireReason(t, commonv1.Reason_NOT_FOUND, err)

	updated, err := f.store.UpdateSite(t.Context(), f.account, zurich.ID, func(st model.Site) (model.Site, error) {
		st.DisplayName, st.SiteCode, st.IsMain = "Geneva", "", true
		return st, nil
	})
	require.NoError(t, err)
	require.EqualValues(t, 2, updated.Revision)
	sites := f.listSites(t, 10)
	require.Equal(t, []string{"Geneva", "amsterdam", "Berlin", "Main site"}, siteNames(sites))
	require.False(t, sites[3].IsMain, "the mark has moved")
	require.EqualValues(t, 2, sites[3].Revision, "which is a change of the other site too")
	f.makeSite(t, "Zürich", "zrh-1")

	another := f.newSite("London", "")
	another.IsMain = true
	require.NoError(t, f.store.CreateSite(t.Context(), another, 1000))
	require.Equal(t, "London", f.listSites(t, 1)[0].DisplayName)
	_, err = f.store.UpdateSite(t.Context(), f.account, newID(), func(st model.Site) (model.Site, error) { return st, nil })
	requireReason(t, commonv1.Reason_NOT_FOUND, err)
	_, err = f.store.UpdateSite(t.Context(), newID(), another.ID, func(st model.Site) (model.Site, error) { return st, nil })
	requireReason(t, commonv1.Reason_NOT_FOUND, err)
}

func testSiteNames(t *testing.T, f *fixture) {
	ctx := t.Context()
	lisbon := f.makeSite(t, "Lisbon", "LIS")
	err := f.store.CreateSite(ctx, f.newSite("LISBON", "X"), 1000)
	requireReason(t, commonv1.Reason_NAME_IN_USE, err)
	require.Equal(t, map[string]string{"field": "display_name", "value": "LISBON"}, metadataOf(t, err))
	err = f.store.CreateSite(ctx, f.newSite("Porto", "lis"), 1000)
	requireReason(t, commonv1.Reason_NAME_IN_USE, err)
	require.Equal(t, map[string]string{"field": "site_code", "value": "lis"}, metadataOf(t, err))
	_, err = f.store.UpdateSite(ctx, f.account, f.site, func(st model.Site) (model.Site, error) {
		st.DisplayName = "lisbon"
		return st, nil
	})
	requireReason(t, commonv1.Reason_NAME_IN_USE, err)
	_, err = f.store.UpdateSite(ctx, f.account, lisbon.ID, func(st model.Site) (model.Site, error) {
		st.DisplayName = "LISBON" // its own name in another case
		return st, nil
	})
	require.NoError(t, err)
	foreign := f.newSite("Nowhere", "")
	foreign.AccountID = newID()
	requireReason(t, commonv1.Reason_NOT_FOUND, f.store.CreateSite(ctx, foreign, 1000))

	won := f.race(t, 8, commonv1.Reason_NAME_IN_USE, func(s store.Store, i int) error {
		return s.CreateSite(ctx, f.newSite("Race", fmt.Sprintf("R%d", i)), 1000)
	})
	require.Equal(t, 1, won, "one name, one site")
}

func testSiteLimit(t *testing.T, f *fixture) {
	won := f.race(t, 12, commonv1.Reason_LIMIT_REACHED, func(s store.Store, i int) error {
		return s.CreateSite(t.Context(), f.newSite(label(i), ""), 5)
	})
	require.Equal(t, 4, won, "the main site counts")
	require.Len(t, f.listSites(t, 100), 5)
}

func testResolveSite(t *testing.T, f *fixture) {
	ctx := t.Context()
	id, err := f.store.ResolveSite(ctx, f.account, uuid.Nil)
	require.NoError(t, err)
	require.Equal(t, f.site, id)
	second := f.makeSite(t, "Second", "")
	_, err = f.store.ResolveSite(ctx, f.account, uuid.Nil)
	requireReason(t, commonv1.Reason_SITE_REQUIRED, err)
	id, err = f.store.ResolveSite(ctx, f.account, second.ID)
	require.NoError(t, err)
	require.Equal(t, second.ID, id)
	_, err = f.store.ResolveSite(ctx, f.account, newID())
	requireReason(t, commonv1.Reason_NOT_FOUND, err)
	_, err = f.store.ResolveSite(ctx, newID(), uuid.Nil)
	requireReason(t, commonv1.Reason_NOT_FOUND, err)
}

func testOneMainSite(t *testing.T, f *fixture) {
	var sites []model.Site
	for i := range 6 {
		sites = append(sites, f.makeSite(t, label(i), ""))
	}
	f.race(t, len(sites), commonv1.Reason_REASON_UNSPECIFIED, func(s store.Store, i int) error {
		_, err := s.UpdateSite(t.Context(), f.account, sites[i].ID, func(st model.Site) (model.Site, error) {
			st.IsMain = true
			return st, nil
		})
		return err
	})
	mains := 0
	for _, st := range f.listSites(t, 100) {
		if st.IsMain {
			mains++
		}
	}
	require.Equal(t, 1, mains)
}

func testDeleteSite(t *testing.T, f *fixture) {
	ctx := t.Context()
	st := f.makeSite(t, "Gone", "")
	require.NoError(t, f.store.DeleteSite(ctx, f.account, st.ID))
	requireReason(t, commonv1.Reason_NOT_FOUND, f.store.DeleteSite(ctx, f.account, st.ID))
	requireReason(t, commonv1.Reason_NOT_FOUND, f.store.DeleteSite(ctx, newID(), f.site))
	err := f.store.DeleteSite(ctx, f.account, f.site)
	requireReason(t, commonv1.Reason_RESOURCE_IN_USE, err)
	require.Contains(t, metadataOf(t, err)["used_by"], "main site")
}

func testDeleteSiteInUse(t *testing.T, f *fixture) {
	ctx := t.Context()
	st := f.makeSite(t, "Busy", "")
	_, err := f.store.CreateRoom(ctx, model.Room{AccountID: f.account, ID: newID(), DisplayName: "Blue room", SiteID: st.ID, CreateTime: stamp()})
	require.NoError(t, err)
	require.NoError(t, f.store.CreateTemplate(ctx, f.template("t", st.ID), 10))
	f.seed(t, phoneUser{name: "Ada", site: st.ID, state: model.StateTrashed})
	err = f.store.DeleteSite(ctx, f.account, st.ID)
	requireReason(t, commonv1.Reason_RESOURCE_IN_USE, err)
	require.Equal(t, "phone users, rooms, templates", metadataOf(t, err)["used_by"])
	_, err = f.store.GetSite(ctx, f.account, st.ID)
	require.NoError(t, err)

	// Whoever begins to use a site while it is deleted: one of the two wins, never both.
	for i := range 10 {
		st := f.makeSite(t, fmt.Sprintf("Race %d", i), "")
		won := f.race(t, 2, commonv1.Reason_REASON_UNSPECIFIED, func(s store.Store, i int) error {
			var err error
			if i == 0 {
				err = s.DeleteSite(ctx, f.account, st.ID)
			} else {
				_, err = s.CreateRoom(ctx, model.Room{AccountID: f.account, ID: newID(), DisplayName: st.DisplayName, SiteID: st.ID, CreateTime: stamp()})
			}
			switch errs.Reason(err) {
			case commonv1.Reason_NOT_FOUND, commonv1.Reason_RESOURCE_IN_USE:
				return errs.New(commonv1.Reason_REASON_UNSPECIFIED, "lost")
			}
			return err
		})
		require.Equal(t, 1, won)
	}
}
