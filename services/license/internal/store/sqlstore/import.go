package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

var _ store.Imports = (*Store)(nil)

// importDeleting is the state of an import whose rows are being deleted: nobody sees it any more.
const importDeleting = "DELETING"

// asDryRun keeps the request id of a dry run apart from those of imports and operations: theirs have no control characters.
func asDryRun(r store.Remember) store.Remember {
	r.Owner = "\x1fvalidate_only"
	return r
}

// CreateImport implements store.Imports.
func (s *Store) CreateImport(ctx context.Context, m model.Import, r store.Remember) (uuid.UUID, error) {
	r.Answer = m.ID[:]
	own := r
	if m.ValidateOnly {
		own = asDryRun(r)
	}
	var id uuid.UUID
	err := s.db.TxInsert(ctx, "license.CreateImport", func(ctx context.Context, tx pgx.Tx) error {
		id = m.ID
		known, err := remembered(ctx, tx, m.AccountID, r)
		if m.ValidateOnly && known == nil && err == nil {
			known, err = remembered(ctx, tx, m.AccountID, own)
		}
		switch {
		case err != nil:
			return err
		case known != nil:
			id, err = uuid.FromBytes(known)
			return err
		}
		var batch pgx.Batch
		batch.Queue(`INSERT INTO operations (operation_id, account_id, kind, state, assign_only, validate_only, request_id, actor, trace_id,
			row_count, succeeded_count, unchanged_count, failed_count, warning_count, begun_row, tally, first_errors, cancel_requested,
			create_time)
			VALUES ($1, $2, 'IMPORT', 'UPLOADING', $3, $4, $5, $6, $7, 0, 0, 0, 0, 0, 0, '{}', '', false, now())`,
			m.ID, m.AccountID, m.AssignOnly, m.ValidateOnly, m.RequestID, m.Actor, m.TraceID)
		queueRemember(&batch, m.AccountID, own)
		return tx.SendBatch(ctx, &batch).Close()
	}, exists(`SELECT 1 FROM operations WHERE operation_id = $1`, m.ID))
	if err != nil {
		return uuid.Nil, fmt.Errorf("create import: %w", err)
	}
	return id, nil
}

// AddImportRows implements store.Imports. The state is read in the same transaction, so that no row is added behind the back of
// a deletion.
func (s *Store) AddImportRows(ctx context.Context, id uuid.UUID, rows []model.ImportRow) error {
	if len(rows) == 0 {
		return nil
	}
	err := s.db.TxReadBack(ctx, "license.AddImportRows", func(ctx context.Context, tx pgx.Tx) error {
		var state string
		err := tx.QueryRow(ctx, `SELECT state FROM operations WHERE operation_id = $1`, id).Scan(&state)
		switch {
		case crdb.Classify(err) == crdb.NotFound, err == nil && state == importDeleting:
			return model.NotFound(model.OperationName(id))
		case err != nil:
			return err
		case state != string(model.ImportUploading):
			return store.ErrImportLost
		}
		var batch pgx.Batch
		importRows(id).queue(&batch, rows)
		return tx.SendBatch(ctx, &batch).Close()
	}, exists(`SELECT 1 FROM import_rows WHERE operation_id = $1 AND row_number = $2`, id, rows[len(rows)-1].Number))
	if err != nil {
		return fmt.Errorf("add import rows: %w", err)
	}
	return nil
}

func importRows(operation uuid.UUID) bulk[model.ImportRow] {
	type row = model.ImportRow
	return bulk[row]{table: "import_rows", conflict: "ON CONFLICT (operation_id, row_number) DO NOTHING", columns: []column[row]{
		col("operation_id", "UUID", func(*row) uuid.UUID { return operation }),
		col("row_number", "INT8", func(r *row) int64 { return int64(r.Number) }),
		col("line_number", "INT8", func(r *row) int64 { return int64(r.Line) }),
		col("email", "TEXT", func(r *row) string { return r.Cells.Email }),
		col("room", "TEXT", func(r *row) string { return r.Cells.Room }),
		col("site", "TEXT", func(r *row) string { return r.Cells.Site }),
		col("package", "TEXT", func(r *row) string { return r.Cells.Package }),
		col("template", "TEXT", func(r *row) string { return r.Cells.Template }),
		col("extension", "TEXT", func(r *row) string { return r.Cells.Extension }),
		col("phone_numbers", "TEXT", func(r *row) string { return r.Cells.PhoneNumbers }),
		col("warnings", "TEXT", joinWarnings),
		col("changing", "BOOL", func(r *row) bool { return r.Changing }),
		col("outcome", "TEXT", func(r *row) string { return string(r.Outcome) }),
		col("error", "BYTEA", func(r *row) []byte { return r.Error }),
		col("phone_user_id", "UUID", func(r *row) *uuid.UUID { return toNull(r.PhoneUserID) }),
	}}
}

func joinWarnings(r *model.ImportRow) string { return strings.Join(r.Warnings, "\n") }

func splitWarnings(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// StartImport implements store.Imports.
func (s *Store) StartImport(ctx context.Context, id uuid.UUID, c model.ImportCounts, first []*licensev1.ImportRow) error {
	errors, err := formatFirstErrors(first)
	if err != nil {
		return err
	}
	return s.db.Do(ctx, "license.StartImport", func(ctx context.Context, q crdb.Querier) error {
		_, err := q.Exec(ctx, `UPDATE operations SET state = 'QUEUED', row_count = $2, failed_count = $3, warning_count = $4, first_errors = $5,
			claimed_until = now() WHERE operation_id = $1 AND state = 'UPLOADING'`, id, c.Rows, c.Failed, c.Warnings, errors)
		return err
	})
}

const importColumns = `operation_id, account_id, state, assign_only, validate_only, request_id, actor, trace_id, row_count, succeeded_count,
	unchanged_count, failed_count, warning_count, begun_row, tally::TEXT, first_errors, cancel_requested, claimed_by, create_time,
	start_time, end_time, now()`

func scanImport(row pgx.CollectableRow) (model.Import, error) {
	var m model.Import
	var tally string
	var first []byte
	var claim *uuid.UUID
	var start, end *time.Time
	c := &m.Counts
	err := row.Scan(&m.ID, &m.AccountID, &m.State, &m.AssignOnly, &m.ValidateOnly, &m.RequestID, &m.Actor, &m.TraceID, &c.Rows, &c.Succeeded,
		&c.Unchanged, &c.Failed, &c.Warnings, &m.BegunRow, &tally, &first, &m.CancelRequested, &claim, &m.CreateTime, &start, &end, &m.ReadTime)
	if err != nil {
		return m, err
	}
	m.Claim, m.StartTime, m.EndTime = fromNull(claim), fromNull(start), fromNull(end)
	if err := json.Unmarshal([]byte(tally), &m.Tally); err != nil {
		return m, fmt.Errorf("stored tally: %w", err)
	}
	var errors licensev1.ImportMetadata
	if err := proto.Unmarshal(first, &errors); err != nil {
		return m, fmt.Errorf("stored errors: %w", err)
	}
	m.FirstErrors = errors.GetErrors()
	return m, nil
}

func formatFirstErrors(first []*licensev1.ImportRow) ([]byte, error) {
	out, err := proto.Marshal(&licensev1.ImportMetadata{Errors: first})
	if err != nil {
		return nil, fmt.Errorf("first errors: %w", err)
	}
	return append([]byte{}, out...), nil // not nil, which would be NULL
}

// GetImport implements store.Imports.
func (s *Store) GetImport(ctx context.Context, id uuid.UUID) (m model.Import, err error) {
	err = s.db.Do(ctx, "license.GetImport", func(ctx context.Context, q crdb.Querier) error {
		rows, err := q.Query(ctx, `SELECT `+importColumns+` FROM operations WHERE operation_id = $1 AND state <> 'DELETING'`, id)
		if err != nil {
			return err
		}
		m, err = pgx.CollectExactlyOneRow(rows, scanImport)
		if crdb.Classify(err) == crdb.NotFound {
			return model.NotFound(model.OperationName(id))
		}
		return err
	})
	return m, err
}

// CancelImport implements store.Imports.
func (s *Store) CancelImport(ctx context.Context, id uuid.UUID) error {
	return s.db.Do(ctx, "license.CancelImport", func(ctx context.Context, q crdb.Querier) error {
		tag, err := q.Exec(ctx, `UPDATE operations SET cancel_requested = (cancel_requested OR state NOT IN ('SUCCEEDED', 'CANCELLED'))
			WHERE operation_id = $1 AND state <> 'DELETING'`, id)
		if err == nil && tag.RowsAffected() == 0 {
			return model.NotFound(model.OperationName(id))
		}
		return err
	})
}

// ListImportRows implements store.Imports.
func (s *Store) ListImportRows(ctx context.Context, id uuid.UUID, query store.ImportRowQuery) (found []model.ImportRow, err error) {
	w := &where{conditions: []string{"operation_id = $1"}, args: []any{id}}
	w.and("row_number > " + w.arg(query.After))
	if query.UpTo > 0 {
		w.and("row_number <= " + w.arg(query.UpTo))
	}
	if query.OnlyOutcome {
		w.and("outcome = " + w.arg(string(query.Outcome)))
	}
	switch query.Wish {
	case store.WithWish:
		w.and("extension <> ''")
	case store.WithoutWish:
		w.and("extension = ''")
	case store.WishOrNot:
	}
	sql := `SELECT row_number, line_number, email, room, site, package, template, extension, phone_numbers, warnings, changing, outcome, error,
		phone_user_id FROM import_rows WHERE ` + w.String() + ` ORDER BY row_number LIMIT ` + w.arg(query.Limit)
	err = s.db.Do(ctx, "license.ListImportRows", func(ctx context.Context, q crdb.Querier) error {
		rows, err := q.Query(ctx, sql, w.args...)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, scanImportRow)
		return err
	})
	return found, err
}

func scanImportRow(row pgx.CollectableRow) (model.ImportRow, error) {
	var r model.ImportRow
	var warnings string
	var phoneUser *uuid.UUID
	c := &r.Cells
	err := row.Scan(&r.Number, &r.Line, &c.Email, &c.Room, &c.Site, &c.Package, &c.Template, &c.Extension, &c.PhoneNumbers, &warnings,
		&r.Changing, &r.Outcome, &r.Error, &phoneUser)
	r.Warnings, r.PhoneUserID = splitWarnings(warnings), fromNull(phoneUser)
	return r, err
}
