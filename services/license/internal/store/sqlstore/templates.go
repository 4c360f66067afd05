package sqlstore

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

const templateColumns = `account_id, template_id, display_name, site_id, settings::TEXT, revision, create_time`

func scanTemplate(row pgx.CollectableRow) (model.Template, error) {
	var t model.Template
	var site *uuid.UUID
	var settings string
	err := row.Scan(&t.AccountID, &t.ID, &t.DisplayName, &site, &settings, &t.Revision, &t.CreateTime)
	if err != nil {
		return t, err
	}
	t.SiteID = fromNull(site)
	t.Settings, err = parseSettings(settings)
	return t, err
}

// CreateTemplate implements store.Templates.
func (s *Store) CreateTemplate(ctx context.Context, t model.Template, limit int) error {
	settings, err := formatSettings(t.Settings)
	if err != nil {
		return err
	}
	err = s.db.TxInsert(ctx, "license.CreateTemplate", func(ctx context.Context, tx pgx.Tx) error {
		if err := lockAccount(ctx, tx, t.AccountID); err != nil {
			return err
		}
		if t.SiteID != uuid.Nil {
			if _, err := readSite(ctx, tx, t.AccountID, t.SiteID, ""); err != nil {
				return err
			}
		}
		if err := checkLimit(ctx, tx, "templates", t.AccountID, limit); err != nil {
			return err
		}
		if err := checkTemplateName(ctx, tx, &t); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO templates (account_id, template_id, display_name, display_name_key, site_id, settings, revision,
			create_time) VALUES ($1, $2, $3, $4, $5, $6::TEXT::JSONB, $7, $8)`,
			t.AccountID, t.ID, t.DisplayName, model.Fold(t.DisplayName), toNull(t.SiteID), settings, t.Revision, t.CreateTime)
		return err
	}, exists(`SELECT 1 FROM templates WHERE account_id = $1 AND template_id = $2`, t.AccountID, t.ID))
	if err != nil {
		return fmt.Errorf("create template: %w", err)
	}
	return nil
}

func checkTemplateName(ctx context.Context, q crdb.Querier, t *model.Template) error {
	found, err := exists(`SELECT 1 FROM templates WHERE account_id = $1 AND template_id <> $2 AND display_name_key = $3`,
		t.AccountID, t.ID, model.Fold(t.DisplayName))(ctx, q)
	if err == nil && found {
		return nameInUse("template", "display_name", t.DisplayName)
	}
	return err
}

func readTemplate(ctx context.Context, q crdb.Querier, account, id uuid.UUID, suffix string) (model.Template, error) {
	rows, err := q.Query(ctx, `SELECT `+templateColumns+` FROM templates WHERE account_id = $1 AND template_id = $2 `+suffix, account, id)
	if err != nil {
		return model.Template{}, err
	}
	t, err := pgx.CollectExactlyOneRow(rows, scanTemplate)
	if crdb.Classify(err) == crdb.NotFound {
		return t, model.NotFound(model.TemplateName(account, id))
	}
	return t, err
}

// GetTemplate implements store.Templates.
func (s *Store) GetTemplate(ctx context.Context, account, id uuid.UUID) (t model.Template, err error) {
	err = s.db.Do(ctx, "license.GetTemplate", func(ctx context.Context, q crdb.Querier) (err error) {
		t, err = readTemplate(ctx, q, account, id, "")
		return err
	})
	return t, err
}

// ListTemplates implements store.Templates.
func (s *Store) ListTemplates(ctx context.Context, account uuid.UUID, after *store.NameCursor, limit int) (ts []model.Template, err error) {
	w := ofAccount(account)
	if after != nil {
		w.and("(display_name_key, template_id) > (" + w.arg(after.Key) + "::TEXT, " + w.arg(after.ID) + "::UUID)")
	}
	query := `SELECT ` + templateColumns + ` FROM templates WHERE ` + w.String() + ` ORDER BY display_name_key, template_id LIMIT ` + w.arg(limit)
	err = s.db.Do(ctx, "license.ListTemplates", func(ctx context.Context, q crdb.Querier) error {
		rows, err := q.Query(ctx, query, w.args...)
		if err != nil {
			return err
		}
		ts, err = pgx.CollectRows(rows, scanTemplate)
		return err
	})
	return ts, err
}

// UpdateTemplate implements store.Templates. An ambiguous commit is answered as such: change decides anew on repetition.
func (s *Store) UpdateTemplate(ctx context.Context, account, id uuid.UUID,
	change func(model.Template) (model.Template, error),
) (t model.Template, err error) {
	err = s.db.Tx(ctx, "license.UpdateTemplate", func(ctx context.Context, tx pgx.Tx) error {
		before, err := readTemplate(ctx, tx, account, id, "FOR UPDATE")
		if err != nil {
			return err
		}
		if t, err = change(before); err != nil {
			return err
		}
		if err := checkTemplateName(ctx, tx, &t); err != nil {
			return err
		}
		settings, err := formatSettings(t.Settings)
		if err != nil {
			return err
		}
		t.Revision = before.Revision + 1
		_, err = tx.Exec(ctx, `UPDATE templates SET display_name = $3, display_name_key = $4, settings = $5::TEXT::JSONB, revision = $6
			WHERE account_id = $1 AND template_id = $2`, account, id, t.DisplayName, model.Fold(t.DisplayName), settings, t.Revision)
		return err
	})
	switch {
	case crdb.Classify(err) == crdb.UniqueViolation:
		return model.Template{}, nameInUse("template", "display_name", t.DisplayName)
	case err != nil:
		return model.Template{}, fmt.Errorf("update template: %w", err)
	}
	return t, nil
}

// DeleteTemplate implements store.Templates.
func (s *Store) DeleteTemplate(ctx context.Context, account, id uuid.UUID) error {
	gone := func(ctx context.Context, q crdb.Querier) (bool, error) {
		there, err := exists(`SELECT 1 FROM templates WHERE account_id = $1 AND template_id = $2`, account, id)(ctx, q)
		return !there, err
	}
	err := s.db.TxReadBack(ctx, "license.DeleteTemplate", func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `DELETE FROM templates WHERE account_id = $1 AND template_id = $2`, account, id)
		if err == nil && tag.RowsAffected() == 0 {
			return model.NotFound(model.TemplateName(account, id))
		}
		return err
	}, gone)
	if err != nil {
		return fmt.Errorf("delete template: %w", err)
	}
	return nil
}
