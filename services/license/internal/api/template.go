package api

import (
	"context"

	"github.com/google/uuid"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/view"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/paging"
)

// TemplateServer implements licensev1.TemplateServiceServer.
type TemplateServer struct {
	licensev1.UnimplementedTemplateServiceServer

	store store.Templates
	clock clock.Clock
}

// NewTemplateServer returns a server of templates.
func NewTemplateServer(st store.Templates, c clock.Clock) *TemplateServer {
	return &TemplateServer{store: st, clock: c}
}

// CreateTemplate implements licensev1.TemplateServiceServer.
func (s *TemplateServer) CreateTemplate(ctx context.Context, req *licensev1.CreateTemplateRequest) (*licensev1.Template, error) {
	account, err := model.ParseAccount(req.GetParent())
	if err != nil {
		return nil, err
	}
	t := model.Template{AccountID: account, ID: uuid.Must(uuid.NewV7()), Revision: 1, CreateTime: s.clock.Now()}
	if err := readTemplate(req.GetTemplate(), &t); err != nil {
		return nil, err
	}
	if t.SiteID, err = optionalChild(account, req.GetTemplate().GetSite(), model.ParseSite); err != nil {
		return nil, err
	}
	if err := s.store.CreateTemplate(ctx, t, maxTemplates); err != nil {
		return nil, err
	}
	return view.Template(&t), nil
}

func readTemplate(sent *licensev1.Template, t *model.Template) error {
	var invalid fieldErrors
	t.DisplayName = invalid.name("template.display_name", sent.GetDisplayName())
	t.Settings = sent.GetSettings()
	if err := invalid.Err(); err != nil {
		return err
	}
	return checkSettings(t.Settings, "template.settings")
}

// ListTemplates implements licensev1.TemplateServiceServer.
func (s *TemplateServer) ListTemplates(ctx context.Context, req *licensev1.ListTemplatesRequest) (*licensev1.ListTemplatesResponse, error) {
	account, err := model.ParseAccount(req.GetParent())
	if err != nil {
		return nil, err
	}
	page, err := paging.Parse[store.NameCursor](req)
	if err != nil {
		return nil, err
	}
	found, err := s.store.ListTemplates(ctx, account, page.After, page.Limit())
	if err != nil {
		return nil, err
	}
	found, next, err := paging.Cut(page, found, func(t model.Template) store.NameCursor {
		return store.NameCursor{Key: model.Fold(t.DisplayName), ID: t.ID}
	})
	answer := &licensev1.ListTemplatesResponse{NextPageToken: next}
	for i := range found {
		answer.Templates = append(answer.Templates, view.Template(&found[i]))
	}
	return answer, err
}

// UpdateTemplate implements licensev1.TemplateServiceServer.
func (s *TemplateServer) UpdateTemplate(ctx context.Context, req *licensev1.UpdateTemplateRequest) (*licensev1.Template, error) {
	account, id, err := model.ParseTemplate(req.GetTemplate().GetName())
	if err != nil {
		return nil, err
	}
	t, err := s.store.UpdateTemplate(ctx, account, id, func(before model.Template) (model.Template, error) {
		sent := view.Template(&before)
		if err := checkEtag(req.GetTemplate().GetEtag(), sent.GetEtag(), sent.GetName()); err != nil {
			return before, err
		}
		site := sent.GetSite()
		if err := applyMask(req.GetUpdateMask(), sent, req.GetTemplate(), "display_name", "settings", "site"); err != nil {
			return before, err
		}
		if sent.GetSite() != site {
			var invalid fieldErrors
			invalid.add("template.site", "is fixed: make another template")
			return before, invalid.Err()
		}
		after := before
		err := readTemplate(sent, &after)
		return after, err
	})
	if err != nil {
		return nil, err
	}
	return view.Template(&t), nil
}

// DeleteTemplate implements licensev1.TemplateServiceServer.
func (s *TemplateServer) DeleteTemplate(ctx context.Context, req *licensev1.DeleteTemplateRequest) (*licensev1.DeleteTemplateResponse, error) {
	account, id, err := model.ParseTemplate(req.GetName())
	if err != nil {
		return nil, err
	}
	if err := s.store.DeleteTemplate(ctx, account, id); err != nil {
		return nil, err
	}
	return &licensev1.DeleteTemplateResponse{}, nil
}
