package provisioning

import (
	"context"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/view"
)

// remove takes licences away.
type remove struct {
	ExtensionQuarantine   time.Duration `json:"extensionQuarantine,omitempty"`
	PhoneNumberQuarantine time.Duration `json:"phoneNumberQuarantine,omitempty"`
	// Purge says that the time in the trash is over, rather than that somebody asked.
	Purge bool `json:"purge,omitempty"`
	atomicRemote

	records map[uuid.UUID]int
}

func (*remove) kind() string { return "REMOVE" }

// remote frees extensions, packages and numbers. Neither service refuses to take back.
func (op *remove) remote(ctx context.Context, e *Engine, s *store.Saga, _ []model.PhoneUser) (err error) {
	if op.records, err = e.store.CountRecords(ctx, s.AccountID, s.PhoneUserIDs); err != nil {
		return err
	}
	var both errgroup.Group
	both.Go(func() error { return e.extensions.Release(ctx, s.AccountID, s.PhoneUserIDs, op.ExtensionQuarantine) })
	both.Go(func() error { return e.numbering.Remove(ctx, s.AccountID, s.PhoneUserIDs, op.PhoneNumberQuarantine) })
	return both.Wait()
}

func (op *remove) finish(e *Engine, s *store.Saga, locked []model.PhoneUser) (store.Finish, proto.Message, error) {
	f, answer := store.Finish{}, &licensev1.BatchRemoveResponse{}
	kind := model.LogRemoved
	if op.Purge {
		kind = model.LogPurged
	}
	for i := range locked {
		p := &locked[i]
		if p.Live() { // in the trash the seat is free already
			f.ReleaseSeats++
		}
		if p.State == model.StatePending { // the invitation is taken back: somebody in the directory like any other is left
			f.ActivateUsers = append(f.ActivateUsers, p.AssigneeID)
		}
		f.Delete = append(f.Delete, p.ID)
		f.Log = append(f.Log, e.entry(s, p, kind, snapshot(p), nil))
		answer.Releases = append(answer.Releases, release(p, op.records[p.ID]))
	}
	return f, answer, nil
}

// release is what a phone user gives back.
func release(p *model.PhoneUser, records int) *licensev1.Release {
	return &licensev1.Release{
		PhoneUser: view.PhoneUserName(p), DisplayName: p.DisplayName, ExtensionNumber: p.ExtensionNumber,
		Package: model.PackageName(p.AccountID, p.PackageID), PhoneNumbers: p.PhoneNumbers, RecordCount: int32(records),
	}
}

// removable refuses what the account's policy sends to the trash first. Rooms have no trash.
func removable(policy model.Policy) func(ps []model.PhoneUser) error {
	return func(ps []model.PhoneUser) error {
		return refuseEach(ps, commonv1.Reason_TRASH_REQUIRED, func(p *model.PhoneUser) string {
			if !policy.SoftDelete || p.AssigneeKind == model.KindRoom || p.State != model.StateActive {
				return ""
			}
			return "the account's policy asks for the trash first: move " + p.DisplayName + " to the trash, then remove"
		})
	}
}

// Remove takes the licences of phone users away.
func (e *Engine) Remove(ctx context.Context, t Targets) (*licensev1.BatchRemoveResponse, error) {
	account, err := e.store.GetAccount(ctx, t.Account)
	if err != nil {
		return nil, err
	}
	op := &remove{ExtensionQuarantine: account.Policy.ExtensionQuarantine, PhoneNumberQuarantine: account.Policy.PhoneNumberQuarantine}
	answer := &licensev1.BatchRemoveResponse{}
	return answer, e.perform(ctx, t.request(op, removable(account.Policy)), answer)
}

// PreviewRemove says what Remove would take away.
func (e *Engine) PreviewRemove(ctx context.Context, t Targets) (*licensev1.BatchRemoveResponse, error) {
	account, err := e.store.GetAccount(ctx, t.Account)
	if err != nil {
		return nil, err
	}
	ps, err := e.readTargets(ctx, &t, removable(account.Policy))
	if err != nil {
		return nil, err
	}
	records, err := e.store.CountRecords(ctx, t.Account, t.PhoneUsers)
	if err != nil {
		return nil, err
	}
	answer := &licensev1.BatchRemoveResponse{}
	for i := range ps {
		answer.Releases = append(answer.Releases, release(&ps[i], records[ps[i].ID]))
	}
	return answer, nil
}
