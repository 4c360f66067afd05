package provisioning

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/token"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// Invite adds people to the directory, of whom those with Phone get a PENDING phone user, which takes a licence seat, and an
// invitation mail, all in one transaction. answer renders what is kept under r.RequestID once the ids of the phone users
// are in the users; replay is the answer of an earlier call.
//
// Refused as store.Directory.CreateUsers, and with LICENSE_EXHAUSTED and SITE_REQUIRED.
func (e *Engine) Invite(ctx context.Context, c Caller, accountID uuid.UUID, n store.NewUsers, r store.Remember,
	answer func(users []model.User) proto.Message,
) (users []model.User, replay []byte, err error) {
	account, err := e.store.GetAccount(ctx, accountID)
	if err != nil {
		return nil, nil, err
	}
	now := e.clock.Now()
	for i := range n.Users {
		u := &n.Users[i]
		if !u.Phone {
			continue
		}
		if u.SiteID, err = e.store.ResolveSite(ctx, accountID, u.SiteID); err != nil {
			return nil, nil, err
		}
		p := model.PhoneUser{
			AccountID: accountID, ID: uuid.Must(uuid.NewV7()), AssigneeKind: model.KindUser, AssigneeID: u.ID, DisplayName: u.DisplayName,
			Email: u.Email, State: model.StatePending, SiteID: u.SiteID, Settings: &licensev1.Settings{}, Invited: true, Revision: 1,
			CreateTime: now, UpdateTime: now,
		}
		u.PhoneUserID = p.ID
		mails, err := e.told(&p, account.DisplayName, originOf(ctx, c))
		if err != nil {
			return nil, nil, err
		}
		n.Invited, n.Outbox = append(n.Invited, p), append(n.Outbox, mails...)
		n.Log = append(n.Log, e.logEntry(c, &p, model.LogInvited, nil, snapshot(&p)))
	}
	if r.RequestID != "" {
		if r.Answer, err = proto.Marshal(answer(n.Users)); err != nil {
			return nil, nil, fmt.Errorf("remember answer: %w", err)
		}
	}
	if replay, err = e.store.CreateUsers(ctx, accountID, n, r); err != nil {
		return nil, nil, err
	}
	e.relay.Wake()
	return n.Users, replay, nil
}

// Confirm lets an invited person in: the phone user gets an extension, and the person is told. Confirming again changes nothing.
//
// Refused with TOKEN_INVALID (also for another person's token), EXTENSION_RANGE_EXHAUSTED (the person stays invited).
func (e *Engine) Confirm(ctx context.Context, c Caller, accountID, user uuid.UUID, text string) error {
	tokenAccount, id, _, err := e.tokens.Read(token.Confirm, text, e.clock.Now())
	if err != nil {
		return err
	}
	wrong := errs.New(commonv1.Reason_TOKEN_INVALID, "the token is not for this person, or the invitation was withdrawn")
	if tokenAccount != accountID {
		return wrong
	}
	p, err := e.store.GetPhoneUser(ctx, accountID, id)
	switch {
	case errs.Reason(err) == commonv1.Reason_NOT_FOUND, err == nil && p.AssigneeID != user:
		return wrong
	case err != nil:
		return err
	case p.State != model.StatePending:
		return nil
	}
	account, err := e.store.GetAccount(ctx, accountID)
	if err != nil {
		return err
	}
	t := Targets{Account: accountID, Caller: c, PhoneUsers: []uuid.UUID{id}}
	err = e.perform(ctx, t.request(&confirm{AccountName: account.DisplayName}, func(ps []model.PhoneUser) error {
		if ps[0].State != model.StatePending {
			return store.InProgress(&ps[0]) // confirmed a moment ago
		}
		return nil
	}), &licensev1.PhoneUser{})
	if errs.Reason(err) == commonv1.Reason_OPERATION_IN_PROGRESS {
		if p, readErr := e.store.GetPhoneUser(ctx, accountID, id); readErr == nil && p.State == model.StateActive {
			return nil
		}
	}
	return err
}

// confirm gives an invited person's phone user its extension.
type confirm struct {
	AccountName string `json:"accountName"`

	number string
}

func (*confirm) kind() string         { return "CONFIRM" }
func (*confirm) madePhoneUsers() bool { return false }

func (op *confirm) remote(ctx context.Context, e *Engine, s *store.Saga, locked []model.PhoneUser) error {
	if len(locked) != 1 {
		return errors.New("the phone user is gone")
	}
	numbers, err := e.extensions.Allocate(ctx, s.AccountID, locked[0].SiteID, s.PhoneUserIDs, nil, false)
	if err == nil {
		op.number = numbers[0]
	}
	return err
}

func (*confirm) undo(ctx context.Context, e *Engine, s *store.Saga) error {
	return e.extensions.Release(ctx, s.AccountID, s.PhoneUserIDs, 0)
}

func (op *confirm) finish(e *Engine, s *store.Saga, locked []model.PhoneUser) (store.Finish, proto.Message, error) {
	p := locked[0]
	p.State, p.ExtensionNumber, p.UpdateTime = model.StateActive, op.number, e.clock.Now()
	mails, err := e.told(&p, op.AccountName, originOfSaga(s))
	return store.Finish{
		Update: []model.PhoneUser{p}, ActivateUsers: []uuid.UUID{p.AssigneeID}, Outbox: mails,
		Log: []model.LogEntry{
			e.entry(s, &p, model.LogConfirmed, snapshot(&locked[0]), snapshot(&p)),
			e.entry(s, &p, model.LogAssigned, nil, snapshot(&p)),
		},
	}, &licensev1.PhoneUser{}, err
}
