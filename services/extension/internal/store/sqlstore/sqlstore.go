// Package sqlstore keeps ranges and extensions in CockroachDB or PostgreSQL.
//
// Two habits come from how CockroachDB plans. Rows are looked up with `= ANY($n)`, which becomes point reads, and never by
// joining an unnested array, which without fresh statistics becomes a scan of the whole account and so conflicts with every
// other transaction. And rows are inserted plainly, without ON CONFLICT, whose check for conflicts is such a join.
//
// What is read by number says so (Store.byNumber): where a CockroachDB plans by histograms, which know nothing of an account that has
// grown since, any index that begins with account_id looks as good to it as another (see crdb.DB.Index, and package crdb on plans).
package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

// Store implements store.Store.
type Store struct {
	db *crdb.DB
	// byNumber is the table of extensions, for statements that find rows by their numbers.
	byNumber string
}

var _ store.Store = (*Store)(nil)

// New returns a store in db, whose schema must be that of the service's migrations.
func New(db *crdb.DB) *Store {
	return &Store{db: db, byNumber: db.Index("extensions", "primary")}
}

const (
	columns = "number, state, owner_id, quarantine_until"
	// live holds for rows that keep their number; $2 is the present time.
	live = "(state <> 'QUARANTINED' OR quarantine_until > $2)"
	// writeRounds bounds how often a transaction starts anew because a neighbour inserted a row that it had not seen.
	writeRounds = 10
)

func scanExtension(row pgx.CollectableRow) (store.Extension, error) {
	var (
		e     store.Extension
		owner *uuid.UUID
		until *time.Time
	)
	if err := row.Scan(&e.Number, &e.State, &owner, &until); err != nil {
		return e, err
	}
	if owner != nil {
		e.Owner = *owner
	}
	if until != nil {
		e.QuarantineUntil = until.UTC()
	}
	return e, nil
}

func scanRange(row pgx.CollectableRow) (store.Range, error) {
	var r store.Range
	err := row.Scan(&r.Account, &r.ID, &r.Site, &r.From, &r.To, &r.CreateTime)
	r.CreateTime = r.CreateTime.UTC()
	return r, err
}

// collect reads all rows of a query.
func collect[T any](ctx context.Context, q crdb.Querier, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

// read runs one query that may be repeated.
func read[T any](ctx context.Context, db *crdb.DB, op string, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	var out []T
	err := db.Do(ctx, op, func(ctx context.Context, q crdb.Querier) error {
		var err error
		out, err = collect(ctx, q, scan, sql, args...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return out, nil
}

// write runs fn in a transaction, and anew when a neighbour was first to insert a row that fn had found free: then fn sees it.
func (s *Store) write(ctx context.Context, op string, fn func(ctx context.Context, tx pgx.Tx) error) error {
	for n := 1; ; n++ {
		err := s.db.Tx(ctx, op, fn)
		if crdb.Classify(err) != crdb.UniqueViolation || n >= writeRounds {
			if err != nil {
				return fmt.Errorf("%s: %w", op, err)
			}
			return nil
		}
	}
}

// ints turns numbers into what the driver takes.
func ints(ns []number.Number) []int64 {
	out := make([]int64, len(ns))
	for i, n := range ns {
		out[i] = int64(n)
	}
	return out
}
