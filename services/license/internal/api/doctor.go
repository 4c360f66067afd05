package api

import (
	"context"
	"time"

	"github.com/google/uuid"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/doctor"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/paging"
)

// DoctorServer implements licensev1.DoctorServiceServer.
type DoctorServer struct {
	licensev1.UnimplementedDoctorServiceServer

	store  store.Checkup
	doctor *doctor.Doctor
}

// NewDoctorServer returns a server of checks.
func NewDoctorServer(st store.Checkup, d *doctor.Doctor) *DoctorServer {
	return &DoctorServer{store: st, doctor: d}
}

// ListCheckedAccounts implements licensev1.DoctorServiceServer.
func (s *DoctorServer) ListCheckedAccounts(ctx context.Context, req *licensev1.ListCheckedAccountsRequest) (*licensev1.ListCheckedAccountsResponse, error) {
	page, err := paging.Parse[uuid.UUID](req)
	if err != nil {
		return nil, err
	}
	ids, err := s.store.AccountIDs(ctx, page.From(), page.Limit())
	if err != nil {
		return nil, err
	}
	ids, next, err := paging.Cut(page, ids, func(id uuid.UUID) uuid.UUID { return id })
	if err != nil {
		return nil, err
	}
	answer := &licensev1.ListCheckedAccountsResponse{NextPageToken: next}
	for _, id := range ids {
		answer.Accounts = append(answer.Accounts, model.AccountName(id))
	}
	return answer, nil
}

// defaultGrace is how long something must look wrong to be told.
const defaultGrace = 2 * time.Second

// CheckAccount implements licensev1.DoctorServiceServer.
func (s *DoctorServer) CheckAccount(req *licensev1.CheckAccountRequest, stream licensev1.DoctorService_CheckAccountServer) error {
	account, err := model.ParseAccount(req.GetParent())
	if err != nil {
		return err
	}
	grace := defaultGrace
	if req.GetGrace() != nil {
		grace = req.GetGrace().AsDuration()
	}
	return s.doctor.Check(stream.Context(), doctor.Visit{
		Account: account, Caller: callerOf(stream.Context()), Repair: req.GetRepair(), Grace: grace, Tell: stream.Send,
	})
}
