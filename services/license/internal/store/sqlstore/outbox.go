package sqlstore

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

var insertOutbox = bulk[store.OutboxMessage]{table: "outbox", columns: []column[store.OutboxMessage]{
	col("message_id", "UUID", func(m *store.OutboxMessage) uuid.UUID { return m.ID }),
	col("account_id", "UUID", func(m *store.OutboxMessage) uuid.UUID { return m.AccountID }),
	col("message", "BYTEA", func(m *store.OutboxMessage) []byte { return m.Message }),
}}

// ClaimOutbox implements store.Outbox.
func (s *Store) ClaimOutbox(ctx context.Context, window time.Duration, limit int, claim time.Duration) ([]store.OutboxMessage, error) {
	var messages []store.OutboxMessage
	err := s.db.Tx(ctx, "license.ClaimOutbox", func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			UPDATE outbox SET claimed_until = now() + $2::INT8 * INTERVAL '1 millisecond'
			WHERE message_id IN (SELECT message_id FROM outbox
					WHERE claimed_until <= now() AND claimed_until > now() - $3::INT8 * INTERVAL '1 millisecond'
					ORDER BY claimed_until LIMIT $1)
				AND claimed_until <= now()
			RETURNING message_id, account_id, message`, limit, claim.Milliseconds(), windowMilliseconds(window))
		if err != nil {
			return err
		}
		messages, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (store.OutboxMessage, error) {
			var m store.OutboxMessage
			err := row.Scan(&m.ID, &m.AccountID, &m.Message)
			return m, err
		})
		return err
	})
	return messages, err
}

// DeleteOutbox implements store.Outbox.
func (s *Store) DeleteOutbox(ctx context.Context, ids []uuid.UUID) error {
	return s.db.Do(ctx, "license.DeleteOutbox", func(ctx context.Context, q crdb.Querier) error {
		_, err := q.Exec(ctx, `DELETE FROM outbox WHERE message_id = ANY($1::UUID[])`, ids)
		return err
	})
}

// ReleaseOutbox implements store.Outbox.
func (s *Store) ReleaseOutbox(ctx context.Context, ids []uuid.UUID) error {
	return s.db.Do(ctx, "license.ReleaseOutbox", func(ctx context.Context, q crdb.Querier) error {
		_, err := q.Exec(ctx, `UPDATE outbox SET claimed_until = now() WHERE message_id = ANY($1::UUID[])`, ids)
		return err
	})
}

// CountOutbox implements store.Outbox.
func (s *Store) CountOutbox(ctx context.Context) (int, time.Time, error) {
	return s.countOldest(ctx, "license.CountOutbox", `SELECT count(*), min(create_time) FROM outbox`)
}
