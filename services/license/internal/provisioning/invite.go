package provisioning

import (
	"context"
	"time"

	"github.com/google/uuid"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/view"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// ResendInvite sends the mail with the set-up link again and returns the notification's id.
func (e *Engine) ResendInvite(ctx context.Context, c Caller, accountID, id uuid.UUID) (uuid.UUID, error) {
	account, err := e.store.GetAccount(ctx, accountID)
	if err != nil {
		return uuid.Nil, err
	}
	messageID := uuid.Must(uuid.NewV7())
	_, err = e.store.ChangePhoneUser(ctx, accountID, id, func(p model.PhoneUser) (store.Change, error) {
		if err := e.mayResend(&p); err != nil {
			return store.Change{}, err
		}
		m, err := e.message(&p, account.DisplayName, mailKind(&p), messageID, originOf(ctx, c))
		if err != nil {
			return store.Change{}, err
		}
		changed := p
		changed.ResendTime = e.clock.Now()
		return store.Change{
			PhoneUser: changed, Outbox: []store.OutboxMessage{m},
			Log: []model.LogEntry{e.logEntry(c, &p, model.LogInviteResent, nil, nil)},
		}, nil
	})
	if err != nil {
		return uuid.Nil, err
	}
	e.relay.Wake()
	return messageID, nil
}

func (e *Engine) mayResend(p *model.PhoneUser) error {
	name := view.PhoneUserName(p)
	switch {
	case p.State != model.StateActive && p.State != model.StatePending || p.AssigneeKind != model.KindUser:
		return errs.New(commonv1.Reason_LICENSE_REQUIRED, "only people with an active phone licence get this mail").With("phone_user", name)
	case p.SetupComplete:
		return errs.New(commonv1.Reason_ALREADY_SET_UP, "%s has completed the set-up already", p.DisplayName).With("phone_user", name)
	}
	if p.ResendTime.IsZero() {
		return nil
	}
	next := p.ResendTime.Add(e.cfg.ResendCooldown)
	wait := next.Sub(e.clock.Now())
	if wait <= 0 {
		return nil
	}
	return errs.New(commonv1.Reason_RESEND_TOO_SOON, "the mail was sent again a moment ago: the next may go at %s", next.UTC().Format(time.RFC3339)).
		With("retry_time", next.UTC().Format(time.RFC3339)).RetryAfter(wait)
}
