package api

import (
	"context"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
)

// maxPhoneNumbers bounds the direct numbers of one call.
const maxPhoneNumbers = 20

// AssignPackage implements licensev1.PhoneUserServiceServer.
func (s *PhoneUserServer) AssignPackage(ctx context.Context, req *licensev1.AssignPackageRequest) (*licensev1.PhoneUser, error) {
	hash, err := hashRequest(req, &req.RequestId)
	if err != nil {
		return nil, err
	}
	t, err := single(ctx, req.GetName(), req.GetRequestId(), hash)
	if err != nil {
		return nil, err
	}
	pkg, err := optionalChild(t.Account, req.GetPackage(), model.ParsePackage)
	if err != nil {
		return nil, err
	}
	var numbers [][]string
	if len(req.GetPhoneNumbers()) > 0 {
		if err := checkBatch(req.GetPhoneNumbers(), maxPhoneNumbers, "phone_numbers"); err != nil {
			return nil, err
		}
		numbers = [][]string{req.GetPhoneNumbers()}
	}
	answer, err := s.engine.AssignPackage(ctx, t, pkg, numbers)
	if err != nil {
		return nil, byName.blame(err)
	}
	return answer.GetPhoneUsers()[0], nil
}

// BatchAssignPackage implements licensev1.PhoneUserServiceServer.
func (s *PhoneUserServer) BatchAssignPackage(ctx context.Context, req *licensev1.BatchAssignPackageRequest) (*licensev1.BatchAssignPackageResponse, error) {
	t, err := s.targets(ctx, req, &req.RequestId)
	if err != nil {
		return nil, err
	}
	pkg, err := optionalChild(t.Account, req.GetPackage(), model.ParsePackage)
	if err != nil {
		return nil, err
	}
	if req.GetValidateOnly() {
		return preview(ctx, s.engine, t, func(ctx context.Context, t provisioning.Targets) (*licensev1.BatchAssignPackageResponse, error) {
			return s.engine.PreviewAssignPackage(ctx, t, pkg, nil)
		})
	}
	return s.engine.AssignPackage(ctx, t, pkg, nil)
}

// AssignPhoneNumbers implements licensev1.PhoneUserServiceServer.
func (s *PhoneUserServer) AssignPhoneNumbers(ctx context.Context, req *licensev1.AssignPhoneNumbersRequest) (*licensev1.PhoneUser, error) {
	if err := checkBatch(req.GetPhoneNumbers(), maxPhoneNumbers, "phone_numbers"); err != nil {
		return nil, err
	}
	hash, err := hashRequest(req, &req.RequestId)
	if err != nil {
		return nil, err
	}
	t, err := single(ctx, req.GetName(), req.GetRequestId(), hash)
	if err != nil {
		return nil, err
	}
	answer, err := s.engine.AssignNumbers(ctx, t, req.GetPhoneNumbers())
	return answer, byName.blame(err)
}

// UnassignPhoneNumbers implements licensev1.PhoneUserServiceServer.
func (s *PhoneUserServer) UnassignPhoneNumbers(ctx context.Context, req *licensev1.UnassignPhoneNumbersRequest) (*licensev1.PhoneUser, error) {
	if err := checkBatch(req.GetPhoneNumbers(), maxPhoneNumbers, "phone_numbers"); err != nil {
		return nil, err
	}
	hash, err := hashRequest(req, &req.RequestId)
	if err != nil {
		return nil, err
	}
	t, err := single(ctx, req.GetName(), req.GetRequestId(), hash)
	if err != nil {
		return nil, err
	}
	answer, err := s.engine.UnassignNumbers(ctx, t, req.GetPhoneNumbers())
	return answer, byName.blame(err)
}

// BatchRemovePackages implements licensev1.PhoneUserServiceServer.
func (s *PhoneUserServer) BatchRemovePackages(ctx context.Context, req *licensev1.BatchRemovePackagesRequest) (*licensev1.BatchRemovePackagesResponse, error) {
	t, err := s.targets(ctx, req, &req.RequestId)
	if err != nil {
		return nil, err
	}
	if req.GetValidateOnly() {
		return preview(ctx, s.engine, t, s.engine.PreviewRemovePackages)
	}
	return s.engine.RemovePackages(ctx, t)
}

// BatchRemove implements licensev1.PhoneUserServiceServer.
func (s *PhoneUserServer) BatchRemove(ctx context.Context, req *licensev1.BatchRemoveRequest) (*licensev1.BatchRemoveResponse, error) {
	t, err := s.targets(ctx, req, &req.RequestId)
	if err != nil {
		return nil, err
	}
	if req.GetValidateOnly() {
		return preview(ctx, s.engine, t, s.engine.PreviewRemove)
	}
	return s.engine.Remove(ctx, t)
}

// BatchTrash implements licensev1.PhoneUserServiceServer.
func (s *PhoneUserServer) BatchTrash(ctx context.Context, req *licensev1.BatchTrashRequest) (*licensev1.BatchTrashResponse, error) {
	t, err := s.targets(ctx, req, &req.RequestId)
	if err != nil {
		return nil, err
	}
	if req.GetValidateOnly() {
		return preview(ctx, s.engine, t, s.engine.PreviewTrash)
	}
	return s.engine.Trash(ctx, t)
}

// BatchRestore implements licensev1.PhoneUserServiceServer.
func (s *PhoneUserServer) BatchRestore(ctx context.Context, req *licensev1.BatchRestoreRequest) (*licensev1.BatchRestoreResponse, error) {
	t, err := s.targets(ctx, req, &req.RequestId)
	if err != nil {
		return nil, err
	}
	if req.GetValidateOnly() {
		return preview(ctx, s.engine, t, s.engine.PreviewRestore)
	}
	return s.engine.Restore(ctx, t)
}
