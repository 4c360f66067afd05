package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

const (
	// deleteImportsAtOnce is how many imports one call deletes, deleteRowsAtOnce how many rows one transaction.
	deleteImportsAtOnce = 20
	deleteRowsAtOnce    = 5000
)

// DeleteImports implements store.Imports. An import is hidden first, then its rows go, then its record: a crash in between leaves a
// hidden one, which the next call goes on with.
func (s *Store) DeleteImports(ctx context.Context, kept, abandoned time.Duration) (int, error) {
	var hidden []uuid.UUID
	err := s.db.Do(ctx, "license.HideImports", func(ctx context.Context, q crdb.Querier) error {
		rows, err := q.Query(ctx, `
			UPDATE operations SET state = 'DELETING', claimed_by = NULL, claimed_until = NULL
			WHERE operation_id IN (SELECT operation_id FROM operations
				WHERE state = 'DELETING' OR end_time < now() - $1::INT8 * INTERVAL '1 millisecond'
					OR state = 'UPLOADING' AND create_time < now() - $2::INT8 * INTERVAL '1 millisecond'
				ORDER BY create_time LIMIT $3)
			RETURNING operation_id`, kept.Milliseconds(), abandoned.Milliseconds(), deleteImportsAtOnce)
		if err != nil {
			return err
		}
		hidden, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("hide imports: %w", err)
	}
	for i, id := range hidden {
		if err := s.deleteImport(ctx, id); err != nil {
			return i, fmt.Errorf("delete import %s: %w", id, err)
		}
	}
	return len(hidden), nil
}

func (s *Store) deleteImport(ctx context.Context, id uuid.UUID) error {
	for more := true; more; {
		err := s.db.Do(ctx, "license.DeleteImportRows", func(ctx context.Context, q crdb.Querier) error {
			tag, err := q.Exec(ctx, `DELETE FROM import_rows WHERE operation_id = $1 AND row_number <=
				(SELECT min(row_number) + $2 FROM import_rows WHERE operation_id = $1)`, id, deleteRowsAtOnce)
			more = tag.RowsAffected() > 0
			return err
		})
		if err != nil {
			return err
		}
	}
	return s.db.Tx(ctx, "license.DeleteImport", func(ctx context.Context, tx pgx.Tx) error {
		// What is remembered under its request id goes with it: a later call under this id begins afresh. The id is read first, as
		// CockroachDB would look for one that it has yet to work out in all requests.
		var account uuid.UUID
		var r store.Remember
		var dryRun bool
		err := tx.QueryRow(ctx, `SELECT account_id, request_id, validate_only FROM operations WHERE operation_id = $1 AND state = 'DELETING'`, id).
			Scan(&account, &r.RequestID, &dryRun)
		if crdb.Classify(err) == crdb.NotFound {
			return nil // a neighbour was faster
		}
		if err != nil {
			return err
		}
		if dryRun {
			r = asDryRun(r)
		}
		var batch pgx.Batch
		batch.Queue(`DELETE FROM requests WHERE account_id = $1 AND request_id = $2 AND response = $3`, account, r.Key(), id[:])
		batch.Queue(`DELETE FROM operations WHERE operation_id = $1`, id)
		return tx.SendBatch(ctx, &batch).Close()
	})
}
