package sqlstore

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

// MissingPhoneUsers implements leaks.Store.
func (s *Store) MissingPhoneUsers(ctx context.Context, account uuid.UUID, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	var missing map[uuid.UUID]bool
	err := s.db.Do(ctx, "license.MissingPhoneUsers", func(ctx context.Context, q crdb.Querier) error {
		rows, err := q.Query(ctx, `SELECT phone_user_id FROM phone_users WHERE account_id = $1 AND phone_user_id = ANY($2::UUID[])`, account, ids)
		if err != nil {
			return err
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if err != nil {
			return err
		}
		missing = make(map[uuid.UUID]bool)
		for _, id := range ids {
			missing[id] = true
		}
		for _, id := range found {
			delete(missing, id)
		}
		return nil
	})
	return missing, err
}
