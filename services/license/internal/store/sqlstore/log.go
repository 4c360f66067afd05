package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/filter"
)

const logColumns = `account_id, time, entry_id, kind, phone_user_id, assignee_kind, assignee_id, display_name, actor, request_id,
	before::TEXT, after::TEXT`

func scanLogEntry(row pgx.CollectableRow) (model.LogEntry, error) {
	var e model.LogEntry
	var before, after string
	err := row.Scan(&e.AccountID, &e.Time, &e.ID, &e.Kind, &e.PhoneUserID, &e.AssigneeKind, &e.AssigneeID, &e.DisplayName,
		&e.Actor, &e.RequestID, &before, &after)
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal([]byte(before), &e.Before); err != nil {
		return e, fmt.Errorf("stored log entry: %w", err)
	}
	if err := json.Unmarshal([]byte(after), &e.After); err != nil {
		return e, fmt.Errorf("stored log entry: %w", err)
	}
	return e, nil
}

var logFilterColumns = filter.Columns{"phoneUser": "phone_user_id", "kind": "kind", "time": "time", "actor": "actor"}

// ListLog implements store.LogReader. Entries of one phone user have an index of their own.
func (s *Store) ListLog(ctx context.Context, account uuid.UUID, query store.LogQuery) (entries []model.LogEntry, err error) {
	w := ofAccount(account)
	if err := w.filter(query.Filter, logFilterColumns); err != nil {
		return nil, err
	}
	if a := query.After; a != nil {
		w.and("(time, entry_id) < (" + w.arg(a.Time) + "::TIMESTAMPTZ, " + w.arg(a.ID) + "::UUID)")
	}
	sql := `SELECT ` + logColumns + ` FROM account_log WHERE ` + w.String() + ` ORDER BY time DESC, entry_id DESC LIMIT ` + w.arg(query.Limit)
	err = s.db.Do(ctx, "license.ListLog", func(ctx context.Context, q crdb.Querier) error {
		rows, err := q.Query(ctx, sql, w.args...)
		if err != nil {
			return err
		}
		entries, err = pgx.CollectRows(rows, scanLogEntry)
		return err
	})
	return entries, err
}
