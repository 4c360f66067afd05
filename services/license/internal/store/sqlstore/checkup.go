package sqlstore

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

// AccountIDs implements store.Checkup.
func (s *Store) AccountIDs(ctx context.Context, after uuid.UUID, limit int) (ids []uuid.UUID, err error) {
	err = s.db.Do(ctx, "license.AccountIDs", func(ctx context.Context, q crdb.Querier) error {
		rows, _ := q.Query(ctx, `SELECT account_id FROM accounts WHERE account_id > $1 ORDER BY account_id LIMIT $2`, after, limit)
		ids, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	return ids, err
}

// PhoneUsersByID implements store.Checkup.
func (s *Store) PhoneUsersByID(ctx context.Context, account, after uuid.UUID, limit int) ([]model.PhoneUser, error) {
	return s.phoneUsers(ctx, "license.PhoneUsersByID", `SELECT `+phoneUserColumns+` FROM phone_users
		WHERE account_id = $1 AND phone_user_id > $2 ORDER BY phone_user_id LIMIT $3`, account, after, limit)
}

// FindPhoneUsers implements store.Checkup.
func (s *Store) FindPhoneUsers(ctx context.Context, account uuid.UUID, ids []uuid.UUID) ([]model.PhoneUser, error) {
	return s.phoneUsers(ctx, "license.FindPhoneUsers", `SELECT `+phoneUserColumns+` FROM phone_users
		WHERE account_id = $1 AND phone_user_id = ANY($2::UUID[])`, account, ids)
}

func (s *Store) phoneUsers(ctx context.Context, op, sql string, args ...any) (ps []model.PhoneUser, err error) {
	err = s.db.Do(ctx, op, func(ctx context.Context, q crdb.Querier) error {
		rows, err := q.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		ps, err = collectPhoneUsers(rows)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return ps, nil
}

// ExistingSagas implements store.Checkup.
func (s *Store) ExistingSagas(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	return s.existing(ctx, "license.ExistingSagas", `SELECT saga_id FROM sagas WHERE saga_id = ANY($1::UUID[])`, ids)
}

// InOutbox implements store.Checkup.
func (s *Store) InOutbox(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	return s.existing(ctx, "license.InOutbox", `SELECT message_id FROM outbox WHERE message_id = ANY($1::UUID[])`, ids)
}

func (s *Store) existing(ctx context.Context, op, sql string, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	found := map[uuid.UUID]bool{}
	if len(ids) == 0 {
		return found, nil
	}
	err := s.db.Do(ctx, op, func(ctx context.Context, q crdb.Querier) error {
		clear(found)
		rows, err := q.Query(ctx, sql, ids)
		if err != nil {
			return err
		}
		return collectSet(found)(rows)
	})
	return found, err
}

// Unlock implements store.Checkup. What was to leave the trash stays there, as when an operation is undone.
func (s *Store) Unlock(ctx context.Context, account, phoneUser, saga uuid.UUID) error {
	return s.db.Do(ctx, "license.Unlock", func(ctx context.Context, q crdb.Querier) error {
		_, err := q.Exec(ctx, `UPDATE phone_users SET saga_id = NULL,
				live_assignee_id = CASE WHEN state = 'TRASHED' THEN NULL ELSE live_assignee_id END
			WHERE account_id = $1 AND phone_user_id = $2 AND saga_id = $3 AND NOT EXISTS (SELECT 1 FROM sagas WHERE saga_id = $3)`,
			account, phoneUser, saga)
		return err
	})
}

// AuditSeats implements store.Checkup. A seat is taken by each licence that lives or is being restored.
func (s *Store) AuditSeats(ctx context.Context, account uuid.UUID, repair bool) (counted, licences int, err error) {
	err = s.db.Tx(ctx, "license.AuditSeats", func(ctx context.Context, tx pgx.Tx) error {
		lock := ""
		if repair {
			lock = ` FOR UPDATE`
		}
		err := tx.QueryRow(ctx, `SELECT taken FROM account_seats WHERE account_id = $1`+lock, account).Scan(&counted)
		if crdb.Classify(err) == crdb.NotFound {
			return model.NotFound(model.AccountName(account))
		}
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `SELECT count(*) FROM phone_users WHERE account_id = $1 AND live_assignee_id IS NOT NULL`, account).Scan(&licences)
		if err != nil || !repair || counted == licences {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE account_seats SET taken = $2, seats = greatest(seats, $2) WHERE account_id = $1`, account, licences)
		return err
	})
	return counted, licences, err
}
