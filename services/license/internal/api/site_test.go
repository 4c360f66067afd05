package api_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
)

func (w *world) newSite(t *testing.T, name string) *licensev1.Site {
	t.Helper()
	st, err := w.sites.CreateSite(w.admin, &licensev1.CreateSiteRequest{Parent: w.account.GetName(), Site: &licensev1.Site{DisplayName: name}})
	require.NoError(t, err)
	return st
}

func TestSites(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		parent := w.account.GetName()
		made, err := w.sites.CreateSite(w.admin, &licensev1.CreateSiteRequest{Parent: parent, Site: &licensev1.Site{
			Name: "ignored", DisplayName: " Lisbon ", SiteCode: "LIS", IsMain: true,
		}})
		require.NoError(t, err)
		require.Equal(t, "Lisbon", made.GetDisplayName())
		got, err := w.sites.GetSite(w.admin, &licensev1.GetSiteRequest{Name: made.GetName()})
		require.NoError(t, err)
		requireSame(t, made, got)
		formerMain, err := w.sites.GetSite(w.admin, &licensev1.GetSiteRequest{Name: w.mainSite.GetName()})
		require.NoError(t, err)
		require.False(t, formerMain.GetIsMain())

		_, err = w.sites.CreateSite(w.admin, &licensev1.CreateSiteRequest{Parent: parent, Site: &licensev1.Site{DisplayName: ""}})
		requireReason(t, commonv1.Reason_FIELD_INVALID, err, "site.display_name")
		_, err = w.sites.CreateSite(w.admin, &licensev1.CreateSiteRequest{Parent: parent, Site: &licensev1.Site{DisplayName: "lisbon"}})
		requireReason(t, commonv1.Reason_NAME_IN_USE, err, "site.display_name")
		_, err = w.sites.CreateSite(w.admin, &licensev1.CreateSiteRequest{Parent: parent, Site: &licensev1.Site{DisplayName: "x", SiteCode: "lis"}})
		requireReason(t, commonv1.Reason_NAME_IN_USE, err, "site.site_code")
		_, err = w.sites.GetSite(w.admin, &licensev1.GetSiteRequest{Name: parent + "/sites/nonsense"})
		requireReason(t, commonv1.Reason_NOT_FOUND, err)

		update := func(st *licensev1.Site, paths ...string) (*licensev1.Site, error) {
			return w.sites.UpdateSite(w.admin, &licensev1.UpdateSiteRequest{Site: st, UpdateMask: mask(paths...)})
		}
		_, err = update(&licensev1.Site{Name: made.GetName()}, "is_main")
		requireReason(t, commonv1.Reason_FIELD_INVALID, err, "site.is_main")
		got, err = update(&licensev1.Site{Name: made.GetName(), DisplayName: "Porto"}, "display_name", "site_code")
		require.NoError(t, err)
		require.Equal(t, "Porto", got.GetDisplayName())
		require.Empty(t, got.GetSiteCode())
		_, err = update(&licensev1.Site{Name: made.GetName(), DisplayName: "Late", Etag: made.GetEtag()})
		requireReason(t, commonv1.Reason_ETAG_MISMATCH, err)
		got, err = update(&licensev1.Site{Name: made.GetName(), DisplayName: "In time", Etag: got.GetEtag()})
		require.NoError(t, err)
		require.True(t, got.GetIsMain(), "not set means not changed")
		got, err = update(&licensev1.Site{Name: w.mainSite.GetName(), IsMain: true})
		require.NoError(t, err)
		require.True(t, got.GetIsMain())
	})
}

func TestListSitesPages(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		for i := range 7 {
			w.newSite(t, fmt.Sprintf("Site %d", i))
		}
		req := &licensev1.ListSitesRequest{Parent: w.account.GetName(), PageSize: 3}
		var names []string
		for {
			page, err := w.sites.ListSites(w.admin, req)
			require.NoError(t, err)
			for _, st := range page.GetSites() {
				names = append(names, st.GetDisplayName())
			}
			if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
				break
			}
		}
		require.Equal(t, []string{"Main site", "Site 0", "Site 1", "Site 2", "Site 3", "Site 4", "Site 5", "Site 6"}, names)
		req.PageToken = "nonsense"
		_, err := w.sites.ListSites(w.admin, req)
		requireReason(t, commonv1.Reason_PAGE_TOKEN_INVALID, err)
	})
}

func TestDeleteSite(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		st := w.newSite(t, "Lisbon")
		remove := func(name string) error {
			_, err := w.sites.DeleteSite(w.admin, &licensev1.DeleteSiteRequest{Name: name})
			return err
		}
		w.ranges.sites = map[string]bool{st.GetName(): true}
		requireReason(t, commonv1.Reason_RESOURCE_IN_USE, remove(st.GetName()))
		w.ranges.sites = nil
		w.ranges.err = status.Error(codes.Unavailable, "away")
		require.Error(t, remove(st.GetName()), "not deleted while it is not known whether it has ranges")
		w.ranges.err = nil
		_, err := w.directory.CreateRoom(w.admin, &licensev1.CreateRoomRequest{Parent: w.account.GetName(), Room: &licensev1.Room{DisplayName: "Blue", Site: st.GetName()}})
		require.NoError(t, err)
		requireReason(t, commonv1.Reason_RESOURCE_IN_USE, remove(st.GetName()))
		requireReason(t, commonv1.Reason_RESOURCE_IN_USE, remove(w.mainSite.GetName()))
		empty := w.newSite(t, "Empty")
		require.NoError(t, remove(empty.GetName()))
		requireReason(t, commonv1.Reason_NOT_FOUND, remove(empty.GetName()))
	})
}

func TestTemplates(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		parent := w.account.GetName()
		create := func(tpl *licensev1.Template) (*licensev1.Template, error) {
			return w.templates.CreateTemplate(w.admin, &licensev1.CreateTemplateRequest{Parent: parent, Template: tpl})
		}
		made, err := create(&licensev1.Template{DisplayName: " Sales ", Site: w.mainSite.GetName(), Settings: &licensev1.Settings{
			TimeZone: proto.String("Europe/Lisbon"), RingSeconds: proto.Int32(20), CallWaiting: proto.Bool(false),
		}})
		require.NoError(t, err)
		require.Equal(t, "Sales", made.GetDisplayName())
		empty, err := create(&licensev1.Template{DisplayName: "Defaults"})
		require.NoError(t, err)
		list, err := w.templates.ListTemplates(w.admin, &licensev1.ListTemplatesRequest{Parent: parent})
		require.NoError(t, err)
		requireSame(t, &licensev1.ListTemplatesResponse{Templates: []*licensev1.Template{empty, made}}, list)
		first, err := w.templates.ListTemplates(w.admin, &licensev1.ListTemplatesRequest{Parent: parent, PageSize: 1})
		require.NoError(t, err)
		rest, err := w.templates.ListTemplates(w.admin, &licensev1.ListTemplatesRequest{Parent: parent, PageSize: 1, PageToken: first.GetNextPageToken()})
		require.NoError(t, err)
		requireSame(t, &licensev1.ListTemplatesResponse{Templates: []*licensev1.Template{made}}, rest)

		_, err = create(&licensev1.Template{DisplayName: "x", Settings: &licensev1.Settings{TimeZone: proto.String("Mars/Olympus")}})
		requireReason(t, commonv1.Reason_FIELD_INVALID, err, "template.settings.time_zone")
		_, err = create(&licensev1.Template{DisplayName: "x", Site: parent + "/sites/nonsense"})
		requireReason(t, commonv1.Reason_NOT_FOUND, err)
		_, err = create(&licensev1.Template{})
		requireReason(t, commonv1.Reason_FIELD_INVALID, err, "template.display_name")

		update := func(tpl *licensev1.Template, paths ...string) (*licensev1.Template, error) {
			tpl.Name = made.GetName()
			return w.templates.UpdateTemplate(w.admin, &licensev1.UpdateTemplateRequest{Template: tpl, UpdateMask: mask(paths...)})
		}
		got, err := update(&licensev1.Template{Settings: &licensev1.Settings{RingSeconds: proto.Int32(45)}})
		require.NoError(t, err)
		requireSame(t, &licensev1.Settings{TimeZone: proto.String("Europe/Lisbon"), RingSeconds: proto.Int32(45), CallWaiting: proto.Bool(false)}, got.GetSettings())
		got, err = update(&licensev1.Template{}, "settings.time_zone")
		require.NoError(t, err)
		require.Nil(t, got.GetSettings().TimeZone, "back to the default")
		require.EqualValues(t, 45, got.GetSettings().GetRingSeconds())
		got, err = update(&licensev1.Template{Settings: &licensev1.Settings{DoNotDisturb: proto.Bool(true)}}, "settings")
		require.NoError(t, err)
		requireSame(t, &licensev1.Settings{DoNotDisturb: proto.Bool(true)}, got.GetSettings())
		got, err = update(&licensev1.Template{}, "settings")
		require.NoError(t, err)
		requireSame(t, &licensev1.Settings{}, got.GetSettings())
		_, err = update(&licensev1.Template{Site: w.newSite(t, "Two").GetName()})
		requireReason(t, commonv1.Reason_FIELD_INVALID, err, "template.site")
		_, err = update(&licensev1.Template{DisplayName: "defaults"})
		requireReason(t, commonv1.Reason_NAME_IN_USE, err)
		_, err = update(&licensev1.Template{DisplayName: "x", Etag: made.GetEtag()})
		requireReason(t, commonv1.Reason_ETAG_MISMATCH, err)
		_, err = update(&licensev1.Template{Settings: &licensev1.Settings{TimeZone: proto.String("Local")}})
		requireReason(t, commonv1.Reason_FIELD_INVALID, err)

		_, err = w.templates.DeleteTemplate(w.admin, &licensev1.DeleteTemplateRequest{Name: made.GetName()})
		require.NoError(t, err)
		_, err = w.templates.DeleteTemplate(w.admin, &licensev1.DeleteTemplateRequest{Name: made.GetName()})
		requireReason(t, commonv1.Reason_NOT_FOUND, err)
	})
}
