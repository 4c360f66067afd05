package sqlstore

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
)

// ChangePhoneUser implements store.PhoneUserWriter. An ambiguous commit is answered as such: change decides anew on repetition.
func (s *Store) ChangePhoneUser(ctx context.Context, account, id uuid.UUID,
	change func(p model.PhoneUser) (store.Change, error),
) (model.PhoneUser, error) {
	var result model.PhoneUser
	err := s.db.Tx(ctx, "license.ChangePhoneUser", func(ctx context.Context, tx pgx.Tx) error {
		p, err := scanPhoneUser(tx.QueryRow(ctx, `SELECT `+phoneUserColumns+` FROM phone_users
			WHERE account_id = $1 AND phone_user_id = $2 FOR UPDATE`, account, id))
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return model.NotFound(model.PhoneUserName(account, id))
		case err != nil:
			return err
		case p.SagaID != uuid.Nil:
			return store.InProgress(&p)
		}
		c, err := change(p)
		if err != nil {
			return err
		}
		if result = p; c.Unchanged {
			return nil
		}
		result = c.PhoneUser
		result.Revision = p.Revision + 1
		var batch pgx.Batch
		if err := queuePhoneUsers(&batch, updatePhoneUsers, []model.PhoneUser{c.PhoneUser}); err != nil {
			return err
		}
		if err := queueInsertLog(&batch, c.Log); err != nil {
			return err
		}
		insertOutbox.queue(&batch, c.Outbox)
		return tx.SendBatch(ctx, &batch).Close()
	})
	return result, err
}
