package provisioning

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// purgeBatch is how many phone users are purged by one operation.
const purgeBatch = 100

// RunPurge deletes for good what was in the trash long enough, until ctx ends. Several replicas may run it: a phone user is held
// by one operation at a time.
func (e *Engine) RunPurge(ctx context.Context) {
	tick := time.NewTicker(e.cfg.PurgeInterval)
	defer tick.Stop()
	for {
		if err := e.Purge(ctx); err != nil && ctx.Err() == nil {
			e.log.WarnContext(ctx, "purging failed, will be tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Purge deletes what was in the trash long enough, batch after batch until nothing is left.
func (e *Engine) Purge(ctx context.Context) error {
	for {
		due, err := e.store.DuePhoneUsers(ctx, e.clock.Now(), purgeBatch)
		if err != nil {
			return fmt.Errorf("find what is due: %w", err)
		}
		byAccount := map[uuid.UUID][]uuid.UUID{}
		for i := range due {
			byAccount[due[i].AccountID] = append(byAccount[due[i].AccountID], due[i].ID)
		}
		for account, ids := range byAccount {
			if err := e.purge(ctx, account, ids); err != nil {
				return err
			}
		}
		if len(due) < purgeBatch {
			return nil
		}
	}
}

// purge is a removal in the name of the service. What somebody else holds, restored or removed meanwhile is left to them.
func (e *Engine) purge(ctx context.Context, accountID uuid.UUID, ids []uuid.UUID) error {
	account, err := e.store.GetAccount(ctx, accountID)
	if err != nil {
		return err
	}
	op := &remove{
		Purge: true, ExtensionQuarantine: account.Policy.ExtensionQuarantine,
		PhoneNumberQuarantine: account.Policy.PhoneNumberQuarantine,
	}
	t := Targets{Account: accountID, PhoneUsers: ids, Caller: Caller{Actor: model.ActorSystem}}
	now := e.clock.Now()
	err = e.perform(ctx, t.request(op, func(ps []model.PhoneUser) error {
		return refuseEach(ps, commonv1.Reason_NOT_DELETED, func(p *model.PhoneUser) string {
			if p.State == model.StateTrashed && now.After(p.PurgeTime) {
				return ""
			}
			return p.DisplayName + " was restored"
		})
	}), &licensev1.BatchRemoveResponse{})
	switch errs.Reason(err) {
	case commonv1.Reason_OPERATION_IN_PROGRESS, commonv1.Reason_NOT_FOUND, commonv1.Reason_NOT_DELETED:
		if len(ids) == 1 {
			return nil
		}
		for _, id := range ids { // one of them is not to be purged: the others are, each by itself
			if err := e.purge(ctx, accountID, []uuid.UUID{id}); err != nil {
				return err
			}
		}
		return nil
	}
	return err
}
