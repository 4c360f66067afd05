package sqlstore

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
)

// Swap implements store.Lifecycle.
func (s *Store) Swap(ctx context.Context, account uuid.UUID, sw store.Swap, now time.Time) (*store.Extension, error) {
	var previous *store.Extension
	err := s.write(ctx, "extension.Swap", func(ctx context.Context, tx pgx.Tx) error {
		previous = nil
		own, target, inRange, err := s.lookForSwap(ctx, tx, account, sw)
		switch {
		case err != nil:
			return err
		case own != nil && own.Number == sw.Number:
			return nil
		case !inRange:
			return store.ErrOutOfRange
		case target != nil && isLive(*target, now):
			return &store.TakenError{By: []store.Extension{*target}}
		}
		previous = own
		return s.writeSwap(ctx, tx, account, sw, own, target, now)
	})
	if err != nil {
		return nil, err
	}
	return previous, nil
}

func (s *Store) lookForSwap(ctx context.Context, tx pgx.Tx, account uuid.UUID, sw store.Swap) (own, target *store.Extension, inRange bool, err error) {
	b := &pgx.Batch{}
	b.Queue(`SELECT `+columns+` FROM extensions WHERE account_id = $1 AND owner_id = $2`, account, sw.Owner).
		Query(each(scanExtension, func(e store.Extension) { own = &e }))
	b.Queue(`SELECT `+columns+` FROM `+s.byNumber+` WHERE account_id = $1 AND number = $2`, account, sw.Number).
		Query(each(scanExtension, func(e store.Extension) { target = &e }))
	b.Queue(`SELECT `+rangeColumns+` FROM extension_ranges WHERE account_id = $1 AND site_id = $2`, account, sw.Site).
		Query(each(scanRange, func(r store.Range) { inRange = inRange || r.Contains(sw.Number) }))
	err = tx.SendBatch(ctx, b).Close()
	return own, target, inRange, err
}

// writeSwap frees the number of own and gives sw.Number, whose row target (if any) is no longer live, to the owner.
func (s *Store) writeSwap(ctx context.Context, tx pgx.Tx, account uuid.UUID, sw store.Swap, own, target *store.Extension, now time.Time) error {
	state := store.Assigned
	b := &pgx.Batch{}
	var gone []number.Number
	if target != nil {
		gone = append(gone, target.Number)
	}
	if own != nil {
		state = own.State
		if sw.QuarantineUntil.After(now) {
			s.queueQuarantine(b, account, []number.Number{own.Number}, sw.QuarantineUntil, now)
		} else {
			gone = append(gone, own.Number)
		}
	}
	if len(gone) > 0 {
		b.Queue(`DELETE FROM `+s.byNumber+` WHERE account_id = $1 AND number = ANY($2::INT8[])`, account, ints(gone))
	}
	b.Queue(`INSERT INTO extensions (account_id, number, state, owner_id, create_time, update_time) VALUES ($1, $2, $3, $4, $5, $5)`,
		account, sw.Number, state, sw.Owner, now)
	return tx.SendBatch(ctx, b).Close()
}

func (s *Store) queueQuarantine(b *pgx.Batch, account uuid.UUID, numbers []number.Number, until, now time.Time) {
	b.Queue(`UPDATE `+s.byNumber+` SET state = 'QUARANTINED', owner_id = NULL, quarantine_until = $3, update_time = $4
		WHERE account_id = $1 AND number = ANY($2::INT8[])`, account, ints(numbers), until, now)
}

// Release implements store.Lifecycle.
func (s *Store) Release(ctx context.Context, account uuid.UUID, owners []uuid.UUID, until, now time.Time) ([]store.Extension, error) {
	const op = "extension.Release"
	if !until.After(now) {
		return read(ctx, s.db, op, scanExtension, `DELETE FROM extensions WHERE account_id = $1 AND owner_id = ANY($2::UUID[])
			RETURNING `+columns, account, owners)
	}
	var released []store.Extension
	err := s.write(ctx, op, func(ctx context.Context, tx pgx.Tx) error {
		var err error
		released, err = collect(ctx, tx, scanExtension, `SELECT `+columns+` FROM extensions
			WHERE account_id = $1 AND owner_id = ANY($2::UUID[])`, account, owners)
		if err != nil || len(released) == 0 {
			return err
		}
		b := &pgx.Batch{}
		s.queueQuarantine(b, account, numbersOf(released), until, now)
		return tx.SendBatch(ctx, b).Close()
	})
	return released, err
}

// touched is the time of a change, $3, or a later one: it is never the same twice.
const touched = "greatest($3::TIMESTAMPTZ, update_time + INTERVAL '1 microsecond')"

// Keep implements store.Lifecycle.
func (s *Store) Keep(ctx context.Context, account uuid.UUID, owners []uuid.UUID, now time.Time) ([]store.Extension, error) {
	return read(ctx, s.db, "extension.Keep", scanExtension, `UPDATE extensions SET update_time = `+touched+`
		WHERE account_id = $1 AND owner_id = ANY($2::UUID[]) RETURNING `+columns, account, owners, now)
}

// Hold implements store.Lifecycle.
func (s *Store) Hold(ctx context.Context, account uuid.UUID, owners []uuid.UUID, now time.Time) ([]store.Extension, error) {
	return read(ctx, s.db, "extension.Hold", scanExtension, `UPDATE extensions SET state = 'HELD', update_time = `+touched+`
		WHERE account_id = $1 AND owner_id = ANY($2::UUID[]) RETURNING `+columns, account, owners, now)
}

// Reclaim implements store.Lifecycle.
func (s *Store) Reclaim(ctx context.Context, account uuid.UUID, owners []uuid.UUID, now time.Time) ([]store.Extension, error) {
	var got []store.Extension
	err := s.write(ctx, "extension.Reclaim", func(ctx context.Context, tx pgx.Tx) error {
		var err error
		got, err = collect(ctx, tx, scanExtension, `UPDATE extensions SET state = 'ASSIGNED', update_time = `+touched+`
			WHERE account_id = $1 AND owner_id = ANY($2::UUID[]) RETURNING `+columns, account, owners, now)
		if err != nil {
			return err
		}
		var none store.NoExtensionError
		for _, o := range owners {
			if !slices.ContainsFunc(got, func(e store.Extension) bool { return e.Owner == o }) {
				none.Owners = append(none.Owners, o)
			}
		}
		if len(none.Owners) > 0 {
			return &none
		}
		return nil
	})
	if none := (*store.NoExtensionError)(nil); errors.As(err, &none) {
		return nil, none
	}
	return got, err
}

// Reserve implements store.Lifecycle.
func (s *Store) Reserve(ctx context.Context, account uuid.UUID, numbers []number.Number, now time.Time) error {
	wanted := number.NewSet(numbers...).All()
	return s.write(ctx, "extension.Reserve", func(ctx context.Context, tx pgx.Tx) error {
		rows, err := collect(ctx, tx, scanExtension, `SELECT `+columns+` FROM `+s.byNumber+`
			WHERE account_id = $1 AND number = ANY($2::INT8[])`, account, ints(wanted))
		if err != nil {
			return err
		}
		var taken store.TakenError
		var lapsed []number.Number
		missing := slices.Clone(wanted)
		for _, e := range rows {
			switch {
			case e.State == store.Reserved:
				missing = slices.DeleteFunc(missing, func(n number.Number) bool { return n == e.Number })
			case isLive(e, now):
				taken.By = append(taken.By, e)
			default:
				lapsed = append(lapsed, e.Number)
			}
		}
		if len(taken.By) > 0 {
			return &taken
		}
		b := &pgx.Batch{}
		if len(lapsed) > 0 {
			b.Queue(`DELETE FROM `+s.byNumber+` WHERE account_id = $1 AND number = ANY($2::INT8[])`, account, ints(lapsed))
		}
		b.Queue(`INSERT INTO extensions (account_id, number, state, create_time, update_time)
			SELECT $1::UUID, unnest($2::INT8[]), 'RESERVED', $3::TIMESTAMPTZ, $3::TIMESTAMPTZ`, account, ints(missing), now)
		return tx.SendBatch(ctx, b).Close()
	})
}

// Unreserve implements store.Lifecycle.
func (s *Store) Unreserve(ctx context.Context, account uuid.UUID, numbers []number.Number) ([]store.Extension, error) {
	return read(ctx, s.db, "extension.Unreserve", scanExtension, `DELETE FROM `+s.byNumber+`
		WHERE account_id = $1 AND number = ANY($2::INT8[]) AND state = 'RESERVED' RETURNING `+columns, account, ints(numbers))
}

func numbersOf(es []store.Extension) []number.Number {
	out := make([]number.Number, len(es))
	for i, e := range es {
		out[i] = e.Number
	}
	return out
}
