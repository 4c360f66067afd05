package sqlstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/filter"
)

// Lookup implements store.Reader.
func (s *Store) Lookup(ctx context.Context, account uuid.UUID, numbers []number.Number, now time.Time) ([]store.Extension, error) {
	return read(ctx, s.db, "extension.Lookup", scanExtension, `SELECT `+columns+` FROM `+s.byNumber+`
		WHERE account_id = $1 AND number = ANY($3::INT8[]) AND `+live, account, now, ints(numbers))
}

// ByOwner implements store.Reader.
func (s *Store) ByOwner(ctx context.Context, account uuid.UUID, owners []uuid.UUID) ([]store.Extension, error) {
	return read(ctx, s.db, "extension.ByOwner", scanExtension, `SELECT `+columns+` FROM extensions
		WHERE account_id = $1 AND owner_id = ANY($2::UUID[])`, account, owners)
}

// ListByOwner implements store.Reader.
func (s *Store) ListByOwner(ctx context.Context, account, after uuid.UUID, limit int) ([]store.Extension, error) {
	return read(ctx, s.db, "extension.ListByOwner", scanExtension, `SELECT `+columns+` FROM extensions
		WHERE account_id = $1 AND owner_id > $2 ORDER BY owner_id LIMIT $3`, account, after, limit)
}

// Used implements store.Reader.
func (s *Store) Used(ctx context.Context, account uuid.UUID, spans []number.Span, now time.Time) ([]store.Extension, error) {
	const op = "extension.Used"
	var out []store.Extension
	err := s.db.Do(ctx, op, func(ctx context.Context, q crdb.Querier) error {
		out = nil
		b := &pgx.Batch{}
		for _, sp := range number.Join(spans) {
			b.Queue(`SELECT `+columns+` FROM `+s.byNumber+` WHERE account_id = $1 AND number BETWEEN $3 AND $4 AND `+live+`
				ORDER BY number`, account, now, sp.From, sp.To).
				Query(each(scanExtension, func(e store.Extension) { out = append(out, e) }))
		}
		return q.SendBatch(ctx, b).Close()
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return out, nil
}

// occupancy counts by block. The shift divides by number.BlockSize: CockroachDB's division is not one of integers.
func (s *Store) occupancy() string {
	return fmt.Sprintf(`SELECT (number - $3::INT8) >> %d AS block, count(*) FROM %s
		WHERE account_id = $1 AND number BETWEEN $3 AND $4 AND %s AND NOT (number = ANY($5::INT8[])) GROUP BY block ORDER BY block`, number.BlockShift, s.byNumber, live)
}

// Occupancy implements store.Reader.
func (s *Store) Occupancy(ctx context.Context, account uuid.UUID, spans []number.Span, except []number.Number, now time.Time,
) ([][]store.BlockUse, error) {
	const op = "extension.Occupancy"
	out, occupancy := make([][]store.BlockUse, len(spans)), s.occupancy()
	ask := func(ctx context.Context, q crdb.Querier) error {
		b := &pgx.Batch{}
		for i, sp := range spans {
			out[i] = nil
			b.Queue(occupancy, account, now, sp.From, sp.To, ints(except)).
				Query(each(pgx.RowToStructByPos[store.BlockUse], func(u store.BlockUse) { out[i] = append(out[i], u) }))
		}
		return q.SendBatch(ctx, b).Close()
	}
	var err error
	if len(spans) == 1 {
		err = s.db.Do(ctx, op, ask)
	} else { // one transaction, so that all counts are of one instant
		err = s.db.Tx(ctx, op, func(ctx context.Context, tx pgx.Tx) error { return ask(ctx, tx) })
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return out, nil
}

// Gaps implements store.Reader. Each row says how far the one before it is away; one that is not there ends the span.
func (s *Store) Gaps(ctx context.Context, account uuid.UUID, sp number.Span, now time.Time, limit int) ([]number.Span, error) {
	return read(ctx, s.db, "extension.Gaps", pgx.RowToStructByPos[number.Span], `SELECT prev + 1, number - 1 FROM (
			SELECT number, lag(number, 1, $3::INT8 - 1) OVER (ORDER BY number) AS prev FROM (
				SELECT number FROM `+s.byNumber+` WHERE account_id = $1 AND number BETWEEN $3 AND $4 AND `+live+` UNION ALL SELECT $4::INT8 + 1
			) AS used
		) AS steps WHERE number - prev > 1 ORDER BY number LIMIT $5`, account, now, sp.From, sp.To, limit)
}

// CountUsed implements store.Reader.
func (s *Store) CountUsed(ctx context.Context, queries []store.UseQuery, except []number.Number, now time.Time) ([]int64, error) {
	const op = "extension.CountUsed"
	out := make([]int64, len(queries))
	err := s.db.Do(ctx, op, func(ctx context.Context, q crdb.Querier) error {
		b := &pgx.Batch{}
		for i, u := range queries {
			b.Queue(`SELECT count(*) FROM `+s.byNumber+` WHERE account_id = $1 AND number BETWEEN $3 AND $4 AND `+live+`
				AND NOT (number = ANY($5::INT8[]))`, u.Account, now, u.From, u.To, ints(except)).
				QueryRow(func(row pgx.Row) error { return row.Scan(&out[i]) })
		}
		return q.SendBatch(ctx, b).Close()
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return out, nil
}

// ListExtensions implements store.Reader.
func (s *Store) ListExtensions(ctx context.Context, account uuid.UUID, page store.List, now time.Time) ([]store.Extension, error) {
	const op = "extension.ListExtensions"
	args := []any{account, now, page.After, page.Limit}
	where, more, err := page.Filter.SQL(filterColumns, len(args)+1)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	from := s.byNumber
	if strings.Contains(where, filterColumns[store.FilterHolder]) {
		from = "extensions" // those of one holder are few, whatever their numbers
	}
	return read(ctx, s.db, op, scanExtension, `SELECT `+columns+` FROM `+from+`
		WHERE account_id = $1 AND `+live+` AND number > $3 AND `+where+` ORDER BY number LIMIT $4`, append(args, more...)...)
}

var filterColumns = filter.Columns{store.FilterState: "state", store.FilterHolder: "owner_id"}
