package api

import (
	"context"
	"fmt"

	extensionv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/extension/v1"
	"github.com/switchboard-phone/switchboard/services/extension/internal/allocator"
	"github.com/switchboard-phone/switchboard/services/extension/internal/names"
)

// AllocateExtensions implements extensionv1.AllocationServiceServer.
func (s *allocations) AllocateExtensions(ctx context.Context, req *extensionv1.AllocateExtensionsRequest) (*extensionv1.AllocateExtensionsResponse, error) {
	account, site, err := names.ParseSite(req.GetSite())
	if err != nil {
		return nil, err
	}
	r := allocator.Request{Account: account, Site: site, Items: make([]allocator.Item, len(req.GetAllocations()))}
	of := names.PhoneUsersOf(account)
	for i, a := range req.GetAllocations() {
		owner, err := parseOwner(of, a.GetOwner(), func() string { return fmt.Sprintf("allocations[%d].owner", i) })
		if err != nil {
			return nil, err
		}
		r.Items[i] = allocator.Item{Owner: owner, Wish: a.GetNumber()}
	}
	act := s.Allocator.Allocate
	if req.GetValidateOnly() {
		act = s.Allocator.Preview
	}
	got, err := act(ctx, r)
	if err != nil {
		return nil, err
	}
	out := make([]*extensionv1.Allocation, len(got))
	for i, e := range got {
		out[i] = &extensionv1.Allocation{Owner: req.GetAllocations()[i].GetOwner(), Number: e.Number.String()}
	}
	return &extensionv1.AllocateExtensionsResponse{Allocations: out}, nil
}
