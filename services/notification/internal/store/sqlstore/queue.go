package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/notification/internal/message"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

const enqueueSQL = `
INSERT INTO messages (account_id, message_id, kind, recipient, recipient_key, display_name, subject, text_body, mail_text, mail_html,
    phone_user_id, request_id, trace_parent, state, attempts, failures, last_error, next_attempt_time, create_time)
SELECT unnest($1::UUID[]), unnest($2::UUID[]), unnest($3::TEXT[]), unnest($4::TEXT[]), unnest($5::TEXT[]), unnest($6::TEXT[]),
    unnest($7::TEXT[]), unnest($8::TEXT[]), unnest($9::TEXT[]), unnest($10::TEXT[]), unnest($11::UUID[]), unnest($12::TEXT[]),
    unnest($13::TEXT[]), 'QUEUED', 0, 0, '', now(), now()
ON CONFLICT (account_id, message_id) DO NOTHING`

// Enqueue implements store.Queue.
func (s *Store) Enqueue(ctx context.Context, messages []message.New) (int, error) {
	if len(messages) == 0 {
		return 0, nil
	}
	n := len(messages)
	accounts, ids := make([]uuid.UUID, n), make([]uuid.UUID, n)
	phoneUsers := make([]uuid.NullUUID, n)
	text := make([][]string, 10)
	for i, m := range messages {
		accounts[i], ids[i], phoneUsers[i] = m.Account, m.ID, m.PhoneUser
		for c, v := range []string{string(m.Kind), m.Recipient, message.RecipientKey(m.Recipient), m.DisplayName, m.Subject,
			m.TextBody, m.MailText, m.MailHTML, m.RequestID, m.TraceParent} {
			text[c] = append(text[c], v)
		}
	}
	added := 0
	err := s.db.Do(ctx, "notification.Enqueue", func(ctx context.Context, q crdb.Querier) error {
		tag, err := q.Exec(ctx, enqueueSQL, accounts, ids, text[0], text[1], text[2], text[3], text[4], text[5], text[6], text[7],
			phoneUsers, text[8], text[9])
		added = int(tag.RowsAffected())
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("enqueue messages: %w", err)
	}
	return added, nil
}

// A claim moves next_attempt_time past its own end, so that the queue's index hides claimed messages and shows them again, in
// their turn, when the sender has died. Its statement is the judge: of two that want the same row one is run again by the
// database or by us (40001), and then no longer finds it due. UPDATE … FROM and not … WHERE IN, which CockroachDB 20.1 would
// answer by reading the whole table. The present time is a parameter, since it bounds what is read only then.
const claimSQL = `
WITH due AS (
    SELECT account_id, message_id, next_attempt_time AS due_time FROM messages
    WHERE state = 'QUEUED' AND next_attempt_time >= $4 AND next_attempt_time <= $5
    ORDER BY next_attempt_time, message_id LIMIT $1
), claimed AS (
    UPDATE messages AS m SET attempts = m.attempts + 1, next_attempt_time = now() + $2::INTERVAL
    FROM due WHERE m.account_id = due.account_id AND m.message_id = due.message_id
    RETURNING m.account_id, m.message_id, m.attempts, m.failures, m.recipient, m.display_name, m.subject, m.mail_text, m.mail_html,
        m.kind, m.request_id, coalesce(m.trace_parent, '') AS trace_parent, m.create_time, due.due_time
), noted AS (
    INSERT INTO delivery_attempts (account_id, message_id, attempt, start_time, sender, succeeded, smtp_code, error)
    SELECT account_id, message_id, attempts, now(), $3::TEXT, false, 0, '' FROM claimed
    ON CONFLICT (account_id, message_id, attempt) DO UPDATE SET start_time = excluded.start_time, sender = excluded.sender
    RETURNING 1
)
SELECT * FROM claimed WHERE ($4::TIMESTAMPTZ, $5::TIMESTAMPTZ) IS NOT NULL ORDER BY due_time, message_id`

// Claim implements store.Queue.
func (s *Store) Claim(ctx context.Context, limit int, lease time.Duration, sender string) ([]message.Claimed, error) {
	var out []message.Claimed
	err := s.db.Do(ctx, "notification.Claim", func(ctx context.Context, q crdb.Querier) error {
		var now time.Time
		if err := q.QueryRow(ctx, "SELECT now()").Scan(&now); err != nil {
			return err
		}
		from := s.mark.from(now)
		rows, err := q.Query(ctx, claimSQL, limit, lease, sender, from, now)
		if err != nil {
			return err
		}
		low := now
		out, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (message.Claimed, error) {
			var c message.Claimed
			var due time.Time
			err := row.Scan(&c.Account, &c.ID, &c.Attempt, &c.Failures, &c.Recipient, &c.DisplayName, &c.Subject, &c.MailText,
				&c.MailHTML, &c.Kind, &c.RequestID, &c.TraceParent, &c.CreateTime, &due)
			c.CreateTime = c.CreateTime.UTC()
			low = due
			return c, err
		})
		if err != nil {
			return err
		}
		if len(out) < limit {
			low = now
		}
		s.mark.claimed(now, from, low)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("claim messages: %w", err)
	}
	return out, nil
}

// CockroachDB 20.1 does not see the casts inside of WITH and FROM when it decides the types of the parameters, so the statement
// names them once more in its last condition, which is always true. The conditions on the state stand in a CASE, which no index
// can serve: otherwise the database may come to read whole states instead of the rows named.
const recordSQL = `
WITH o AS (
    SELECT unnest($1::UUID[]) AS account_id, unnest($2::UUID[]) AS message_id, unnest($3::INT8[]) AS attempt,
        unnest($4::TEXT[]) AS state, unnest($5::INTERVAL[]) AS retry_after, unnest($6::INT8[]) AS counts,
        unnest($7::INT8[]) AS smtp_code, unnest($8::TEXT[]) AS error
), m AS (
    UPDATE messages AS m SET
        state = o.state,
        send_time = CASE WHEN o.state = 'SENT' THEN now() END,
        next_attempt_time = CASE WHEN o.state = 'QUEUED' THEN now() + o.retry_after END,
        failures = m.failures + o.counts,
        last_error = CASE WHEN o.state = 'SENT' THEN m.last_error ELSE o.error END,
        mail_text = CASE WHEN o.state = 'QUEUED' THEN m.mail_text ELSE '' END,
        mail_html = CASE WHEN o.state = 'QUEUED' THEN m.mail_html ELSE '' END
    FROM o JOIN delivery_attempts AS t ON t.account_id = o.account_id AND t.message_id = o.message_id AND t.attempt = o.attempt
    WHERE m.account_id = o.account_id AND m.message_id = o.message_id
        AND CASE WHEN m.state = 'SENT' THEN false
            WHEN o.state = 'SENT' THEN true
            ELSE m.state = 'QUEUED' AND m.attempts = o.attempt AND t.finish_time IS NULL END
    RETURNING 1
), a AS (
    UPDATE delivery_attempts AS a SET finish_time = now(), succeeded = (o.state = 'SENT'), smtp_code = o.smtp_code, error = o.error
    FROM o
    WHERE a.account_id = o.account_id AND a.message_id = o.message_id AND a.attempt = o.attempt
    RETURNING 1
)
SELECT (SELECT count(*) FROM m), (SELECT count(*) FROM a)
WHERE ($1::UUID[], $2::UUID[], $3::INT8[], $4::TEXT[], $5::INTERVAL[], $6::INT8[], $7::INT8[], $8::TEXT[]) IS NOT NULL`

// Record implements store.Queue. A repeat after a lost answer finds the attempt finished, and so changes nothing.
func (s *Store) Record(ctx context.Context, outcomes []message.Outcome) error {
	if len(outcomes) == 0 {
		return nil
	}
	n := len(outcomes)
	claims := make([]message.Claim, n)
	states, errs := make([]string, n), make([]string, n)
	after := make([]time.Duration, n)
	counts, codes := make([]int64, n), make([]int64, n)
	for i, o := range outcomes {
		claims[i], states[i], after[i], errs[i], codes[i] = o.Claim, string(o.State), o.RetryAfter, o.Error, int64(o.SMTPCode)
		if o.Counts {
			counts[i] = 1
		}
	}
	accounts, ids, attempts := columns(claims)
	err := s.db.Do(ctx, "notification.Record", func(ctx context.Context, q crdb.Querier) error {
		var messages, tries int
		return q.QueryRow(ctx, recordSQL, accounts, ids, attempts, states, after, counts, codes, errs).Scan(&messages, &tries)
	})
	if err != nil {
		return fmt.Errorf("record outcomes: %w", err)
	}
	return nil
}

// See recordSQL for the form of the conditions.
const releaseSQL = `
UPDATE messages AS m SET attempts = m.attempts - 1, next_attempt_time = now()
FROM (SELECT unnest($1::UUID[]) AS account_id, unnest($2::UUID[]) AS message_id, unnest($3::INT8[]) AS attempt) AS o
WHERE m.account_id = o.account_id AND m.message_id = o.message_id AND CASE WHEN m.state = 'QUEUED' THEN m.attempts = o.attempt ELSE false END
    AND ($1::UUID[], $2::UUID[], $3::INT8[]) IS NOT NULL`

// Release implements store.Queue.
func (s *Store) Release(ctx context.Context, claims []message.Claim) error {
	if len(claims) == 0 {
		return nil
	}
	accounts, ids, attempts := columns(claims)
	err := s.db.Do(ctx, "notification.Release", func(ctx context.Context, q crdb.Querier) error {
		_, err := q.Exec(ctx, releaseSQL, accounts, ids, attempts)
		return err
	})
	if err != nil {
		return fmt.Errorf("release messages: %w", err)
	}
	return nil
}

const backlogSQL = `
SELECT count(*), coalesce(extract(epoch FROM now() - min(next_attempt_time)), 0)::FLOAT8
FROM (SELECT next_attempt_time FROM messages WHERE state = 'QUEUED' ORDER BY next_attempt_time, message_id LIMIT $1) AS q`

// Backlog implements store.Queue.
func (s *Store) Backlog(ctx context.Context, limit int) (message.Backlog, error) {
	var b message.Backlog
	var seconds float64
	err := s.db.Do(ctx, "notification.Backlog", func(ctx context.Context, q crdb.Querier) error {
		return q.QueryRow(ctx, backlogSQL, limit).Scan(&b.Queued, &seconds)
	})
	if err != nil {
		return b, fmt.Errorf("read backlog: %w", err)
	}
	b.OldestDue = max(0, time.Duration(seconds*float64(time.Second)))
	return b, nil
}

// columns turns claims into one array for each column.
func columns(claims []message.Claim) (accounts, ids []uuid.UUID, attempts []int64) {
	for _, c := range claims {
		accounts, ids, attempts = append(accounts, c.Account), append(ids, c.ID), append(attempts, int64(c.Attempt))
	}
	return accounts, ids, attempts
}
