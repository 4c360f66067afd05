package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/numbering/internal/books"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/filter"
)

// CreateNumbers implements store.Store. It looks for the numbers first, and then adds them plainly: to see by itself which are there,
// CockroachDB may read all of the account's numbers.
func (s *Store) CreateNumbers(ctx context.Context, account uuid.UUID, numbers []string, createTime time.Time) error {
	err := s.db.TxInsert(ctx, OpCreateNumbers, func(ctx context.Context, tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, `SELECT number FROM phone_numbers WHERE account_id = $1 AND number = ANY($2::TEXT[])`+s.db.OneByOne(), account, numbers)
		there, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		if len(there) > 0 {
			return &books.RefusalError{Kind: books.NumberExists, Items: among(numbers, there)}
		}
		_, err = tx.Exec(ctx, `
			INSERT INTO phone_numbers (account_id, number, state, create_time)
			SELECT $1::UUID, unnest($2::TEXT[]), 'AVAILABLE', $3::TIMESTAMPTZ`, account, numbers, createTime)
		return err
	}, func(ctx context.Context, q crdb.Querier) (all bool, err error) {
		// Nobody else can have added all of these at the same microsecond.
		err = q.QueryRow(ctx, `
			SELECT count(*) = $3 FROM phone_numbers WHERE account_id = $1 AND number = ANY($2::TEXT[]) AND create_time = $4`,
			account, numbers, len(numbers), createTime).Scan(&all)
		return all, err
	})
	if err != nil {
		return fmt.Errorf("create numbers: %w", err)
	}
	return nil
}

// among returns the numbers that are some, with their indexes.
func among(numbers, some []string) []books.Item { return pick(numbers, some, true) }

// others returns the numbers that are not among some, with their indexes.
func others(numbers, some []string) []books.Item { return pick(numbers, some, false) }

func pick(numbers, some []string, want bool) []books.Item {
	in := make(map[string]bool, len(some))
	for _, n := range some {
		in[n] = true
	}
	var out []books.Item
	for i, n := range numbers {
		if in[n] == want {
			out = append(out, books.Item{Index: i, Number: n})
		}
	}
	return out
}

// DeleteNumbers implements store.Store.
func (s *Store) DeleteNumbers(ctx context.Context, account uuid.UUID, numbers []string) error {
	err := s.db.TxReadBack(ctx, OpDeleteNumbers, func(ctx context.Context, tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, `
			DELETE FROM phone_numbers WHERE account_id = $1 AND number = ANY($2::TEXT[]) RETURNING number, state`, account, numbers)
		var gone, free []string
		var number, state string
		_, err := pgx.ForEachRow(rows, []any{&number, &state}, func() error {
			gone = append(gone, number)
			if books.NumberState(state) != books.Assigned {
				free = append(free, number)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if missing := others(numbers, gone); len(missing) > 0 {
			return &books.RefusalError{Kind: books.NumberNotFound, Items: missing}
		}
		if taken := others(numbers, free); len(taken) > 0 {
			return &books.RefusalError{Kind: books.NumberNotAvailable, Items: taken}
		}
		return nil
	}, func(ctx context.Context, q crdb.Querier) (none bool, err error) {
		err = q.QueryRow(ctx, `SELECT count(*) = 0 FROM phone_numbers WHERE account_id = $1 AND number = ANY($2::TEXT[])`,
			account, numbers).Scan(&none)
		return none, err
	})
	if err != nil {
		return fmt.Errorf("delete numbers: %w", err)
	}
	return nil
}

// numberColumns are the columns of a filter's fields; $2 is the present time.
var numberColumns = filter.Columns{
	store.NumberState: `(CASE WHEN state = 'QUARANTINED' AND quarantine_until <= $2::TIMESTAMPTZ THEN 'AVAILABLE' ELSE state END)`,
	store.NumberOwner: `owner_id`,
}

// numberCondition renders a query; its arguments begin with the account and the time.
func numberCondition(account uuid.UUID, q store.NumberQuery) (string, []any, error) {
	args := []any{account, q.Now}
	condition, more, err := q.Filter.SQL(numberColumns, len(args)+1)
	if err != nil {
		return "", nil, err
	}
	args = append(args, more...)
	// The time is named in any case, since databases refuse arguments that a statement does not use.
	condition = `account_id = $1 AND $2::TIMESTAMPTZ IS NOT NULL AND ` + condition
	if q.Contains == "" {
		return condition, args, nil
	}
	args = append(args, q.Contains)
	place := fmt.Sprintf(`strpos(number, $%d::TEXT)`, len(args))
	if q.Contains[0] == '+' {
		return condition + ` AND ` + place + ` = 1`, args, nil
	}
	return condition + ` AND ` + place + ` > 0`, args, nil
}

// ListNumbers implements store.Store.
func (s *Store) ListNumbers(ctx context.Context, account uuid.UUID, q store.NumberQuery, after string, limit int) (out []books.PhoneNumber, err error) {
	condition, args, err := numberCondition(account, q)
	if err != nil {
		return nil, err
	}
	n := len(args)
	args = append(args, after, limit)
	statement := fmt.Sprintf(`
		SELECT number, state, owner_id, quarantine_until, create_time FROM phone_numbers
		WHERE %s AND number > $%d ORDER BY number LIMIT $%d`, condition, n+1, n+2)
	err = s.db.Do(ctx, OpListNumbers, func(ctx context.Context, db crdb.Querier) error {
		rows, _ := db.Query(ctx, statement, args...)
		out, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (books.PhoneNumber, error) { return scanNumber(r, q.Now) })
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list numbers: %w", err)
	}
	return out, nil
}

func scanNumber(r pgx.CollectableRow, now time.Time) (n books.PhoneNumber, err error) {
	var owner *uuid.UUID
	var until *time.Time
	if err := r.Scan(&n.Number, &n.State, &owner, &until, &n.CreateTime); err != nil {
		return n, err
	}
	n.CreateTime = n.CreateTime.UTC()
	switch {
	case owner != nil:
		n.Owner = *owner
	case until != nil && until.After(now):
		n.QuarantineUntil = until.UTC()
	default:
		n.State = books.Available
	}
	return n, nil
}

// CountNumbers implements store.Store.
func (s *Store) CountNumbers(ctx context.Context, account uuid.UUID, q store.NumberQuery) (count int64, err error) {
	condition, args, err := numberCondition(account, q)
	if err != nil {
		return 0, err
	}
	err = s.db.Do(ctx, OpCountNumbers, func(ctx context.Context, db crdb.Querier) error {
		return db.QueryRow(ctx, `SELECT count(*) FROM phone_numbers WHERE `+condition, args...).Scan(&count)
	})
	if err != nil {
		return 0, fmt.Errorf("count numbers: %w", err)
	}
	return count, nil
}
