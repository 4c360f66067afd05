package api

import (
	"context"

	"github.com/google/uuid"

	extensionv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/extension/v1"
	"github.com/switchboard-phone/switchboard/services/extension/internal/names"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/paging"
)

// ListAllocations implements extensionv1.AllocationServiceServer.
func (s *allocations) ListAllocations(ctx context.Context, req *extensionv1.ListAllocationsRequest) (*extensionv1.ListAllocationsResponse, error) {
	account, owners, err := parseOwners(req.GetParent(), req.GetOwners())
	if err != nil {
		return nil, err
	}
	if len(owners) > 0 {
		rows, err := s.Store.ByOwner(ctx, account, owners)
		return &extensionv1.ListAllocationsResponse{Allocations: heldAllocations(account, rows)}, err
	}
	page, err := paging.Parse[uuid.UUID](req)
	if err != nil {
		return nil, err
	}
	rows, err := s.Store.ListByOwner(ctx, account, page.From(), page.Limit())
	if err != nil {
		return nil, err
	}
	rows, next, err := paging.Cut(page, rows, func(e store.Extension) uuid.UUID { return e.Owner })
	if err != nil {
		return nil, err
	}
	return &extensionv1.ListAllocationsResponse{Allocations: heldAllocations(account, rows), NextPageToken: next}, nil
}

func heldAllocations(account uuid.UUID, rows []store.Extension) []*extensionv1.HeldAllocation {
	out := make([]*extensionv1.HeldAllocation, len(rows))
	for i, e := range rows {
		out[i] = &extensionv1.HeldAllocation{Owner: names.PhoneUser(account, e.Owner), Number: e.Number.String(), Held: e.State == store.Held}
	}
	return out
}
