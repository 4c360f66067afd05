package sqlstore

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

// AddRecord implements store.PhoneRecords.
func (s *Store) AddRecord(ctx context.Context, entry model.LogEntry) (model.LogEntry, error) {
	var stored model.LogEntry
	err := s.db.Tx(ctx, "license.AddRecord", func(ctx context.Context, tx pgx.Tx) error {
		p, err := scanPhoneUser(tx.QueryRow(ctx, `SELECT `+phoneUserColumns+` FROM phone_users
			WHERE account_id = $1 AND phone_user_id = $2`, entry.AccountID, entry.PhoneUserID))
		if errors.Is(err, pgx.ErrNoRows) {
			return model.NotFound(model.PhoneUserName(entry.AccountID, entry.PhoneUserID))
		}
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT `+logColumns+` FROM account_log
			WHERE account_id = $1 AND phone_user_id = $2 AND entry_id = $3`, entry.AccountID, entry.PhoneUserID, entry.ID)
		if err != nil {
			return err
		}
		known, err := pgx.CollectRows(rows, scanLogEntry)
		if err != nil {
			return err
		}
		if len(known) > 0 {
			stored = known[0]
			return nil
		}
		stored = entry
		stored.AssigneeKind, stored.AssigneeID, stored.DisplayName = p.AssigneeKind, p.AssigneeID, p.DisplayName
		var batch pgx.Batch
		if err := queueInsertLog(&batch, []model.LogEntry{stored}); err != nil {
			return err
		}
		return tx.SendBatch(ctx, &batch).Close()
	})
	return stored, err
}

// CountRecords implements store.PhoneRecords.
func (s *Store) CountRecords(ctx context.Context, account uuid.UUID, phoneUsers []uuid.UUID) (map[uuid.UUID]int, error) {
	counts := map[uuid.UUID]int{}
	err := s.db.Do(ctx, "license.CountRecords", func(ctx context.Context, q crdb.Querier) error {
		rows, err := q.Query(ctx, `SELECT phone_user_id, count(*) FROM account_log
			WHERE account_id = $1 AND phone_user_id = ANY($2::UUID[]) AND kind = $3 GROUP BY phone_user_id`,
			account, phoneUsers, string(model.LogRecord))
		if err != nil {
			return err
		}
		var id uuid.UUID
		var n int
		_, err = pgx.ForEachRow(rows, []any{&id, &n}, func() error {
			counts[id] = n
			return nil
		})
		return err
	})
	return counts, err
}
