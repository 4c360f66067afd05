package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

// Allocate implements store.Lifecycle. Nearly always nothing is in the way, and then one statement does it. When that reports
// a row in the way, a transaction reads first and writes what can be written.
func (s *Store) Allocate(ctx context.Context, account uuid.UUID, claims []store.Claim, now time.Time) ([]store.Outcome, error) {
	if len(claims) == 0 {
		return nil, nil
	}
	done, err := s.insertAll(ctx, account, claims, now)
	if err != nil {
		return nil, err
	}
	if done {
		outcomes, rows := make([]store.Outcome, len(claims)), make([]store.Extension, len(claims))
		for i, c := range claims {
			rows[i] = store.Extension{Number: c.Number, State: store.Assigned, Owner: c.Owner}
			outcomes[i].Got = &rows[i]
		}
		return outcomes, nil
	}
	return s.settle(ctx, account, claims, now)
}

// insertAll writes all claims in one statement, or none: false means that a row or a vanished range is in the way.
func (s *Store) insertAll(ctx context.Context, account uuid.UUID, claims []store.Claim, now time.Time) (bool, error) {
	const op = "extension.Allocate"
	numbers, owners, ranges := unzip(claims)
	var written int64
	err := s.db.Do(ctx, op, func(ctx context.Context, q crdb.Querier) error {
		// A range never changes, so that the numbers are in it as long as it exists.
		tag, err := q.Exec(ctx, `INSERT INTO extensions (account_id, number, state, owner_id, create_time, update_time)
			SELECT $1::UUID, unnest($2::INT8[]), 'ASSIGNED', unnest($3::UUID[]), $4::TIMESTAMPTZ, $4::TIMESTAMPTZ
			WHERE (SELECT count(*) FROM extension_ranges WHERE account_id = $1::UUID AND range_id = ANY($5::UUID[])) = $6::INT8`,
			account, numbers, uuids(owners), now, ranges, len(ranges))
		written = tag.RowsAffected()
		return err
	})
	switch {
	case crdb.Classify(err) == crdb.UniqueViolation:
		return false, nil
	case err != nil:
		return false, fmt.Errorf("%s: %w", op, err)
	}
	return written == int64(len(claims)), nil
}

// unzip returns numbers and owners in step, and the distinct ranges.
func unzip(claims []store.Claim) (numbers []int64, owners, ranges []uuid.UUID) {
	numbers, owners = make([]int64, len(claims)), make([]uuid.UUID, len(claims))
	for i, c := range claims {
		numbers[i], owners[i] = int64(c.Number), c.Owner
		if !slices.Contains(ranges, c.Range) {
			ranges = append(ranges, c.Range)
		}
	}
	return numbers, owners, ranges
}

// uuids turns ids into what the driver encodes at once: a uuid.UUID it would have write itself as text, and read that.
func uuids(ids []uuid.UUID) pgtype.FlatArray[pgtype.UUID] {
	out := make([]pgtype.UUID, len(ids))
	for i, id := range ids {
		out[i] = pgtype.UUID{Bytes: id, Valid: true}
	}
	return out
}

// settle reads everything that bears on the claims, decides, and writes the requests that nothing keeps back.
func (s *Store) settle(ctx context.Context, account uuid.UUID, claims []store.Claim, now time.Time) ([]store.Outcome, error) {
	var outcomes []store.Outcome
	err := s.write(ctx, "extension.AllocateChecked", func(ctx context.Context, tx pgx.Tx) error {
		seen, err := s.look(ctx, tx, account, claims)
		if err != nil {
			return err
		}
		var fresh []store.Claim
		outcomes, fresh = seen.decide(claims, now)
		if err := s.keepSeen(ctx, tx, account, seen, now); err != nil {
			return err
		}
		if len(fresh) == 0 {
			return nil
		}
		return s.insertClaims(ctx, tx, account, fresh, seen.lapsed(fresh), now)
	})
	if err != nil {
		return nil, err
	}
	return outcomes, nil
}

// view is what a transaction saw.
type view struct {
	byOwner  map[uuid.UUID]store.Extension
	byNumber map[number.Number]store.Extension
	ranges   map[uuid.UUID]store.Range
}

// look reads the rows of the owners and of the numbers, and the ranges, in one round trip.
func (s *Store) look(ctx context.Context, tx pgx.Tx, account uuid.UUID, claims []store.Claim) (view, error) {
	v := view{
		byOwner:  map[uuid.UUID]store.Extension{},
		byNumber: map[number.Number]store.Extension{},
		ranges:   map[uuid.UUID]store.Range{},
	}
	numbers, owners, ranges := unzip(claims)
	b := &pgx.Batch{}
	b.Queue(`SELECT `+columns+` FROM extensions WHERE account_id = $1 AND owner_id = ANY($2::UUID[])`, account, owners).
		Query(each(scanExtension, func(e store.Extension) { v.byOwner[e.Owner] = e }))
	b.Queue(`SELECT `+columns+` FROM `+s.byNumber+` WHERE account_id = $1 AND number = ANY($2::INT8[])`, account, numbers).
		Query(each(scanExtension, func(e store.Extension) { v.byNumber[e.Number] = e }))
	b.Queue(`SELECT `+rangeColumns+` FROM extension_ranges WHERE account_id = $1 AND range_id = ANY($2::UUID[])`, account, ranges).
		Query(each(scanRange, func(r store.Range) { v.ranges[r.ID] = r }))
	return v, tx.SendBatch(ctx, b).Close()
}

// each hands every row of a query to fn.
func each[T any](scan pgx.RowToFunc[T], fn func(T)) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		all, err := pgx.CollectRows(rows, scan)
		for _, v := range all {
			fn(v)
		}
		return err
	}
}

// decide returns the outcomes, and the claims that have to be written to make them true.
func (v view) decide(claims []store.Claim, now time.Time) ([]store.Outcome, []store.Claim) {
	outcomes := make([]store.Outcome, len(claims))
	refused := map[int]bool{}
	for i, c := range claims {
		outcomes[i] = v.outcome(c, now)
		if !outcomes[i].Settled() {
			refused[c.Request] = true
		}
	}
	var fresh []store.Claim
	for i, c := range claims {
		if _, had := v.byOwner[c.Owner]; had {
			continue
		}
		if refused[c.Request] {
			outcomes[i].Got = nil
			continue
		}
		fresh = append(fresh, c)
	}
	return outcomes, fresh
}

func (v view) outcome(c store.Claim, now time.Time) store.Outcome {
	if had, ok := v.byOwner[c.Owner]; ok {
		return store.Outcome{Got: &had}
	}
	if r, ok := v.ranges[c.Range]; !ok || !r.Contains(c.Number) {
		return store.Outcome{RangeGone: true}
	}
	if row, ok := v.byNumber[c.Number]; ok && isLive(row, now) {
		return store.Outcome{Taken: &row}
	}
	return store.Outcome{Got: &store.Extension{Number: c.Number, State: store.Assigned, Owner: c.Owner}}
}

func isLive(e store.Extension, now time.Time) bool {
	return e.State != store.Quarantined || e.QuarantineUntil.After(now)
}

// keepSeen gives the extensions that owners have already a new update time, as Keep does.
func (s *Store) keepSeen(ctx context.Context, tx pgx.Tx, account uuid.UUID, v view, now time.Time) error {
	if len(v.byOwner) == 0 {
		return nil
	}
	numbers := make([]number.Number, 0, len(v.byOwner))
	for _, e := range v.byOwner {
		numbers = append(numbers, e.Number)
	}
	_, err := tx.Exec(ctx, `UPDATE `+s.byNumber+` SET update_time = `+touched+` WHERE account_id = $1 AND number = ANY($2::INT8[])`,
		account, ints(numbers), now)
	return err
}

// lapsed returns the numbers of claims that still have the row of a quarantine that is over.
func (v view) lapsed(claims []store.Claim) []number.Number {
	var out []number.Number
	for _, c := range claims {
		if _, ok := v.byNumber[c.Number]; ok {
			out = append(out, c.Number)
		}
	}
	return out
}

// insertClaims writes rows, once those of lapsed are removed. The rows are written in the order of their numbers, so that two
// transactions that want the same ones wait for each other instead of for ever.
func (s *Store) insertClaims(ctx context.Context, tx pgx.Tx, account uuid.UUID, claims []store.Claim, lapsed []number.Number, now time.Time) error {
	claims = slices.SortedFunc(slices.Values(claims), func(a, b store.Claim) int { return cmp.Compare(a.Number, b.Number) })
	numbers, owners, _ := unzip(claims)
	b := &pgx.Batch{}
	if len(lapsed) > 0 {
		b.Queue(`DELETE FROM `+s.byNumber+` WHERE account_id = $1 AND number = ANY($2::INT8[])`, account, ints(lapsed))
	}
	b.Queue(`INSERT INTO extensions (account_id, number, state, owner_id, create_time, update_time)
		SELECT $1::UUID, unnest($2::INT8[]), 'ASSIGNED', unnest($3::UUID[]), $4::TIMESTAMPTZ, $4::TIMESTAMPTZ`, account, numbers, uuids(owners), now)
	return tx.SendBatch(ctx, b).Close()
}
