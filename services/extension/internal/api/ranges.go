package api

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	extensionv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/extension/v1"
	"github.com/switchboard-phone/switchboard/services/extension/internal/names"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/paging"
)

// CreateExtensionRange implements extensionv1.ExtensionRangeServiceServer.
func (s *ranges) CreateExtensionRange(ctx context.Context, req *extensionv1.CreateExtensionRangeRequest) (*extensionv1.ExtensionRange, error) {
	account, site, err := names.ParseSite(req.GetParent())
	if err != nil {
		return nil, err
	}
	r, err := s.Book.CreateRange(ctx, account, site, req.GetExtensionRange().GetFrom(), req.GetExtensionRange().GetTo())
	if err != nil {
		return nil, err
	}
	out, err := s.toRanges(ctx, []store.Range{r})
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// ListExtensionRanges implements extensionv1.ExtensionRangeServiceServer.
func (s *ranges) ListExtensionRanges(ctx context.Context, req *extensionv1.ListExtensionRangesRequest) (*extensionv1.ListExtensionRangesResponse, error) {
	account, site, err := names.ParseSiteOrAll(req.GetParent())
	if err != nil {
		return nil, err
	}
	page, err := paging.Parse[after](req)
	if err != nil {
		return nil, err
	}
	found, err := s.Store.ListRanges(ctx, account, site, store.List{After: page.From().Number, Limit: page.Limit()})
	if err != nil {
		return nil, err
	}
	items, next, err := paging.Cut(page, found, func(r store.Range) after { return after{r.From} })
	if err != nil {
		return nil, err
	}
	out, err := s.toRanges(ctx, items)
	if err != nil {
		return nil, err
	}
	return &extensionv1.ListExtensionRangesResponse{ExtensionRanges: out, NextPageToken: next}, nil
}

// GetExtensionRange implements extensionv1.ExtensionRangeServiceServer.
func (s *ranges) GetExtensionRange(ctx context.Context, req *extensionv1.GetExtensionRangeRequest) (*extensionv1.ExtensionRange, error) {
	account, site, id, err := names.ParseRange(req.GetName())
	if err != nil {
		return nil, err
	}
	r, free, err := s.Book.Range(ctx, account, site, id)
	if err != nil {
		return nil, err
	}
	out, err := s.toRanges(ctx, []store.Range{r})
	if err != nil {
		return nil, err
	}
	for _, sp := range free {
		out[0].Free = append(out[0].Free, &extensionv1.NumberSpan{From: sp.From.String(), To: sp.To.String(), Size: sp.Size()})
	}
	return out[0], nil
}

// DeleteExtensionRange implements extensionv1.ExtensionRangeServiceServer.
func (s *ranges) DeleteExtensionRange(ctx context.Context, req *extensionv1.DeleteExtensionRangeRequest) (*extensionv1.DeleteExtensionRangeResponse, error) {
	account, site, id, err := names.ParseRange(req.GetName())
	if err != nil {
		return nil, err
	}
	if err := s.Book.DeleteRange(ctx, account, site, id); err != nil {
		return nil, err
	}
	return &extensionv1.DeleteExtensionRangeResponse{}, nil
}

// toRanges describes ranges with how much of them is used.
func (s *ranges) toRanges(ctx context.Context, rs []store.Range) ([]*extensionv1.ExtensionRange, error) {
	queries := make([]store.UseQuery, len(rs))
	for i, r := range rs {
		queries[i] = store.UseQuery{Account: r.Account, Span: r.Span}
	}
	used, err := s.Book.CountUsed(ctx, queries)
	if err != nil {
		return nil, err
	}
	out := make([]*extensionv1.ExtensionRange, len(rs))
	for i, r := range rs {
		out[i] = &extensionv1.ExtensionRange{
			Name: names.Range(r.Account, r.Site, r.ID), From: r.From.String(), To: r.To.String(),
			Size: r.Size(), Used: used[i], CreateTime: timestamppb.New(r.CreateTime),
		}
	}
	return out, nil
}
