package api

import (
	"context"

	"github.com/google/uuid"

	numberingv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/numbering/v1"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/names"
	"github.com/switchboard-phone/switchboard/services/platform/paging"
)

// ListOwners implements numberingv1.AssignmentServiceServer.
func (s *AssignmentServer) ListOwners(ctx context.Context, req *numberingv1.ListOwnersRequest) (*numberingv1.ListOwnersResponse, error) {
	account, err := names.ParseAccount(req.GetParent())
	if err != nil {
		return nil, err
	}
	page, err := paging.Parse[uuid.UUID](req)
	if err != nil {
		return nil, err
	}
	owners, err := s.keeper.ListOwners(ctx, account, page.From(), page.Limit())
	if err != nil {
		return nil, err
	}
	owners, next, err := paging.Cut(page, owners, func(id uuid.UUID) uuid.UUID { return id })
	if err != nil {
		return nil, err
	}
	answer := &numberingv1.ListOwnersResponse{NextPageToken: next}
	for _, owner := range owners {
		answer.Owners = append(answer.Owners, names.PhoneUser(account, owner))
	}
	return answer, nil
}

// AuditSeats implements numberingv1.AssignmentServiceServer.
func (s *AssignmentServer) AuditSeats(ctx context.Context, req *numberingv1.AuditSeatsRequest) (*numberingv1.AuditSeatsResponse, error) {
	account, err := names.ParseAccount(req.GetParent())
	if err != nil {
		return nil, err
	}
	found, err := s.keeper.AuditSeats(ctx, account, req.GetRepair())
	if err != nil {
		return nil, err
	}
	answer := &numberingv1.AuditSeatsResponse{}
	for _, d := range found {
		answer.Discrepancies = append(answer.Discrepancies, &numberingv1.AuditSeatsResponse_Discrepancy{
			Package: names.Package(account, d.Package), Assigned: d.Assigned, Holders: d.Holders,
		})
	}
	return answer, nil
}
