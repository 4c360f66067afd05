package api

import (
	"context"

	"github.com/google/uuid"

	extensionv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/extension/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/view"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/paging"
)

// Bounds on what an account has, as documented in the proto files.
const (
	maxSites     = 1000
	maxTemplates = 1000
)

// SiteServer implements licensev1.SiteServiceServer.
type SiteServer struct {
	licensev1.UnimplementedSiteServiceServer

	store  store.Sites
	ranges extensionv1.ExtensionRangeServiceClient
	clock  clock.Clock
}

// NewSiteServer returns a server of sites, which asks ranges whether a site to delete has extension ranges.
func NewSiteServer(st store.Sites, ranges extensionv1.ExtensionRangeServiceClient, c clock.Clock) *SiteServer {
	return &SiteServer{store: st, ranges: ranges, clock: c}
}

// CreateSite implements licensev1.SiteServiceServer.
func (s *SiteServer) CreateSite(ctx context.Context, req *licensev1.CreateSiteRequest) (*licensev1.Site, error) {
	account, err := model.ParseAccount(req.GetParent())
	if err != nil {
		return nil, err
	}
	st := model.Site{AccountID: account, ID: uuid.Must(uuid.NewV7()), Revision: 1, CreateTime: s.clock.Now()}
	var invalid fieldErrors
	readSite(req.GetSite(), &st, &invalid)
	if err := invalid.Err(); err != nil {
		return nil, err
	}
	if err := s.store.CreateSite(ctx, st, maxSites); err != nil {
		return nil, err
	}
	return view.Site(&st), nil
}

func readSite(sent *licensev1.Site, st *model.Site, invalid *fieldErrors) {
	st.DisplayName = invalid.name("site.display_name", sent.GetDisplayName())
	st.SiteCode = sent.GetSiteCode()
	st.IsMain = sent.GetIsMain()
}

// ListSites implements licensev1.SiteServiceServer.
func (s *SiteServer) ListSites(ctx context.Context, req *licensev1.ListSitesRequest) (*licensev1.ListSitesResponse, error) {
	account, err := model.ParseAccount(req.GetParent())
	if err != nil {
		return nil, err
	}
	page, err := paging.Parse[store.SiteCursor](req)
	if err != nil {
		return nil, err
	}
	found, err := s.store.ListSites(ctx, account, page.After, page.Limit())
	if err != nil {
		return nil, err
	}
	found, next, err := paging.Cut(page, found, func(st model.Site) store.SiteCursor {
		return store.SiteCursor{Main: st.IsMain, Key: model.Fold(st.DisplayName)}
	})
	answer := &licensev1.ListSitesResponse{NextPageToken: next}
	for i := range found {
		answer.Sites = append(answer.Sites, view.Site(&found[i]))
	}
	return answer, err
}

// GetSite implements licensev1.SiteServiceServer.
func (s *SiteServer) GetSite(ctx context.Context, req *licensev1.GetSiteRequest) (*licensev1.Site, error) {
	account, id, err := model.ParseSite(req.GetName())
	if err != nil {
		return nil, err
	}
	st, err := s.store.GetSite(ctx, account, id)
	if err != nil {
		return nil, err
	}
	return view.Site(&st), nil
}

// UpdateSite implements licensev1.SiteServiceServer.
func (s *SiteServer) UpdateSite(ctx context.Context, req *licensev1.UpdateSiteRequest) (*licensev1.Site, error) {
	account, id, err := model.ParseSite(req.GetSite().GetName())
	if err != nil {
		return nil, err
	}
	st, err := s.store.UpdateSite(ctx, account, id, func(before model.Site) (model.Site, error) {
		sent := view.Site(&before)
		if err := checkEtag(req.GetSite().GetEtag(), sent.GetEtag(), sent.GetName()); err != nil {
			return before, err
		}
		if err := applyMask(req.GetUpdateMask(), sent, req.GetSite(), "display_name", "site_code", "is_main"); err != nil {
			return before, err
		}
		after := before
		var invalid fieldErrors
		readSite(sent, &after, &invalid)
		if before.IsMain && !after.IsMain {
			invalid.add("site.is_main", "cannot be taken off: make another site the main one instead")
		}
		return after, invalid.Err()
	})
	if err != nil {
		return nil, err
	}
	return view.Site(&st), nil
}

// DeleteSite implements licensev1.SiteServiceServer. Ranges are looked at first and not in one step with deleting: one that is made
// between the two stays behind in the extension service, unused.
func (s *SiteServer) DeleteSite(ctx context.Context, req *licensev1.DeleteSiteRequest) (*licensev1.DeleteSiteResponse, error) {
	account, id, err := model.ParseSite(req.GetName())
	if err != nil {
		return nil, err
	}
	st, err := s.store.GetSite(ctx, account, id)
	if err != nil {
		return nil, err
	}
	ranges, err := s.ranges.ListExtensionRanges(ctx, &extensionv1.ListExtensionRangesRequest{Parent: model.SiteName(account, id), PageSize: 1})
	switch {
	case err != nil:
		return nil, err
	case len(ranges.GetExtensionRanges()) > 0:
		return nil, store.SiteInUse(&st, "extension ranges")
	}
	if err := s.store.DeleteSite(ctx, account, id); err != nil {
		return nil, err
	}
	return &licensev1.DeleteSiteResponse{}, nil
}
