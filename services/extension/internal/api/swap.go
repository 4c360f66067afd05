package api

import (
	"context"

	extensionv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/extension/v1"
	"github.com/switchboard-phone/switchboard/services/extension/internal/allocator"
	"github.com/switchboard-phone/switchboard/services/extension/internal/names"
)

// SwapExtension implements extensionv1.AllocationServiceServer.
func (s *allocations) SwapExtension(ctx context.Context, req *extensionv1.SwapExtensionRequest) (*extensionv1.SwapExtensionResponse, error) {
	account, site, err := names.ParseSite(req.GetSite())
	if err != nil {
		return nil, err
	}
	owner, err := parseOwner(names.PhoneUsersOf(account), req.GetOwner(), func() string { return "owner" })
	if err != nil {
		return nil, err
	}
	quarantine, err := parseQuarantine(req.GetQuarantine())
	if err != nil {
		return nil, err
	}
	now, before, err := s.Allocator.Swap(ctx, allocator.SwapRequest{
		Account: account, Site: site, Owner: owner, Wish: req.GetNumber(), Quarantine: quarantine,
	})
	if err != nil {
		return nil, err
	}
	return &extensionv1.SwapExtensionResponse{Number: now.String(), PreviousNumber: before.String()}, nil
}
