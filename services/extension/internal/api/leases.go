package api

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	extensionv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/extension/v1"
	"github.com/switchboard-phone/switchboard/services/extension/internal/lease"
	"github.com/switchboard-phone/switchboard/services/extension/internal/names"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/paging"
)

// leaseKey is the sort key of leases.
type leaseKey struct {
	Key string `json:"k"`
}

// leaseListTimeout bounds the wait for etcd, which may be away.
const leaseListTimeout = 3 * time.Second

// ListExtensionLeases implements extensionv1.ExtensionRangeServiceServer.
func (s *ranges) ListExtensionLeases(ctx context.Context, req *extensionv1.ListExtensionLeasesRequest) (*extensionv1.ListExtensionLeasesResponse, error) {
	page, err := paging.Parse[leaseKey](req)
	if err != nil {
		return nil, err
	}
	if s.Leases == nil {
		return &extensionv1.ListExtensionLeasesResponse{}, nil // leasing is off: nobody holds anything
	}
	listCtx, cancel := context.WithTimeout(ctx, leaseListTimeout)
	defer cancel()
	found, err := s.Leases.List(listCtx, page.From().Key, page.Limit())
	if err != nil {
		return nil, errs.New(commonv1.Reason_UNAVAILABLE, "etcd, which keeps the leases, cannot be reached now; repeat the call").
			RetryAfter(time.Second).Wrap(err)
	}
	items, next, err := paging.Cut(page, found, func(h lease.Held) leaseKey { return leaseKey{h.Key} })
	if err != nil {
		return nil, err
	}
	out, err := s.toLeases(ctx, items)
	if err != nil {
		return nil, err
	}
	return &extensionv1.ListExtensionLeasesResponse{ExtensionLeases: out, NextPageToken: next}, nil
}

// toLeases describes leases with how much of their blocks is used.
func (s *ranges) toLeases(ctx context.Context, held []lease.Held) ([]*extensionv1.ExtensionLease, error) {
	queries := make([]store.UseQuery, len(held))
	for i, h := range held {
		queries[i] = store.UseQuery{Account: h.Account, Span: h.Span}
	}
	used, err := s.Book.CountUsed(ctx, queries)
	if err != nil {
		return nil, err
	}
	out := make([]*extensionv1.ExtensionLease, len(held))
	for i, h := range held {
		out[i] = &extensionv1.ExtensionLease{
			ExtensionRange: names.Range(h.Account, h.Site, h.Range), From: h.From.String(), To: h.To.String(),
			Holder: h.Holder, ExpireTime: timestamppb.New(h.Expire), Used: used[i], Free: h.Size() - used[i],
		}
	}
	return out, nil
}
