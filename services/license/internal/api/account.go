// Package api answers the license service's calls: each method reads its request, asks the store or the provisioning engine, and
// renders the answer. Who may call is decided before, by the access options in the proto files; what an error looks like
// afterwards, by platform/errs.
package api

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/view"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// mainSiteName is what the site is called that every account begins with.
const mainSiteName = "Main site"

// AccountServer implements licensev1.AccountServiceServer.
type AccountServer struct {
	licensev1.UnimplementedAccountServiceServer

	store store.Accounts
	clock clock.Clock
}

// NewAccountServer returns a server of accounts.
func NewAccountServer(st store.Accounts, c clock.Clock) *AccountServer {
	return &AccountServer{store: st, clock: c}
}

// CreateAccount implements licensev1.AccountServiceServer.
func (s *AccountServer) CreateAccount(ctx context.Context, req *licensev1.CreateAccountRequest) (*licensev1.Account, error) {
	now := s.clock.Now()
	a := model.Account{ID: uuid.Must(uuid.NewV7()), Revision: 1, CreateTime: now, UpdateTime: now}
	var invalid fieldErrors
	invalid.requestID(req.GetRequestId())
	readAccount(req.GetAccount(), &a, &invalid)
	if err := invalid.Err(); err != nil {
		return nil, err
	}
	hash, err := hashRequest(req, &req.RequestId)
	if err != nil {
		return nil, err
	}
	answer := view.Account(&a)
	remember, err := remember(req.GetRequestId(), hash, answer)
	if err != nil {
		return nil, err
	}
	remember.Owner = callerOf(ctx).Actor
	main := model.Site{AccountID: a.ID, ID: uuid.Must(uuid.NewV7()), DisplayName: mainSiteName, IsMain: true, Revision: 1, CreateTime: now}
	replay, err := s.store.CreateAccount(ctx, a, main, remember)
	if err != nil {
		return nil, err
	}
	return answer, readReplay(replay, answer)
}

// readAccount reads the fields that callers set, as sent or as merged with the present ones.
func readAccount(sent *licensev1.Account, a *model.Account, invalid *fieldErrors) {
	a.DisplayName = invalid.name("account.display_name", sent.GetDisplayName())
	a.Seats = int(sent.GetLicenseSeats())
	policy := sent.GetPolicy()
	invalid.wholeSeconds("account.policy.extension_quarantine", policy.GetExtensionQuarantine())
	invalid.wholeSeconds("account.policy.phone_number_quarantine", policy.GetPhoneNumberQuarantine())
	a.Policy = model.Policy{
		SoftDelete:            policy.GetSoftDelete(),
		ExtensionQuarantine:   policy.GetExtensionQuarantine().AsDuration(),
		PhoneNumberQuarantine: policy.GetPhoneNumberQuarantine().AsDuration(),
	}
}

// remember is what the store keeps so that the call can be repeated.
func remember(requestID string, hash []byte, answer proto.Message) (store.Remember, error) {
	r := store.Remember{RequestID: requestID, BodyHash: hash}
	if requestID == "" {
		return r, nil
	}
	var err error
	if r.Answer, err = (proto.MarshalOptions{Deterministic: true}).Marshal(answer); err != nil {
		return r, fmt.Errorf("remember answer: %w", err)
	}
	return r, nil
}

// readReplay replaces answer by the remembered one, if there is one.
func readReplay(replay []byte, answer proto.Message) error {
	if replay == nil {
		return nil
	}
	if err := proto.Unmarshal(replay, answer); err != nil {
		return fmt.Errorf("read remembered answer: %w", err)
	}
	return nil
}

// GetAccount implements licensev1.AccountServiceServer.
func (s *AccountServer) GetAccount(ctx context.Context, req *licensev1.GetAccountRequest) (*licensev1.Account, error) {
	id, err := model.ParseAccount(req.GetName())
	if err != nil {
		return nil, err
	}
	a, err := s.store.GetAccount(ctx, id)
	if err != nil {
		return nil, err
	}
	return view.Account(&a), nil
}

// UpdateAccount implements licensev1.AccountServiceServer.
func (s *AccountServer) UpdateAccount(ctx context.Context, req *licensev1.UpdateAccountRequest) (*licensev1.Account, error) {
	id, err := model.ParseAccount(req.GetAccount().GetName())
	if err != nil {
		return nil, err
	}
	caller, _ := authn.FromContext(ctx)
	a, err := s.store.UpdateAccount(ctx, id, func(before model.Account) (model.Account, error) {
		sent := view.Account(&before)
		if err := checkEtag(req.GetAccount().GetEtag(), sent.GetEtag(), sent.GetName()); err != nil {
			return before, err
		}
		if err := applyMask(req.GetUpdateMask(), sent, req.GetAccount(), "display_name", "license_seats", "policy"); err != nil {
			return before, err
		}
		after := before
		var invalid fieldErrors
		readAccount(sent, &after, &invalid)
		if err := checkSeats(&before, &after, caller.Operator, &invalid); err != nil {
			return before, err
		}
		after.UpdateTime = s.clock.Now()
		return after, invalid.Err()
	})
	if err != nil {
		return nil, err
	}
	return view.Account(&a), nil
}

// checkSeats refuses a change of the seats bought by anybody but an operator, and to fewer than are taken.
func checkSeats(before, after *model.Account, operator bool, invalid *fieldErrors) error {
	switch {
	case after.Seats == before.Seats:
	case !operator:
		return errs.New(commonv1.Reason_PERMISSION_DENIED, "licence seats are changed by operators only")
	case after.Seats < before.Taken:
		invalid.add("account.license_seats", "must not be less than the %d licences that are assigned", before.Taken)
	}
	return nil
}
