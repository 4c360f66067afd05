package sqlstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

// FinishSagas implements store.Provisioning. Whoever deletes a saga's row has finished it, so that an operation ends once however
// many workers drive it. An ambiguous commit is repeated: what the first try deleted the second reports as not done, and
// the caller looks at the result instead.
func (s *Store) FinishSagas(ctx context.Context, account uuid.UUID, finishes []store.Finish) ([]bool, error) {
	done := make([]bool, len(finishes))
	ids := make([]uuid.UUID, len(finishes))
	for i := range finishes {
		ids[i] = finishes[i].Saga.ID
	}
	err := s.db.TxReadBack(ctx, "license.FinishSagas", func(ctx context.Context, tx pgx.Tx) error {
		clear(done)
		running, err := deleteSagas(ctx, tx, account, ids, store.SagaRunning)
		if err != nil {
			return err
		}
		var batch pgx.Batch
		var mine []*store.Finish
		for i := range finishes {
			if done[i] = running[ids[i]]; done[i] {
				mine = append(mine, &finishes[i])
			}
		}
		if len(mine) == 0 {
			return nil
		}
		if err := queueFinishes(&batch, account, mine); err != nil {
			return err
		}
		if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
			return fmt.Errorf("finish operations: %w", err)
		}
		return nil
	}, noneLeft(ids, store.SagaRunning))
	return done, err
}

// deleteSagas deletes those of the sagas that are in a state, and says which.
func deleteSagas(ctx context.Context, tx pgx.Tx, account uuid.UUID, ids []uuid.UUID, state store.SagaState) (map[uuid.UUID]bool, error) {
	rows, err := tx.Query(ctx,
		`DELETE FROM sagas WHERE saga_id = ANY($1::UUID[]) AND account_id = $2 AND state = $3 RETURNING saga_id`, ids, account, string(state))
	if err != nil {
		return nil, err
	}
	deleted := map[uuid.UUID]bool{}
	return deleted, collectSet(deleted)(rows)
}

func queueFinishes(batch *pgx.Batch, account uuid.UUID, finishes []*store.Finish) error {
	var (
		updates            []model.PhoneUser
		deletes, activated []uuid.UUID
		seats              int
		log                []model.LogEntry
		outbox             []store.OutboxMessage
	)
	for _, f := range finishes {
		updates, deletes = append(updates, f.Update...), append(deletes, f.Delete...)
		log, outbox = append(log, f.Log...), append(outbox, f.Outbox...)
		seats += f.ReleaseSeats
		activated = append(activated, f.ActivateUsers...)
		if f.Saga.RequestID != "" {
			batch.Queue(`UPDATE requests SET response = $3 WHERE account_id = $1 AND request_id = $2`, account, f.Saga.RequestID, f.Response)
		}
	}
	for i := range updates {
		updates[i].SagaID = uuid.Nil
	}
	if err := queuePhoneUsers(batch, updatePhoneUsers, updates); err != nil {
		return err
	}
	if len(deletes) > 0 {
		batch.Queue(`DELETE FROM phone_users WHERE account_id = $1 AND phone_user_id = ANY($2::UUID[])`, account, deletes)
	}
	if len(activated) > 0 {
		batch.Queue(`UPDATE users SET status = 'ACTIVE' WHERE account_id = $1 AND user_id = ANY($2::UUID[])`, account, activated)
	}
	if err := queueInsertLog(batch, log); err != nil {
		return err
	}
	insertOutbox.queue(batch, outbox)
	queueReleaseSeats(batch, account, seats)
	return nil
}

func queueReleaseSeats(batch *pgx.Batch, account uuid.UUID, seats int) {
	if seats > 0 {
		batch.Queue(`UPDATE account_seats SET taken = taken - $2 WHERE account_id = $1`, account, seats)
	}
}

// MarkUndoing implements store.Provisioning.
func (s *Store) MarkUndoing(ctx context.Context, saga uuid.UUID, failure []byte) (bool, error) {
	var marked bool
	err := s.db.TxReadBack(ctx, "license.MarkUndoing", func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE sagas SET state = 'UNDOING', failure = $2 WHERE saga_id = $1 AND state = 'RUNNING'`, saga, failure)
		marked = tag.RowsAffected() == 1
		return err
	}, func(ctx context.Context, q crdb.Querier) (bool, error) {
		err := q.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM sagas WHERE saga_id = $1 AND state = 'UNDOING')`, saga).Scan(&marked)
		return marked, err
	})
	return marked, err
}

// AbortSagas implements store.Provisioning.
func (s *Store) AbortSagas(ctx context.Context, account uuid.UUID, aborts []store.Abort) ([]bool, error) {
	done, ids := make([]bool, len(aborts)), make([]uuid.UUID, len(aborts))
	for i := range aborts {
		ids[i] = aborts[i].Saga.ID
	}
	err := s.db.TxReadBack(ctx, "license.AbortSagas", func(ctx context.Context, tx pgx.Tx) error {
		clear(done)
		undoing, err := deleteSagas(ctx, tx, account, ids, store.SagaUndoing)
		if err != nil {
			return err
		}
		var mine []store.Abort
		for i := range aborts {
			if done[i] = undoing[ids[i]]; done[i] {
				mine = append(mine, aborts[i])
			}
		}
		if len(mine) == 0 {
			return nil
		}
		var batch pgx.Batch
		queueAborts(&batch, account, mine)
		return tx.SendBatch(ctx, &batch).Close()
	}, noneLeft(ids, store.SagaUndoing))
	return done, err
}

func queueAborts(batch *pgx.Batch, account uuid.UUID, aborts []store.Abort) {
	var sagas, deletes, unlocks []uuid.UUID
	seats := 0
	for _, a := range aborts {
		sagas = append(sagas, a.Saga.ID)
		seats += a.Saga.Seats
		if a.DeletePhoneUsers {
			deletes = append(deletes, a.Saga.PhoneUserIDs...)
		} else {
			unlocks = append(unlocks, a.Saga.PhoneUserIDs...)
		}
		if a.Saga.RequestID != "" {
			batch.Queue(`DELETE FROM requests WHERE account_id = $1 AND request_id = $2 AND saga_id = $3`, account, a.Saga.RequestID, a.Saga.ID)
		}
	}
	if len(deletes) > 0 {
		batch.Queue(`DELETE FROM phone_users WHERE account_id = $1 AND phone_user_id = ANY($2::UUID[]) AND saga_id = ANY($3::UUID[])`,
			account, deletes, sagas)
	}
	if len(unlocks) > 0 {
		// What was to leave the trash stays there, and is nobody's living licence.
		batch.Queue(`UPDATE phone_users SET saga_id = NULL,
				live_assignee_id = CASE WHEN state = 'TRASHED' THEN NULL ELSE live_assignee_id END
			WHERE account_id = $1 AND phone_user_id = ANY($2::UUID[]) AND saga_id = ANY($3::UUID[])`, account, unlocks, sagas)
	}
	queueReleaseSeats(batch, account, seats)
}

// noneLeft asks whether a transaction took effect that deletes all of the sagas that are in a state: then none of them is left.
func noneLeft(ids []uuid.UUID, state store.SagaState) func(ctx context.Context, q crdb.Querier) (bool, error) {
	return func(ctx context.Context, q crdb.Querier) (bool, error) {
		var left bool
		err := q.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM sagas WHERE saga_id = ANY($1::UUID[]) AND state = $2)`, ids, string(state)).Scan(&left)
		return !left, err
	}
}

const sagaColumns = `saga_id, account_id, kind, state, plan::TEXT, phone_users, seats, request_id, actor, trace_id, failure,
	attempts, create_time`

func scanSaga(row pgx.CollectableRow) (store.Saga, error) {
	var sg store.Saga
	var plan, phoneUsers string
	err := row.Scan(&sg.ID, &sg.AccountID, &sg.Kind, &sg.State, &plan, &phoneUsers, &sg.Seats, &sg.RequestID, &sg.Actor,
		&sg.TraceID, &sg.Failure, &sg.Attempts, &sg.CreateTime)
	if err != nil {
		return sg, err
	}
	sg.Plan = []byte(plan)
	sg.PhoneUserIDs, err = splitIDs(phoneUsers)
	return sg, err
}

// ClaimSagas implements store.Provisioning. Two workers that see the same saga both try to move its claim; the database lets one
// of them.
func (s *Store) ClaimSagas(ctx context.Context, window time.Duration, limit int, claim time.Duration) ([]store.Saga, error) {
	var sagas []store.Saga
	err := s.db.Tx(ctx, "license.ClaimSagas", func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			UPDATE sagas SET claimed_until = now() + $2::INT8 * INTERVAL '1 millisecond', attempts = attempts + 1
			WHERE saga_id IN (SELECT saga_id FROM sagas
					WHERE claimed_until <= now() AND claimed_until > now() - $3::INT8 * INTERVAL '1 millisecond'
					ORDER BY claimed_until LIMIT $1)
				AND claimed_until <= now()
			RETURNING `+sagaColumns, limit, claim.Milliseconds(), windowMilliseconds(window))
		if err != nil {
			return err
		}
		sagas, err = pgx.CollectRows(rows, scanSaga)
		return err
	})
	return sagas, err
}

// KeepSagas implements store.Provisioning.
func (s *Store) KeepSagas(ctx context.Context, sagas []uuid.UUID, claim time.Duration) error {
	if len(sagas) == 0 {
		return nil
	}
	return s.db.Do(ctx, "license.KeepSagas", func(ctx context.Context, q crdb.Querier) error {
		_, err := q.Exec(ctx, `UPDATE sagas SET claimed_until = now() + $2::INT8 * INTERVAL '1 millisecond' WHERE saga_id = ANY($1::UUID[])`,
			sagas, claim.Milliseconds())
		return err
	})
}

// windowMilliseconds is how far back a look goes; a century when it takes everything.
func windowMilliseconds(window time.Duration) int64 {
	if window <= 0 {
		window = 100 * 365 * 24 * time.Hour
	}
	return window.Milliseconds()
}

// LockedPhoneUsers implements store.Provisioning.
func (s *Store) LockedPhoneUsers(ctx context.Context, saga *store.Saga) ([]model.PhoneUser, error) {
	byID := make(map[uuid.UUID]model.PhoneUser, len(saga.PhoneUserIDs))
	err := s.db.Do(ctx, "license.LockedPhoneUsers", func(ctx context.Context, q crdb.Querier) error {
		rows, err := q.Query(ctx, `SELECT `+phoneUserColumns+` FROM phone_users
			WHERE account_id = $1 AND phone_user_id = ANY($2::UUID[]) AND saga_id = $3`, saga.AccountID, saga.PhoneUserIDs, saga.ID)
		if err != nil {
			return err
		}
		ps, err := collectPhoneUsers(rows)
		for i := range ps {
			byID[ps[i].ID] = ps[i]
		}
		return err
	})
	locked := make([]model.PhoneUser, 0, len(byID))
	for _, id := range saga.PhoneUserIDs {
		if p, ok := byID[id]; ok {
			locked = append(locked, p)
		}
	}
	return locked, err
}

// FindRequest implements store.Provisioning.
func (s *Store) FindRequest(ctx context.Context, account uuid.UUID, requestID string) (*store.Request, error) {
	var found *store.Request
	err := s.db.Do(ctx, "license.FindRequest", func(ctx context.Context, q crdb.Querier) error {
		found = nil
		var r store.Request
		var saga *uuid.UUID
		err := q.QueryRow(ctx, `SELECT body_hash, response, saga_id FROM requests WHERE account_id = $1 AND request_id = $2`,
			account, requestID).Scan(&r.BodyHash, &r.Response, &saga)
		if crdb.Classify(err) == crdb.NotFound {
			return nil
		}
		r.SagaID = fromNull(saga)
		found = &r
		return err
	})
	return found, err
}

// DuePhoneUsers implements store.Provisioning.
func (s *Store) DuePhoneUsers(ctx context.Context, now time.Time, limit int) ([]model.PhoneUser, error) {
	var due []model.PhoneUser
	err := s.db.Do(ctx, "license.DuePhoneUsers", func(ctx context.Context, q crdb.Querier) error {
		rows, err := q.Query(ctx, `SELECT `+phoneUserColumns+` FROM phone_users
			WHERE purge_time < $1 AND saga_id IS NULL ORDER BY purge_time LIMIT $2`, now, limit)
		if err != nil {
			return err
		}
		due, err = collectPhoneUsers(rows)
		return err
	})
	return due, err
}

// RemovedPhoneUsers implements store.Provisioning: the account log knows everybody there ever was.
func (s *Store) RemovedPhoneUsers(ctx context.Context, account uuid.UUID, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	removed := map[uuid.UUID]bool{}
	err := s.db.Do(ctx, "license.RemovedPhoneUsers", func(ctx context.Context, q crdb.Querier) error {
		rows, err := q.Query(ctx, `SELECT DISTINCT l.phone_user_id FROM account_log AS l
			WHERE l.account_id = $1 AND l.phone_user_id = ANY($2::UUID[]) AND l.kind IN ('REMOVED', 'PURGED')`, account, ids)
		if err != nil {
			return err
		}
		return collectSet(removed)(rows)
	})
	return removed, err
}

// CountSagas implements store.Provisioning.
func (s *Store) CountSagas(ctx context.Context) (int, time.Time, error) {
	return s.countOldest(ctx, "license.CountSagas", `SELECT count(*), min(create_time) FROM sagas`)
}

func (s *Store) countOldest(ctx context.Context, op, query string) (count int, oldest time.Time, err error) {
	err = s.db.Do(ctx, op, func(ctx context.Context, q crdb.Querier) error {
		var first *time.Time
		err := q.QueryRow(ctx, query).Scan(&count, &first)
		oldest = fromNull(first)
		return err
	})
	return count, oldest, err
}

func joinIDs(ids []uuid.UUID) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	return strings.Join(texts, ",")
}

func splitIDs(text string) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	for _, t := range splitList(text) {
		id, err := uuid.Parse(t)
		if err != nil {
			return nil, fmt.Errorf("stored id: %w", err)
		}
		ids = append(ids, id)
	}
	return ids, nil
}
