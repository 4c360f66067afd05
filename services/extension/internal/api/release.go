package api

import (
	"context"

	extensionv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/extension/v1"
)

// ReleaseExtensions implements extensionv1.AllocationServiceServer.
func (s *allocations) ReleaseExtensions(ctx context.Context, req *extensionv1.ReleaseExtensionsRequest) (*extensionv1.ReleaseExtensionsResponse, error) {
	account, owners, err := parseOwners(req.GetParent(), req.GetOwners())
	if err != nil {
		return nil, err
	}
	quarantine, err := parseQuarantine(req.GetQuarantine())
	if err != nil {
		return nil, err
	}
	released, err := s.Book.Release(ctx, account, owners, quarantine)
	if err != nil {
		return nil, err
	}
	return &extensionv1.ReleaseExtensionsResponse{Released: toAllocations(account, released)}, nil
}

// HoldExtensions implements extensionv1.AllocationServiceServer.
func (s *allocations) HoldExtensions(ctx context.Context, req *extensionv1.HoldExtensionsRequest) (*extensionv1.HoldExtensionsResponse, error) {
	account, owners, err := parseOwners(req.GetParent(), req.GetOwners())
	if err != nil {
		return nil, err
	}
	held, err := s.Book.Hold(ctx, account, owners)
	if err != nil {
		return nil, err
	}
	return &extensionv1.HoldExtensionsResponse{Held: toAllocations(account, held)}, nil
}

// ReclaimExtensions implements extensionv1.AllocationServiceServer.
func (s *allocations) ReclaimExtensions(ctx context.Context, req *extensionv1.ReclaimExtensionsRequest) (*extensionv1.ReclaimExtensionsResponse, error) {
	account, owners, err := parseOwners(req.GetParent(), req.GetOwners())
	if err != nil {
		return nil, err
	}
	got, err := s.Book.Reclaim(ctx, account, owners)
	if err != nil {
		return nil, err
	}
	return &extensionv1.ReclaimExtensionsResponse{Allocations: toAllocations(account, got)}, nil
}
