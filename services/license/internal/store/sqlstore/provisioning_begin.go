package sqlstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
)

// BeginSagas implements store.Provisioning: one transaction of one round trip that reads, one that writes, and the commit,
// however many operations begin.
func (s *Store) BeginSagas(ctx context.Context, account uuid.UUID, begins []store.Begin) ([]store.BeginResult, error) {
	var results []store.BeginResult
	sagaIDs := make([]uuid.UUID, len(begins))
	for i := range begins {
		sagaIDs[i] = begins[i].Saga.ID
	}
	err := s.db.TxInsert(ctx, "license.BeginSagas", func(ctx context.Context, tx pgx.Tx) error {
		state, err := readBeginState(ctx, tx, account, begins)
		if err != nil {
			return err
		}
		if err := state.readRevived(ctx, tx, begins); err != nil {
			return err
		}
		var accepted []*store.Begin
		results, accepted = state.decide(begins)
		return writeBegins(ctx, tx, account, accepted)
	}, exists(`SELECT 1 FROM sagas WHERE saga_id = ANY($1::UUID[])`, sagaIDs))
	return results, err
}

// beginState is what decides whether operations may begin. It is changed as they are accepted, so that those of one
// transaction see each other.
type beginState struct {
	account    uuid.UUID
	requests   map[string]store.Request
	locked     map[uuid.UUID]model.PhoneUser
	live       map[uuid.UUID]uuid.UUID // assignee → phone user
	sites      map[uuid.UUID]bool
	hasSeats   bool
	seats      int
	seatsTaken int
}

func readBeginState(ctx context.Context, tx pgx.Tx, account uuid.UUID, begins []store.Begin) (*beginState, error) {
	st := &beginState{
		account: account, requests: map[string]store.Request{}, locked: map[uuid.UUID]model.PhoneUser{},
		live: map[uuid.UUID]uuid.UUID{}, sites: map[uuid.UUID]bool{},
	}
	var requestIDs []string
	var lock, assignees, sites []uuid.UUID
	seats := 0
	for i := range begins {
		b := &begins[i]
		if b.Saga.RequestID != "" {
			requestIDs = append(requestIDs, b.Saga.RequestID)
		}
		lock = append(lock, b.Lock...)
		for j := range b.Insert {
			assignees = append(assignees, b.Insert[j].AssigneeID)
		}
		sites = append(sites, b.SiteIDs...)
		seats += b.Saga.Seats
	}
	var batch pgx.Batch
	if seats > 0 { // first, so that transactions of several replicas queue here rather than run into each other later
		batch.Queue(`SELECT seats, taken FROM account_seats WHERE account_id = $1 FOR UPDATE`, account).QueryRow(func(row pgx.Row) error {
			err := row.Scan(&st.seats, &st.seatsTaken)
			st.hasSeats = err == nil
			if errors.Is(err, pgx.ErrNoRows) {
				return nil
			}
			return err
		})
	}
	if len(requestIDs) > 0 {
		batch.Queue(`SELECT request_id, body_hash, response, saga_id FROM requests WHERE account_id = $1 AND request_id = ANY($2::TEXT[])`,
			account, requestIDs).Query(st.scanRequests)
	}
	if len(lock) > 0 {
		batch.Queue(`SELECT `+phoneUserColumns+` FROM phone_users WHERE account_id = $1 AND phone_user_id = ANY($2::UUID[]) FOR UPDATE`,
			account, lock).Query(st.scanLocked)
	}
	if len(assignees) > 0 {
		batch.Queue(liveAssigneesSQL, account, assignees).Query(st.scanLive)
	}
	if len(sites) > 0 {
		batch.Queue(`SELECT site_id FROM sites WHERE account_id = $1 AND site_id = ANY($2::UUID[])`, account, sites).Query(st.scanSites)
	}
	if batch.Len() == 0 {
		return st, nil
	}
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return nil, fmt.Errorf("read what operations depend on: %w", err)
	}
	return st, nil
}

// readRevived reads the licences of those whose phone users leave the trash, who are known only now.
func (st *beginState) readRevived(ctx context.Context, tx pgx.Tx, begins []store.Begin) error {
	var assignees []uuid.UUID
	for i := range begins {
		for _, id := range begins[i].Lock {
			if p, ok := st.locked[id]; ok && begins[i].Revive {
				assignees = append(assignees, p.AssigneeID)
			}
		}
	}
	if len(assignees) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, liveAssigneesSQL, st.account, assignees)
	if err != nil {
		return err
	}
	return st.scanLive(rows)
}

const liveAssigneesSQL = `SELECT live_assignee_id, phone_user_id FROM phone_users WHERE account_id = $1 AND live_assignee_id = ANY($2::UUID[])`

func (st *beginState) scanRequests(rows pgx.Rows) error {
	var id string
	var r store.Request
	var saga *uuid.UUID
	_, err := pgx.ForEachRow(rows, []any{&id, &r.BodyHash, &r.Response, &saga}, func() error {
		st.requests[id] = store.Request{BodyHash: bytes.Clone(r.BodyHash), Response: bytes.Clone(r.Response), SagaID: fromNull(saga)}
		return nil
	})
	return err
}

func (st *beginState) scanLocked(rows pgx.Rows) error {
	ps, err := collectPhoneUsers(rows)
	for i := range ps {
		st.locked[ps[i].ID] = ps[i]
	}
	return err
}

func (st *beginState) scanLive(rows pgx.Rows) error {
	var assignee, phoneUser uuid.UUID
	_, err := pgx.ForEachRow(rows, []any{&assignee, &phoneUser}, func() error {
		st.live[assignee] = phoneUser
		return nil
	})
	return err
}

func (st *beginState) scanSites(rows pgx.Rows) error {
	var id uuid.UUID
	_, err := pgx.ForEachRow(rows, []any{&id}, func() error {
		st.sites[id] = true
		return nil
	})
	return err
}

// decide accepts or refuses each operation in turn.
func (st *beginState) decide(begins []store.Begin) ([]store.BeginResult, []*store.Begin) {
	results := make([]store.BeginResult, len(begins))
	var accepted []*store.Begin
	for i := range begins {
		b, r := &begins[i], &results[i]
		if b.Saga.RequestID != "" {
			if known, ok := st.requests[b.Saga.RequestID]; ok {
				*r = replay(b, known)
				continue
			}
		}
		if r.Locked, r.Err = st.lockable(b); r.Err == nil {
			r.Err = st.check(b, r.Locked)
		}
		if r.Err != nil {
			continue
		}
		st.take(b)
		accepted = append(accepted, b)
	}
	return results, accepted
}

// replay answers an operation whose request id was used before.
func replay(b *store.Begin, known store.Request) store.BeginResult {
	switch {
	case !bytes.Equal(known.BodyHash, b.BodyHash):
		return store.BeginResult{Err: store.RequestIDReused(b.Saga.RequestID)}
	case known.Response == nil:
		return store.BeginResult{InProgress: known.SagaID}
	}
	return store.BeginResult{Response: known.Response}
}

func (st *beginState) lockable(b *store.Begin) ([]model.PhoneUser, error) {
	locked := make([]model.PhoneUser, 0, len(b.Lock))
	var missing []int
	for i, id := range b.Lock {
		p, ok := st.locked[id]
		switch {
		case !ok:
			missing = append(missing, i)
		case p.SagaID != uuid.Nil && p.SagaID != b.Saga.ID:
			return nil, store.InProgress(&p)
		default:
			locked = append(locked, p)
		}
	}
	if len(missing) > 0 {
		return nil, store.MissingPhoneUsers(st.account, b.Lock, missing)
	}
	return locked, nil
}

func (st *beginState) check(b *store.Begin, locked []model.PhoneUser) error {
	for _, id := range b.SiteIDs {
		if !st.sites[id] {
			return model.NotFound(model.SiteName(st.account, id))
		}
	}
	if b.Check != nil {
		if err := b.Check(locked); err != nil {
			return err
		}
	}
	if err := st.checkAssignees(b, locked); err != nil {
		return err
	}
	if b.Saga.Seats == 0 {
		return nil
	}
	if !st.hasSeats {
		return model.NotFound(model.AccountName(st.account))
	}
	if st.seatsTaken+b.Saga.Seats > st.seats {
		return store.LicenseExhausted(st.seats, st.seatsTaken, b.Saga.Seats)
	}
	return nil
}

// checkAssignees refuses those who would have two licences.
func (st *beginState) checkAssignees(b *store.Begin, locked []model.PhoneUser) error {
	becoming, field := b.Insert, "assignees"
	if b.Revive {
		becoming, field = locked, "phone_users"
	}
	ids := make([]uuid.UUID, len(becoming))
	for i := range becoming {
		ids[i] = becoming[i].AssigneeID
	}
	return store.AlreadyLicensed(st.account, ids, st.live, field, func(i int) string { return becoming[i].DisplayName })
}

// take lets the operations after b see what b has taken.
func (st *beginState) take(b *store.Begin) {
	if b.Saga.RequestID != "" {
		st.requests[b.Saga.RequestID] = store.Request{BodyHash: b.BodyHash, SagaID: b.Saga.ID}
	}
	for _, id := range b.Lock {
		p := st.locked[id]
		p.SagaID = b.Saga.ID
		st.locked[id] = p
		if b.Revive {
			st.live[p.AssigneeID] = p.ID
		}
	}
	for i := range b.Insert {
		st.live[b.Insert[i].AssigneeID] = b.Insert[i].ID
	}
	st.seatsTaken += b.Saga.Seats
}

// writeBegins makes the accepted operations durable.
func writeBegins(ctx context.Context, tx pgx.Tx, account uuid.UUID, accepted []*store.Begin) error {
	if len(accepted) == 0 {
		return nil
	}
	var batch pgx.Batch
	var inserts []model.PhoneUser
	var sagas []sagaRow
	seats := 0
	for _, b := range accepted {
		inserts, sagas = append(inserts, b.Insert...), append(sagas, sagaRow{b})
		seats += b.Saga.Seats
		queueLock(&batch, b)
	}
	if seats > 0 {
		batch.Queue(`UPDATE account_seats SET taken = taken + $2 WHERE account_id = $1`, account, seats)
	}
	if err := queuePhoneUsers(&batch, insertPhoneUsers, inserts); err != nil {
		return err
	}
	insertSagas.queue(&batch, sagas)
	insertRequests.queue(&batch, slices.DeleteFunc(sagas, func(s sagaRow) bool { return s.Saga.RequestID == "" }))
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("begin operations: %w", err)
	}
	return nil
}

// queueLock adds the statement that holds the phone users of an operation.
func queueLock(batch *pgx.Batch, b *store.Begin) {
	if len(b.Lock) == 0 {
		return
	}
	change := `UPDATE phone_users SET saga_id = $3`
	if b.Revive {
		change += `, live_assignee_id = assignee_id`
	}
	batch.Queue(change+` WHERE account_id = $1 AND phone_user_id = ANY($2::UUID[])`, b.Saga.AccountID, b.Lock, b.Saga.ID)
}

// sagaRow is a row of sagas and, under the caller's request id, of requests.
type sagaRow struct{ *store.Begin }

var insertSagas = bulk[sagaRow]{table: "sagas", columns: []column[sagaRow]{
	col("saga_id", "UUID", func(b *sagaRow) uuid.UUID { return b.Saga.ID }),
	col("account_id", "UUID", func(b *sagaRow) uuid.UUID { return b.Saga.AccountID }),
	col("kind", "TEXT", func(b *sagaRow) string { return b.Saga.Kind }),
	jsonCol("plan", func(b *sagaRow) string { return string(b.Saga.Plan) }),
	col("phone_users", "TEXT", func(b *sagaRow) string { return joinIDs(b.Saga.PhoneUserIDs) }),
	col("seats", "INT8", func(b *sagaRow) int64 { return int64(b.Saga.Seats) }),
	col("request_id", "TEXT", func(b *sagaRow) string { return b.Saga.RequestID }),
	col("actor", "TEXT", func(b *sagaRow) string { return b.Saga.Actor }),
	col("trace_id", "TEXT", func(b *sagaRow) string { return b.Saga.TraceID }),
	claimCol("claimed_until", func(b *sagaRow) time.Duration { return b.Claim }),
}}

var insertRequests = bulk[sagaRow]{table: "requests", columns: []column[sagaRow]{
	col("account_id", "UUID", func(b *sagaRow) uuid.UUID { return b.Saga.AccountID }),
	col("request_id", "TEXT", func(b *sagaRow) string { return b.Saga.RequestID }),
	col("body_hash", "BYTEA", func(b *sagaRow) []byte { return b.BodyHash }),
	col("saga_id", "UUID", func(b *sagaRow) uuid.UUID { return b.Saga.ID }),
}}
