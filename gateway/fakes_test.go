package gateway

import (
	"context"
	"testing"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
)

func (f *fakeLicense) CreateAccount(ctx context.Context, r *licensev1.CreateAccountRequest) (*licensev1.Account, error) {
	return f.account, f.record(ctx, r)
}

func (f *fakeLicense) GetAccount(ctx context.Context, r *licensev1.GetAccountRequest) (*licensev1.Account, error) {
	return f.account, f.record(ctx, r)
}

func (f *fakeLicense) UpdateAccount(ctx context.Context, r *licensev1.UpdateAccountRequest) (*licensev1.Account, error) {
	return f.account, f.record(ctx, r)
}

func (f *fakeLicense) ListPhoneUsers(ctx context.Context, r *licensev1.ListPhoneUsersRequest) (*licensev1.ListPhoneUsersResponse, error) {
	return &licensev1.ListPhoneUsersResponse{}, f.record(ctx, r)
}

func (f *fakeLicense) UpdatePhoneUser(ctx context.Context, r *licensev1.UpdatePhoneUserRequest) (*licensev1.PhoneUser, error) {
	return &licensev1.PhoneUser{Kind: licensev1.PhoneUser_ROOM, ExtensionNumber: "0042"}, f.record(ctx, r)
}

func (f *fakeLicense) BatchAssign(ctx context.Context, r *licensev1.BatchAssignRequest) (*licensev1.BatchAssignResponse, error) {
	return &licensev1.BatchAssignResponse{}, f.record(ctx, r)
}

func (f *fakeLicense) ResendInvite(ctx context.Context, r *licensev1.ResendInviteRequest) (*licensev1.ResendInviteResponse, error) {
	return &licensev1.ResendInviteResponse{}, f.record(ctx, r)
}

func (f *fakeLicense) CreateUser(ctx context.Context, r *licensev1.CreateUserRequest) (*licensev1.User, error) {
	return &licensev1.User{}, f.record(ctx, r)
}

func (f *fakeLicense) LookupPhoneUserSetup(ctx context.Context, r *licensev1.LookupPhoneUserSetupRequest) (*licensev1.PhoneUserSetup, error) {
	return &licensev1.PhoneUserSetup{}, f.record(ctx, r)
}

func (f *fakeLicense) ImportPhoneUsers(ctx context.Context, r *licensev1.ImportPhoneUsersRequest) (*longrunningpb.Operation, error) {
	return &longrunningpb.Operation{Name: "operations/1"}, f.record(ctx, r)
}

func (f *fakeLicense) WatchOperation(_ *licensev1.WatchOperationRequest, s licensev1.ImportService_WatchOperationServer) error {
	return f.watch(s)
}

func stamp(t *testing.T, text string) *timestamppb.Timestamp {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return timestamppb.New(at)
}
