package provisioning

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/view"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// trash moves phone users to the trash.
type trash struct {
	PhoneNumberQuarantine time.Duration `json:"phoneNumberQuarantine,omitempty"`
	TrashTime             time.Duration `json:"trashTime"`
	atomicRemote

	records map[uuid.UUID]int
}

func (*trash) kind() string { return "TRASH" }

// remote keeps the extensions for their owners and frees packages and numbers. Neither service refuses.
func (op *trash) remote(ctx context.Context, e *Engine, s *store.Saga, _ []model.PhoneUser) (err error) {
	if op.records, err = e.store.CountRecords(ctx, s.AccountID, s.PhoneUserIDs); err != nil {
		return err
	}
	var both errgroup.Group
	both.Go(func() error { return e.extensions.Hold(ctx, s.AccountID, s.PhoneUserIDs) })
	both.Go(func() error { return e.numbering.Remove(ctx, s.AccountID, s.PhoneUserIDs, op.PhoneNumberQuarantine) })
	return both.Wait()
}

func (op *trash) finish(e *Engine, s *store.Saga, locked []model.PhoneUser) (store.Finish, proto.Message, error) {
	after := op.trashed(locked, e.clock.Now())
	f := store.Finish{Update: after, ReleaseSeats: len(locked)}
	for i := range locked {
		f.Log = append(f.Log, e.entry(s, &locked[i], model.LogTrashed, snapshot(&locked[i]), snapshot(&after[i])))
	}
	return f, trashAnswer(locked, finished(after), op.records), nil
}

// trashed are the phone users as they are in the trash.
func (op *trash) trashed(ps []model.PhoneUser, now time.Time) []model.PhoneUser {
	after := slices.Clone(ps)
	for i := range after {
		p := &after[i]
		p.State, p.UpdateTime, p.DeleteTime, p.PurgeTime = model.StateTrashed, now, now, now.Add(op.TrashTime)
		p.TrashedPackageID, p.TrashedPhoneNumbers = p.PackageID, p.PhoneNumbers
		p.PackageID, p.PhoneNumbers = uuid.Nil, nil
	}
	return after
}

func trashAnswer(before, after []model.PhoneUser, records map[uuid.UUID]int) *licensev1.BatchTrashResponse {
	answer := &licensev1.BatchTrashResponse{PhoneUsers: view.PhoneUsers(after, nil)}
	for i := range before {
		r := release(&before[i], records[before[i].ID])
		r.ExtensionNumber = "" // kept for its owner
		answer.Releases = append(answer.Releases, r)
	}
	return answer
}

// trashable refuses what cannot be moved to the trash.
func trashable(policy model.Policy) func(ps []model.PhoneUser) error {
	return func(ps []model.PhoneUser) error {
		if !policy.SoftDelete {
			return errs.New(commonv1.Reason_SOFT_DELETE_DISABLED, "the account's policy has no trash: remove the licences instead")
		}
		err := refuseEach(ps, commonv1.Reason_NOT_TRASHABLE, func(p *model.PhoneUser) string {
			if p.AssigneeKind == model.KindRoom {
				return p.DisplayName + " is a room, which cannot be trashed: remove its licence instead"
			}
			return ""
		})
		if err != nil {
			return err
		}
		return requireActive(ps)
	}
}

// Trash moves phone users to the trash.
func (e *Engine) Trash(ctx context.Context, t Targets) (*licensev1.BatchTrashResponse, error) {
	account, err := e.store.GetAccount(ctx, t.Account)
	if err != nil {
		return nil, err
	}
	op := &trash{PhoneNumberQuarantine: account.Policy.PhoneNumberQuarantine, TrashTime: e.cfg.TrashTime}
	answer := &licensev1.BatchTrashResponse{}
	return answer, e.perform(ctx, t.request(op, trashable(account.Policy)), answer)
}

// PreviewTrash says what Trash would do.
func (e *Engine) PreviewTrash(ctx context.Context, t Targets) (*licensev1.BatchTrashResponse, error) {
	account, err := e.store.GetAccount(ctx, t.Account)
	if err != nil {
		return nil, err
	}
	ps, err := e.readTargets(ctx, &t, trashable(account.Policy))
	if err != nil {
		return nil, err
	}
	records, err := e.store.CountRecords(ctx, t.Account, t.PhoneUsers)
	if err != nil {
		return nil, err
	}
	return trashAnswer(ps, (&trash{TrashTime: e.cfg.TrashTime}).trashed(ps, e.clock.Now()), records), nil
}

// restore brings phone users back from the trash.
type restore struct {
	atomicRemote

	restored, missing []Holding
}

func (*restore) kind() string { return "RESTORE" }

// undo puts the phone users back into the trash, should a service refuse after the other one gave.
func (op *restore) undo(ctx context.Context, e *Engine, s *store.Saga) error {
	if err := e.extensions.Hold(ctx, s.AccountID, s.PhoneUserIDs); err != nil {
		return err
	}
	return e.numbering.Remove(ctx, s.AccountID, s.PhoneUserIDs, 0)
}

func (op *restore) remote(ctx context.Context, e *Engine, s *store.Saga, locked []model.PhoneUser) error {
	if _, err := e.extensions.Reclaim(ctx, s.AccountID, s.PhoneUserIDs); err != nil {
		return err
	}
	return op.ask(ctx, e, s.AccountID, locked, false)
}

func (op *restore) ask(ctx context.Context, e *Engine, account uuid.UUID, ps []model.PhoneUser, validateOnly bool) (err error) {
	ids, wanted := make([]uuid.UUID, len(ps)), make([]Holding, len(ps))
	for i := range ps {
		ids[i], wanted[i] = ps[i].ID, Holding{PackageID: ps[i].TrashedPackageID, PhoneNumbers: ps[i].TrashedPhoneNumbers}
	}
	op.restored, op.missing, err = e.numbering.Restore(ctx, account, ids, wanted, validateOnly)
	return err
}

func (op *restore) finish(e *Engine, s *store.Saga, locked []model.PhoneUser) (store.Finish, proto.Message, error) {
	if len(locked) != len(op.restored) {
		return store.Finish{}, nil, fmt.Errorf("%d phone users are left of %d", len(locked), len(op.restored))
	}
	after, states := op.back(locked, e.clock.Now())
	f := store.Finish{Update: after}
	for i := range after {
		f.Log = append(f.Log, e.entry(s, &after[i], model.LogRestored, snapshot(&locked[i]), snapshot(&after[i])))
	}
	return f, op.answer(finished(after), states), nil
}

// back are the phone users as they are in service again.
func (op *restore) back(ps []model.PhoneUser, now time.Time) ([]model.PhoneUser, view.PackageStates) {
	after, states := slices.Clone(ps), view.PackageStates{}
	for i := range after {
		p, h := &after[i], &op.restored[i]
		p.State, p.UpdateTime, p.DeleteTime, p.PurgeTime = model.StateActive, now, time.Time{}, time.Time{}
		p.PackageID, p.PhoneNumbers = h.PackageID, h.PhoneNumbers
		p.TrashedPackageID, p.TrashedPhoneNumbers = uuid.Nil, nil
		states[h.PackageID] = h.PackageState
	}
	return after, states
}

func (op *restore) answer(after []model.PhoneUser, states view.PackageStates) *licensev1.BatchRestoreResponse {
	answer := &licensev1.BatchRestoreResponse{PhoneUsers: view.PhoneUsers(after, states)}
	for i := range after {
		p := &after[i]
		answer.Restorations = append(answer.Restorations, &licensev1.Restoration{
			PhoneUser: view.PhoneUserName(p), ExtensionNumber: p.ExtensionNumber,
			MissingPackage:      model.PackageName(p.AccountID, op.missing[i].PackageID),
			MissingPhoneNumbers: op.missing[i].PhoneNumbers,
		})
	}
	return answer
}

// restorable refuses what is not in the trash, or not any more.
func (e *Engine) restorable(ps []model.PhoneUser) error {
	if err := refuseEach(ps, commonv1.Reason_NOT_DELETED, func(p *model.PhoneUser) string {
		if p.State == model.StateTrashed {
			return ""
		}
		return p.DisplayName + " is not in the trash"
	}); err != nil {
		return err
	}
	now := e.clock.Now()
	if err := refuseEach(ps, commonv1.Reason_NOT_FOUND, func(p *model.PhoneUser) string {
		if !now.After(p.PurgeTime) { // the last instant counts
			return ""
		}
		return "the time of " + p.DisplayName + " in the trash is over"
	}); err != nil {
		return err
	}
	return onePerAssignee(ps)
}

// onePerAssignee refuses to bring back two phone users of one person, who was licensed again after the first was trashed.
func onePerAssignee(ps []model.PhoneUser) error {
	earlier := map[uuid.UUID]uuid.UUID{}
	var twice errs.Collector
	for i := range ps {
		p := &ps[i]
		holder, ok := earlier[p.AssigneeID]
		if !ok {
			earlier[p.AssigneeID] = p.ID
			continue
		}
		text := p.DisplayName + " would have two phone licences: restore one of them"
		twice.Add(fmt.Sprintf("phone_users[%d]", i), text,
			errs.New(commonv1.Reason_ALREADY_LICENSED, "%s", text).With("phone_user", model.PhoneUserName(p.AccountID, holder)))
	}
	return twice.Err()
}

// Restore brings phone users back from the trash.
func (e *Engine) Restore(ctx context.Context, t Targets) (*licensev1.BatchRestoreResponse, error) {
	answer := &licensev1.BatchRestoreResponse{}
	r := t.request(&restore{}, e.restorable)
	r.seats, r.revive = len(t.PhoneUsers), true
	return answer, e.perform(ctx, r, answer)
}

// PreviewRestore says what Restore would bring back.
func (e *Engine) PreviewRestore(ctx context.Context, t Targets) (*licensev1.BatchRestoreResponse, error) {
	account, err := e.store.GetAccount(ctx, t.Account)
	if err != nil {
		return nil, err
	}
	ps, err := e.readTargets(ctx, &t, e.restorable)
	if err != nil {
		return nil, err
	}
	assignees := make([]uuid.UUID, len(ps))
	for i := range ps {
		assignees[i] = ps[i].AssigneeID
	}
	live, err := e.store.LivePhoneUsers(ctx, t.Account, assignees)
	if err != nil {
		return nil, err
	}
	if err := store.AlreadyLicensed(t.Account, assignees, live, "phone_users", func(i int) string { return ps[i].DisplayName }); err != nil {
		return nil, err
	}
	if account.Taken+len(ps) > account.Seats {
		return nil, store.LicenseExhausted(account.Seats, account.Taken, len(ps))
	}
	op := &restore{}
	if err := op.ask(ctx, e, t.Account, ps, true); err != nil {
		return nil, err
	}
	after, states := op.back(ps, e.clock.Now())
	return op.answer(after, states), nil
}
