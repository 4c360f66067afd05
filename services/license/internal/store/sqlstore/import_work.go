package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

// ClaimImport implements store.Imports. Two workers that see the same import both try to move its claim; the database lets one
// of them.
func (s *Store) ClaimImport(ctx context.Context, window, claim time.Duration) (*model.Import, error) {
	token := uuid.New()
	var claimed *model.Import
	read := func(rows pgx.Rows, err error) error {
		if err != nil {
			return err
		}
		found, err := pgx.CollectRows(rows, scanImport)
		if claimed = nil; len(found) > 0 {
			claimed = &found[0]
		}
		return err
	}
	err := s.db.TxReadBack(ctx, "license.ClaimImport", func(ctx context.Context, tx pgx.Tx) error {
		return read(tx.Query(ctx, `
			UPDATE operations SET state = 'RUNNING', claimed_by = $1, claimed_until = now() + $2::INT8 * INTERVAL '1 millisecond',
				start_time = coalesce(start_time, now())
			WHERE operation_id IN (SELECT operation_id FROM operations
					WHERE claimed_until <= now() AND claimed_until > now() - $3::INT8 * INTERVAL '1 millisecond'
					ORDER BY claimed_until LIMIT 1)
				AND claimed_until <= now()
			RETURNING `+importColumns, token, claim.Milliseconds(), windowMilliseconds(window)))
	}, func(ctx context.Context, q crdb.Querier) (bool, error) {
		err := read(q.Query(ctx, `SELECT `+importColumns+` FROM operations WHERE claimed_by = $1`, token))
		return claimed != nil, err
	})
	return claimed, err
}

// RenewImport implements store.Imports.
func (s *Store) RenewImport(ctx context.Context, m *model.Import, claim time.Duration, begun int) (cancel bool, err error) {
	err = s.db.Do(ctx, "license.RenewImport", func(ctx context.Context, q crdb.Querier) error {
		err := q.QueryRow(ctx, `UPDATE operations SET claimed_until = now() + $3::INT8 * INTERVAL '1 millisecond',
			begun_row = CASE WHEN begun_row < $4::INT8 THEN $4::INT8 ELSE begun_row END
			WHERE operation_id = $1 AND claimed_by = $2 RETURNING cancel_requested`,
			m.ID, m.Claim, claim.Milliseconds(), begun).Scan(&cancel)
		return lostIfNone(err)
	})
	return cancel, err
}

func lostIfNone(err error) error {
	if crdb.Classify(err) == crdb.NotFound {
		return store.ErrImportLost
	}
	return err
}

// checkClaim reads the import that the worker has claimed, for a transaction that changes its rows.
func checkClaim(ctx context.Context, tx pgx.Tx, m *model.Import) error {
	var one int
	return lostIfNone(tx.QueryRow(ctx, `SELECT 1 FROM operations WHERE operation_id = $1 AND claimed_by = $2 FOR UPDATE`, m.ID, m.Claim).Scan(&one))
}

// MarkChanging implements store.Imports.
func (s *Store) MarkChanging(ctx context.Context, m *model.Import, rows []int) error {
	if len(rows) == 0 {
		return nil
	}
	return s.db.Tx(ctx, "license.MarkChanging", func(ctx context.Context, tx pgx.Tx) error {
		if err := checkClaim(ctx, tx, m); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE import_rows SET changing = true WHERE operation_id = $1 AND row_number = ANY($2::INT8[])`, m.ID, rows)
		return err
	})
}

// RecordRows implements store.Imports. What is counted is what the statement over the rows has changed.
func (s *Store) RecordRows(ctx context.Context, m *model.Import, rows []model.ImportRow) error {
	if len(rows) == 0 {
		return nil
	}
	byNumber := make(map[int]*model.ImportRow, len(rows))
	for i := range rows {
		byNumber[rows[i].Number] = &rows[i]
	}
	tally, err := json.Marshal(m.Tally)
	if err != nil {
		return fmt.Errorf("tally: %w", err)
	}
	first, err := formatFirstErrors(m.FirstErrors)
	if err != nil {
		return err
	}
	err = s.db.TxReadBack(ctx, "license.RecordRows", func(ctx context.Context, tx pgx.Tx) error {
		if err := checkClaim(ctx, tx, m); err != nil {
			return err
		}
		written, err := writeOutcomes(ctx, tx, m.ID, rows)
		if err != nil {
			return err
		}
		c := countOutcomes(byNumber, written)
		_, err = tx.Exec(ctx, `UPDATE operations SET succeeded_count = succeeded_count + $2, unchanged_count = unchanged_count + $3,
			failed_count = failed_count + $4, tally = $5::TEXT::JSONB, first_errors = $6 WHERE operation_id = $1`,
			m.ID, c.Succeeded, c.Unchanged, c.Failed, string(tally), first)
		return err
	}, exists(`SELECT 1 FROM import_rows WHERE operation_id = $1 AND row_number = $2 AND outcome <> ''`, m.ID, rows[0].Number))
	if err != nil {
		return fmt.Errorf("record rows: %w", err)
	}
	return nil
}

// writeOutcomes writes what became of rows that have no outcome, and returns the numbers of those written. It is an insert that
// always meets its row: that way each row is found by its key, whatever the planner thinks of the table's size.
func writeOutcomes(ctx context.Context, tx pgx.Tx, id uuid.UUID, rows []model.ImportRow) (numbers []int, err error) {
	update := importRows(id)
	update.conflict = `ON CONFLICT (operation_id, row_number) DO UPDATE SET outcome = excluded.outcome, error = excluded.error,
		phone_user_id = excluded.phone_user_id WHERE import_rows.outcome = '' RETURNING row_number`
	var batch pgx.Batch
	update.queue(&batch, rows)
	results := tx.SendBatch(ctx, &batch)
	defer func() { err = errors.Join(err, results.Close()) }()
	written, err := results.Query()
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(written, pgx.RowTo[int])
}

func countOutcomes(rows map[int]*model.ImportRow, written []int) (c model.ImportCounts) {
	for _, number := range written {
		switch rows[number].Outcome {
		case model.RowUnchanged:
			c.Unchanged++
		case model.RowFailed:
			c.Failed++
		default:
			c.Succeeded++
		}
	}
	return c
}

// ReleaseImport implements store.Imports.
func (s *Store) ReleaseImport(ctx context.Context, m *model.Import) error {
	return s.db.Do(ctx, "license.ReleaseImport", func(ctx context.Context, q crdb.Querier) error {
		_, err := q.Exec(ctx, `UPDATE operations SET claimed_by = NULL, claimed_until = now()
			WHERE operation_id = $1 AND claimed_by = $2`, m.ID, m.Claim)
		return err
	})
}

// EndImport implements store.Imports. The claim stays with the record, so that a repeated call finds what the first one wrote.
func (s *Store) EndImport(ctx context.Context, m *model.Import, end model.ImportState) error {
	return s.db.Do(ctx, "license.EndImport", func(ctx context.Context, q crdb.Querier) error {
		tag, err := q.Exec(ctx, `UPDATE operations SET state = $3, claimed_until = NULL, end_time = coalesce(end_time, now())
			WHERE operation_id = $1 AND claimed_by = $2 AND state IN ('RUNNING', $3)`, m.ID, m.Claim, string(end))
		if err == nil && tag.RowsAffected() == 0 {
			return store.ErrImportLost
		}
		return err
	})
}
