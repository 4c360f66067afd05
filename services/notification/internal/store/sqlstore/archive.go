package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/notification/internal/message"
	"github.com/switchboard-phone/switchboard/services/notification/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/filter"
)

// filterColumns hold the fields of store.FilterSchema.
var filterColumns = filter.Columns{
	"recipient": "recipient_key", "kind": "kind", "state": "state", "phoneUser": "phone_user_id",
}

const messageColumns = `account_id, message_id, kind, recipient, subject, text_body, phone_user_id, state, attempts, last_error,
    create_time, next_attempt_time, send_time`

// Told implements store.Archive.
func (s *Store) Told(ctx context.Context, account uuid.UUID, phoneUsers []uuid.UUID) (told []uuid.UUID, err error) {
	err = s.db.Do(ctx, "notification.Told", func(ctx context.Context, q crdb.Querier) error {
		rows, _ := q.Query(ctx, `SELECT DISTINCT phone_user_id FROM messages WHERE account_id = $1 AND phone_user_id = ANY($2::UUID[])`,
			account, phoneUsers)
		told, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("who was told: %w", err)
	}
	return told, nil
}

// List implements store.Archive. Every filter that is a plain comparison of the recipient or the phone user has an index that
// ends in the order of the list. For the others there is the index by time, in which the page comes early, unless they
// look for a state, in which there may be few: left to itself, CockroachDB 20.1 reads and sorts the whole account.
func (s *Store) List(ctx context.Context, account uuid.UUID, where filter.Filter, after *store.Cursor, limit int) ([]message.Message, error) {
	condition, args, err := where.SQL(filterColumns, 2)
	if err != nil {
		return nil, err
	}
	args = append([]any{account}, args...)
	from := "messages"
	if !slices.ContainsFunc(where.Fields(), func(field string) bool { return field != "kind" }) {
		from = s.db.Index("messages", "messages_by_time")
	}
	sql := "SELECT " + messageColumns + " FROM " + from + " WHERE account_id = $1 AND " + condition
	if after != nil {
		sql += fmt.Sprintf(" AND (create_time, message_id) < ($%d, $%d)", len(args)+1, len(args)+2)
		args = append(args, after.CreateTime, after.ID)
	}
	sql += " ORDER BY create_time DESC, message_id DESC LIMIT $" + strconv.Itoa(len(args)+1)
	args = append(args, limit)
	var out []message.Message
	err = s.db.Do(ctx, "notification.List", func(ctx context.Context, q crdb.Querier) error {
		rows, err := q.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, scanMessage)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list messages: %w", err)
	}
	return out, nil
}

// Count implements store.Archive.
func (s *Store) Count(ctx context.Context, account uuid.UUID, where filter.Filter) (int, error) {
	condition, args, err := where.SQL(filterColumns, 2)
	if err != nil {
		return 0, err
	}
	n := 0
	err = s.db.Do(ctx, "notification.Count", func(ctx context.Context, q crdb.Querier) error {
		return q.QueryRow(ctx, "SELECT count(*) FROM messages WHERE account_id = $1 AND "+condition,
			append([]any{account}, args...)...).Scan(&n)
	})
	if err != nil {
		return 0, fmt.Errorf("count messages: %w", err)
	}
	return n, nil
}

const attemptsSQL = `
SELECT attempt, start_time, finish_time IS NOT NULL, succeeded, smtp_code, error FROM delivery_attempts
WHERE account_id = $1 AND message_id = $2 AND attempt <= $3 ORDER BY attempt DESC LIMIT $4`

// Get implements store.Archive.
func (s *Store) Get(ctx context.Context, key message.Key, maxAttempts int) (message.Message, []message.Attempt, error) {
	var m message.Message
	var attempts []message.Attempt
	err := s.db.Do(ctx, "notification.Get", func(ctx context.Context, q crdb.Querier) error {
		rows, err := q.Query(ctx, "SELECT "+messageColumns+" FROM messages WHERE account_id = $1 AND message_id = $2", key.Account, key.ID)
		if err != nil {
			return err
		}
		if m, err = pgx.CollectExactlyOneRow(rows, scanMessage); err != nil {
			return err
		}
		if rows, err = q.Query(ctx, attemptsSQL, key.Account, key.ID, m.Attempts, maxAttempts); err != nil {
			return err
		}
		attempts, err = pgx.CollectRows(rows, scanAttempt)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return m, nil, store.ErrNotFound
	}
	if err != nil {
		return m, nil, fmt.Errorf("read message: %w", err)
	}
	slices.Reverse(attempts)
	return m, attempts, nil
}

func scanMessage(row pgx.CollectableRow) (message.Message, error) {
	var m message.Message
	var next, sent *time.Time
	err := row.Scan(&m.Account, &m.ID, &m.Kind, &m.Recipient, &m.Subject, &m.TextBody, &m.PhoneUser, &m.State, &m.Attempts,
		&m.LastError, &m.CreateTime, &next, &sent)
	m.CreateTime = m.CreateTime.UTC()
	if next != nil {
		m.NextAttemptTime = next.UTC()
	}
	if sent != nil {
		m.SendTime = sent.UTC()
	}
	return m, err
}

func scanAttempt(row pgx.CollectableRow) (message.Attempt, error) {
	var a message.Attempt
	err := row.Scan(&a.Number, &a.Time, &a.Finished, &a.Succeeded, &a.SMTPCode, &a.Error)
	a.Time = a.Time.UTC()
	return a, err
}
