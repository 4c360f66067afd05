package provisioning

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/view"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// mend makes the other services hold for a phone user what is on record, and where they cannot, the record say what they hold. It
// converges: whatever it finds after a crash in the middle is just another difference.
type mend struct {
	AccountName string `json:"accountName"`
	atomicRemote

	number  string
	holding Holding
	told    bool
	states  view.PackageStates
}

func (*mend) kind() string { return "MEND" }

// Mend brings one phone user and the other services to agreement, under the lock that every operation takes. It answers the phone user
// as it is then.
func (e *Engine) Mend(ctx context.Context, c Caller, accountID, id uuid.UUID) (*licensev1.PhoneUser, error) {
	account, err := e.store.GetAccount(ctx, accountID)
	if err != nil {
		return nil, err
	}
	t := Targets{Account: accountID, Caller: c, PhoneUsers: []uuid.UUID{id}}
	answer := &licensev1.PhoneUser{}
	err = e.perform(ctx, t.request(&mend{AccountName: account.DisplayName}, func(ps []model.PhoneUser) error {
		if ps[0].State == model.StateProvisioning {
			return errs.New(commonv1.Reason_OPERATION_IN_PROGRESS, "the licence is being assigned").With("resource", view.PhoneUserName(&ps[0]))
		}
		return nil
	}), answer)
	return answer, err
}

func (op *mend) remote(ctx context.Context, e *Engine, s *store.Saga, locked []model.PhoneUser) (err error) {
	if len(locked) != 1 {
		return errors.New("the phone user is gone")
	}
	p := &locked[0]
	untold, err := e.Untold(ctx, s.AccountID, locked)
	if err != nil {
		return err
	}
	op.told = !untold[p.ID]
	if op.number, err = e.mendExtension(ctx, p); err != nil {
		return err
	}
	if op.holding, err = e.mendHolding(ctx, p); err != nil {
		return err
	}
	op.states, err = e.numbering.PackageStates(ctx, s.AccountID)
	return err
}

// mendExtension makes the extension service keep the phone user's number, or gives it another one, and returns what it has then.
func (e *Engine) mendExtension(ctx context.Context, p *model.PhoneUser) (string, error) {
	owners := []uuid.UUID{p.ID}
	all, err := e.books.HeldExtensions(ctx, p.AccountID, owners)
	if err != nil {
		return "", err
	}
	have, ok := all[p.ID]
	switch {
	case p.State == model.StatePending: // comes to a number when it is confirmed
		if !ok {
			return "", nil
		}
		return "", e.extensions.Release(ctx, p.AccountID, owners, 0)
	case !ok:
		have = HeldExtension{}
		if have.Number, err = e.allocateLike(ctx, p); err != nil {
			return "", err
		}
	case have.Number != p.ExtensionNumber && p.ExtensionNumber != "":
		number, err := e.extensions.Swap(ctx, p.AccountID, p.SiteID, p.ID, p.ExtensionNumber, 0)
		if err == nil {
			have.Number = number
		} else if !isRefusal(err) {
			return "", err
		}
	}
	switch trashed := p.State == model.StateTrashed; {
	case trashed && !have.Held:
		err = e.extensions.Hold(ctx, p.AccountID, owners)
	case !trashed && have.Held:
		_, err = e.extensions.Reclaim(ctx, p.AccountID, owners)
	}
	return have.Number, err
}

// allocateLike gives the phone user the number on record, or any when that is somebody else's.
func (e *Engine) allocateLike(ctx context.Context, p *model.PhoneUser) (string, error) {
	numbers, err := e.extensions.Allocate(ctx, p.AccountID, p.SiteID, []uuid.UUID{p.ID}, []string{p.ExtensionNumber}, false)
	if isRefusal(err) && p.ExtensionNumber != "" {
		numbers, err = e.extensions.Allocate(ctx, p.AccountID, p.SiteID, []uuid.UUID{p.ID}, nil, false)
	}
	if err != nil {
		return "", err
	}
	return numbers[0], nil
}

// mendHolding makes the numbering service keep the phone user's package and numbers, as far as they are to be had, and returns what it
// holds then.
func (e *Engine) mendHolding(ctx context.Context, p *model.PhoneUser) (Holding, error) {
	owners := []uuid.UUID{p.ID}
	held, err := e.books.Holdings(ctx, p.AccountID, owners)
	if err != nil || SameHolding(held[0], p) {
		return held[0], err
	}
	if err := e.numbering.Remove(ctx, p.AccountID, owners, 0); err != nil || p.PackageID == uuid.Nil {
		return Holding{}, err
	}
	restored, _, err := e.numbering.Restore(ctx, p.AccountID, owners, []Holding{{PackageID: p.PackageID, PhoneNumbers: p.PhoneNumbers}}, false)
	if err != nil {
		return Holding{}, err
	}
	return restored[0], nil
}

// SameHolding says whether a phone user holds what is on record, in whatever order.
func SameHolding(h Holding, p *model.PhoneUser) bool {
	return h.PackageID == p.PackageID && slices.Equal(slices.Sorted(slices.Values(h.PhoneNumbers)), slices.Sorted(slices.Values(p.PhoneNumbers)))
}

func (op *mend) finish(e *Engine, s *store.Saga, locked []model.PhoneUser) (store.Finish, proto.Message, error) {
	if len(locked) != 1 {
		return store.Finish{}, nil, errors.New("the phone user is gone")
	}
	before, p := &locked[0], locked[0]
	p.ExtensionNumber, p.PackageID, p.PhoneNumbers = op.number, op.holding.PackageID, op.holding.PhoneNumbers
	p.UpdateTime = e.clock.Now()
	f := store.Finish{Update: []model.PhoneUser{p}}
	caller := Caller{Actor: s.Actor, TraceID: s.TraceID}
	f.Log = e.changeEntries(caller, before, &p)
	if !SameHolding(op.holding, before) {
		f.Log = append(f.Log, e.logEntry(caller, &p, model.LogPackagesRemoved, holdingFields(before), holdingFields(&p)))
	}
	var err error
	if f.Outbox, err = op.tell(e, s, before, &p); err != nil {
		return f, nil, err
	}
	return f, view.PhoneUser(&finished(f.Update)[0], op.states), nil
}

// tell writes to a person who was never written to, or whose number is another one now.
func (op *mend) tell(e *Engine, s *store.Saga, before, p *model.PhoneUser) ([]store.OutboxMessage, error) {
	switch {
	case p.AssigneeKind != model.KindUser || p.State == model.StateTrashed:
		return nil, nil
	case !op.told:
		return e.told(p, op.AccountName, originOfSaga(s))
	case p.ExtensionNumber == before.ExtensionNumber || p.State != model.StateActive:
		return nil, nil
	}
	m, err := e.message(p, op.AccountName, mailKind(p), uuid.NewSHA1(s.ID, p.ID[:]), originOfSaga(s))
	return []store.OutboxMessage{m}, err
}

// Untold finds the people with a licence whom there is no message to. The outbox is asked first: a message is with the notification
// service before it leaves the outbox.
func (e *Engine) Untold(ctx context.Context, account uuid.UUID, ps []model.PhoneUser) (map[uuid.UUID]bool, error) {
	untold := map[uuid.UUID]bool{}
	var owners, messages []uuid.UUID
	for i := range ps {
		if p := &ps[i]; p.AssigneeKind == model.KindUser && (p.State == model.StateActive || p.State == model.StatePending) {
			untold[p.ID] = true
			owners, messages = append(owners, p.ID), append(messages, ToldID(p))
		}
	}
	if len(owners) == 0 {
		return untold, nil
	}
	waiting, err := e.store.InOutbox(ctx, messages)
	if err != nil {
		return nil, err
	}
	told, err := e.books.Told(ctx, account, owners)
	if err != nil {
		return nil, err
	}
	for i, id := range owners {
		if told[id] || waiting[messages[i]] {
			delete(untold, id)
		}
	}
	return untold, nil
}

// ToldID is the id of the mail that a phone user's person gets when it comes to be what it is; see Engine.told.
func ToldID(p *model.PhoneUser) uuid.UUID { return uuid.NewSHA1(p.ID, []byte(mailKind(p).String())) }
