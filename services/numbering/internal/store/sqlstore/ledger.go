package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/switchboard-phone/switchboard/services/numbering/internal/books"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

// changeRuns bounds how often Change runs when commits are not confirmed.
const changeRuns = 3

// Change implements store.Store. After a commit that was not confirmed it runs again, which is right as apply is idempotent.
func (s *Store) Change(ctx context.Context, account uuid.UUID, scope books.Scope, now time.Time, apply func(l *books.Ledger) error) error {
	var err error
	for range changeRuns {
		err = s.db.Tx(ctx, OpChange, func(ctx context.Context, tx pgx.Tx) error {
			l, err := open(ctx, tx, account, scope, now, true)
			if err != nil {
				return err
			}
			if err := apply(l); err != nil {
				return err
			}
			return write(ctx, tx, account, l.Changes(), now)
		})
		if !crdb.IsAmbiguous(err) || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("change assignments: %w", err)
	}
	return nil
}

// Preview implements store.Store.
func (s *Store) Preview(ctx context.Context, account uuid.UUID, scope books.Scope, now time.Time, apply func(l *books.Ledger) error) error {
	err := s.db.Tx(ctx, OpPreview, func(ctx context.Context, tx pgx.Tx) error {
		l, err := open(ctx, tx, account, scope, now, false)
		if err != nil {
			return err
		}
		return apply(l)
	})
	if err != nil {
		return fmt.Errorf("read assignments: %w", err)
	}
	return nil
}

// open reads a ledger, in one round trip mostly, in two when owners hold packages that are not among those to be given out.
//
// With lock, the seats that may be given out are locked first of all, in a fixed order: transactions that would collide there
// wait their turn instead of running into each other at the end.
func open(ctx context.Context, tx pgx.Tx, account uuid.UUID, scope books.Scope, now time.Time, lock bool) (*books.Ledger, error) {
	var snap books.Snapshot
	var b pgx.Batch
	seats, states := map[uuid.UUID]books.PackageRow{}, map[uuid.UUID]books.State{}
	if len(scope.Packages) > 0 {
		queueSeats(&b, account, scope.Packages, lock, seats)
		queueStates(&b, account, scope.Packages, states)
	}
	if len(scope.Owners) > 0 {
		queueHolders(&b, account, scope.Owners, &snap)
		queueNumbers(&b, `owner_id = ANY($2::UUID[])`, account, scope.Owners, &snap)
	}
	if len(scope.Numbers) > 0 {
		queueNumbers(&b, `number = ANY($2::TEXT[])`, account, scope.Numbers, &snap)
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return nil, err
	}
	for id, row := range seats {
		row.State = states[id]
		snap.Packages = append(snap.Packages, row)
	}
	if err := addStates(ctx, tx, account, states, snap.Holders); err != nil {
		return nil, err
	}
	return books.Open(snap, now), nil
}

// addStates fills in the states of the packages that are held; known are those read already. It is a statement of its own, as
// PostgreSQL is tempted to start a join of holders and packages from the packages, and to read all of their holders.
func addStates(ctx context.Context, tx pgx.Tx, account uuid.UUID, known map[uuid.UUID]books.State, holders []books.HolderRow) error {
	var unknown []uuid.UUID
	for _, h := range holders {
		if _, ok := known[h.Package]; !ok {
			known[h.Package] = ""
			unknown = append(unknown, h.Package)
		}
	}
	if len(unknown) > 0 {
		var b pgx.Batch
		queueStates(&b, account, unknown, known)
		if err := tx.SendBatch(ctx, &b).Close(); err != nil {
			return err
		}
	}
	for i := range holders {
		holders[i].State = known[holders[i].Package]
	}
	return nil
}

func queueSeats(b *pgx.Batch, account uuid.UUID, packages []uuid.UUID, lock bool, out map[uuid.UUID]books.PackageRow) {
	statement := `SELECT package_id, seats, assigned FROM package_seats WHERE account_id = $1 AND package_id = ANY($2::UUID[]) ORDER BY package_id`
	if lock {
		statement += ` FOR UPDATE`
	}
	b.Queue(statement, account, packages).Query(func(rows pgx.Rows) error {
		var r books.PackageRow
		_, err := pgx.ForEachRow(rows, []any{&r.ID, &r.Seats, &r.Assigned}, func() error {
			out[r.ID] = r
			return nil
		})
		return err
	})
}

func queueStates(b *pgx.Batch, account uuid.UUID, packages []uuid.UUID, out map[uuid.UUID]books.State) {
	b.Queue(`SELECT package_id, state FROM packages WHERE account_id = $1 AND package_id = ANY($2::UUID[])`, account, packages).
		Query(func(rows pgx.Rows) error {
			var id uuid.UUID
			var state books.State
			_, err := pgx.ForEachRow(rows, []any{&id, &state}, func() error {
				out[id] = state
				return nil
			})
			return err
		})
}

func queueHolders(b *pgx.Batch, account uuid.UUID, owners []uuid.UUID, snap *books.Snapshot) {
	b.Queue(`SELECT owner_id, package_id FROM package_assignments WHERE account_id = $1 AND owner_id = ANY($2::UUID[])`, account, owners).
		Query(func(rows pgx.Rows) error {
			var r books.HolderRow
			_, err := pgx.ForEachRow(rows, []any{&r.Owner, &r.Package}, func() error {
				snap.Holders = append(snap.Holders, r)
				return nil
			})
			return err
		})
}

// queueNumbers reads the numbers of the account that condition finds, in which $2 is arg.
func queueNumbers(b *pgx.Batch, condition string, account uuid.UUID, arg any, snap *books.Snapshot) {
	b.Queue(`SELECT number, state, owner_id, position, quarantine_until, previous_owner_id FROM phone_numbers WHERE account_id = $1 AND `+condition, account, arg).
		Query(func(rows pgx.Rows) error {
			var number string
			var state books.NumberState
			var owner, previous *uuid.UUID
			var position int64
			var until *time.Time
			_, err := pgx.ForEachRow(rows, []any{&number, &state, &owner, &position, &until, &previous}, func() error {
				r := books.NumberRow{Number: number, State: state, Position: position}
				if owner != nil {
					r.Owner = *owner
				}
				if until != nil {
					r.QuarantineUntil = *until
				}
				if previous != nil {
					r.PreviousOwner = *previous
				}
				snap.Numbers = append(snap.Numbers, r)
				return nil
			})
			return err
		})
}

// write carries out changes in one round trip, one statement per table and kind.
func write(ctx context.Context, tx pgx.Tx, account uuid.UUID, c books.Changes, now time.Time) error {
	if c.Empty() {
		return nil
	}
	var b pgx.Batch
	if len(c.Seats) > 0 {
		queueSeatChanges(&b, account, c.Seats)
	}
	if len(c.Held) > 0 {
		queueHeld(&b, account, c.Held, now)
	}
	if len(c.Dropped) > 0 {
		b.Queue(`DELETE FROM package_assignments WHERE account_id = $1 AND owner_id = ANY($2::UUID[])`, account, c.Dropped)
	}
	if len(c.Numbers) > 0 {
		queueNumberChanges(&b, account, c.Numbers, now)
	}
	return broken(tx.SendBatch(ctx, &b).Close())
}

func queueSeatChanges(b *pgx.Batch, account uuid.UUID, seats map[uuid.UUID]int64) {
	var ids []uuid.UUID
	for id := range seats {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	by := make([]int64, len(ids))
	for i, id := range ids {
		by[i] = seats[id]
	}
	b.Queue(`
		UPDATE package_seats SET assigned = assigned + ($3::INT8[])[array_position($2::UUID[], package_id)]
		WHERE account_id = $1 AND package_id = ANY($2::UUID[])`, account, ids, by).Exec(expectRows(len(ids)))
}

func queueHeld(b *pgx.Batch, account uuid.UUID, held []books.HolderRow, now time.Time) {
	owners, packages := make([]uuid.UUID, len(held)), make([]uuid.UUID, len(held))
	for i, h := range held {
		owners[i], packages[i] = h.Owner, h.Package
	}
	b.Queue(`
		INSERT INTO package_assignments (account_id, owner_id, package_id, create_time)
		SELECT $1::UUID, unnest($2::UUID[]), unnest($3::UUID[]), $4::TIMESTAMPTZ
		ON CONFLICT (account_id, owner_id) DO UPDATE SET package_id = excluded.package_id, create_time = excluded.create_time`,
		account, owners, packages, now).Exec(expectRows(len(held)))
}

// queueNumberChanges updates numbers that are there. It is written as an INSERT, all of whose rows are in conflict, because
// CockroachDB 20.1 takes arrays of arguments apart in the select list of an INSERT only, not in an UPDATE's FROM.
func queueNumberChanges(b *pgx.Batch, account uuid.UUID, changed []books.NumberRow, now time.Time) {
	n := len(changed)
	numbers, states, positions := make([]string, n), make([]string, n), make([]int64, n)
	owners, previous, until := make([]*uuid.UUID, n), make([]*uuid.UUID, n), make([]*time.Time, n)
	for i := range changed {
		c := &changed[i]
		numbers[i], states[i], positions[i] = c.Number, string(c.State), c.Position
		if c.State == books.Assigned {
			owners[i] = &c.Owner
		}
		if c.State == books.Quarantined {
			until[i], previous[i] = &c.QuarantineUntil, &c.PreviousOwner
		}
	}
	b.Queue(`
		INSERT INTO phone_numbers (account_id, number, state, owner_id, position, quarantine_until, previous_owner_id, create_time)
		SELECT $1::UUID, unnest($2::TEXT[]), unnest($3::TEXT[]), unnest($4::UUID[]), unnest($5::INT8[]), unnest($6::TIMESTAMPTZ[]),
			unnest($7::UUID[]), $8::TIMESTAMPTZ
		ON CONFLICT (account_id, number) DO UPDATE SET
			state = excluded.state, owner_id = excluded.owner_id, position = excluded.position, quarantine_until = excluded.quarantine_until,
			previous_owner_id = excluded.previous_owner_id`,
		account, numbers, states, owners, positions, until, previous, now).Exec(expectRows(n))
}

// expectRows fails a statement of a batch that did not touch the rows that were read before.
func expectRows(n int) func(ct pgconn.CommandTag) error {
	return func(ct pgconn.CommandTag) error {
		if ct.RowsAffected() != int64(n) {
			return fmt.Errorf("%w: %d rows were written instead of %d", books.ErrBroken, ct.RowsAffected(), n)
		}
		return nil
	}
}
