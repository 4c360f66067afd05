package sqlstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

func queueInsertSite(batch *pgx.Batch, st *model.Site) {
	batch.Queue(`INSERT INTO sites (account_id, site_id, display_name, display_name_key, site_code, site_code_key, is_main, revision,
		create_time) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		st.AccountID, st.ID, st.DisplayName, model.Fold(st.DisplayName), st.SiteCode, siteCodeKey(st), st.IsMain, st.Revision, st.CreateTime)
}

// siteCodeKey is NULL without a code, so that many sites may have none.
func siteCodeKey(st *model.Site) *string { return toNull(model.Fold(st.SiteCode)) }

// CreateSite implements store.Sites.
func (s *Store) CreateSite(ctx context.Context, st model.Site, limit int) error {
	err := s.db.TxInsert(ctx, "license.CreateSite", func(ctx context.Context, tx pgx.Tx) error {
		if err := lockAccount(ctx, tx, st.AccountID); err != nil {
			return err
		}
		if err := checkLimit(ctx, tx, "sites", st.AccountID, limit); err != nil {
			return err
		}
		if err := checkSiteNames(ctx, tx, &st); err != nil {
			return err
		}
		var batch pgx.Batch
		if st.IsMain {
			queueUnmarkMain(&batch, st.AccountID)
		}
		queueInsertSite(&batch, &st)
		return tx.SendBatch(ctx, &batch).Close()
	}, exists(`SELECT 1 FROM sites WHERE account_id = $1 AND site_id = $2`, st.AccountID, st.ID))
	if err != nil {
		return fmt.Errorf("create site: %w", err)
	}
	return nil
}

// checkLimit refuses when the account has limit rows of a table ("sites", "templates") already.
func checkLimit(ctx context.Context, q crdb.Querier, table string, account uuid.UUID, limit int) error {
	var n int
	if err := q.QueryRow(ctx, `SELECT count(*) FROM `+table+` WHERE account_id = $1`, account).Scan(&n); err != nil {
		return err
	}
	if n < limit {
		return nil
	}
	return errs.New(commonv1.Reason_LIMIT_REACHED, "the account has %d %s, which is the most there can be", n, table).
		With("limit", fmt.Sprint(limit))
}

// checkSiteNames refuses a display name or code that another site has.
func checkSiteNames(ctx context.Context, q crdb.Querier, st *model.Site) error {
	rows, err := q.Query(ctx, `SELECT display_name_key = $3 FROM sites
		WHERE account_id = $1 AND site_id <> $2 AND (display_name_key = $3 OR site_code_key = $4)`,
		st.AccountID, st.ID, model.Fold(st.DisplayName), siteCodeKey(st))
	if err != nil {
		return err
	}
	sameName, err := pgx.CollectRows(rows, pgx.RowTo[bool])
	switch {
	case err != nil || len(sameName) == 0:
		return err
	case sameName[0]:
		return nameInUse("site", "display_name", st.DisplayName)
	}
	return nameInUse("site", "site_code", st.SiteCode)
}

// nameInUse is the refusal of a name that another resource of the kind has.
func nameInUse(resource, field, value string) error {
	return errs.New(commonv1.Reason_NAME_IN_USE, "the account has a %s with the %s %q already: take another one",
		resource, strings.ReplaceAll(field, "_", " "), value).
		With("field", field).With("value", value).Violation(resource+"."+field, "is in use")
}

func queueUnmarkMain(batch *pgx.Batch, account uuid.UUID) {
	batch.Queue(`UPDATE sites SET is_main = false, revision = revision + 1 WHERE account_id = $1 AND is_main`, account)
}

const siteColumns = `account_id, site_id, display_name, site_code, is_main, revision, create_time`

func scanSite(row pgx.CollectableRow) (st model.Site, err error) {
	err = row.Scan(&st.AccountID, &st.ID, &st.DisplayName, &st.SiteCode, &st.IsMain, &st.Revision, &st.CreateTime)
	return st, err
}

func readSite(ctx context.Context, q crdb.Querier, account, id uuid.UUID, suffix string) (model.Site, error) {
	rows, err := q.Query(ctx, `SELECT `+siteColumns+` FROM sites WHERE account_id = $1 AND site_id = $2 `+suffix, account, id)
	if err != nil {
		return model.Site{}, err
	}
	st, err := pgx.CollectExactlyOneRow(rows, scanSite)
	if crdb.Classify(err) == crdb.NotFound {
		return st, model.NotFound(model.SiteName(account, id))
	}
	return st, err
}

// GetSite implements store.Sites.
func (s *Store) GetSite(ctx context.Context, account, id uuid.UUID) (st model.Site, err error) {
	err = s.db.Do(ctx, "license.GetSite", func(ctx context.Context, q crdb.Querier) (err error) {
		st, err = readSite(ctx, q, account, id, "")
		return err
	})
	return st, err
}

// ResolveSite implements store.Sites.
func (s *Store) ResolveSite(ctx context.Context, account, id uuid.UUID) (site uuid.UUID, err error) {
	err = s.db.Do(ctx, "license.ResolveSite", func(ctx context.Context, q crdb.Querier) (err error) {
		site, err = resolveSite(ctx, q, account, id)
		return err
	})
	return site, err
}

func resolveSite(ctx context.Context, q crdb.Querier, account, id uuid.UUID) (uuid.UUID, error) {
	if id != uuid.Nil {
		_, err := readSite(ctx, q, account, id, "")
		return id, err
	}
	rows, err := q.Query(ctx, `SELECT site_id FROM sites WHERE account_id = $1 LIMIT 2`, account)
	if err != nil {
		return uuid.Nil, err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	switch {
	case err != nil:
		return uuid.Nil, err
	case len(ids) == 0: // every account has a site
		return uuid.Nil, model.NotFound(model.AccountName(account))
	case len(ids) > 1:
		return uuid.Nil, errs.New(commonv1.Reason_SITE_REQUIRED, "the account has several sites: name the one that is meant").
			Violation("site", "must be set")
	}
	return ids[0], nil
}

// ListSites implements store.Sites. An account has so few sites that they are sorted as they are read.
func (s *Store) ListSites(ctx context.Context, account uuid.UUID, after *store.SiteCursor, limit int) (sites []model.Site, err error) {
	w := ofAccount(account)
	if after != nil {
		w.and("(NOT is_main, display_name_key) > (" + w.arg(!after.Main) + "::BOOL, " + w.arg(after.Key) + "::TEXT)")
	}
	query := `SELECT ` + siteColumns + ` FROM sites WHERE ` + w.String() + ` ORDER BY (NOT is_main), display_name_key LIMIT ` + w.arg(limit)
	err = s.db.Do(ctx, "license.ListSites", func(ctx context.Context, q crdb.Querier) error {
		rows, err := q.Query(ctx, query, w.args...)
		if err != nil {
			return err
		}
		sites, err = pgx.CollectRows(rows, scanSite)
		return err
	})
	return sites, err
}

// UpdateSite implements store.Sites. An ambiguous commit is answered as such: change decides anew on repetition.
func (s *Store) UpdateSite(ctx context.Context, account, id uuid.UUID, change func(model.Site) (model.Site, error)) (st model.Site, err error) {
	err = s.db.Tx(ctx, "license.UpdateSite", func(ctx context.Context, tx pgx.Tx) error {
		if err := lockAccount(ctx, tx, account); err != nil {
			return siteOfNoAccount(err, account, id)
		}
		before, err := readSite(ctx, tx, account, id, "FOR UPDATE")
		if err != nil {
			return err
		}
		if st, err = change(before); err != nil {
			return err
		}
		if err := checkSiteNames(ctx, tx, &st); err != nil {
			return err
		}
		st.Revision = before.Revision + 1
		var batch pgx.Batch
		if st.IsMain && !before.IsMain {
			queueUnmarkMain(&batch, account)
		}
		batch.Queue(`UPDATE sites SET display_name = $3, display_name_key = $4, site_code = $5, site_code_key = $6, is_main = $7,
			revision = $8 WHERE account_id = $1 AND site_id = $2`, account, id, st.DisplayName, model.Fold(st.DisplayName),
			st.SiteCode, siteCodeKey(&st), st.IsMain, st.Revision)
		return tx.SendBatch(ctx, &batch).Close()
	})
	if err != nil {
		return model.Site{}, fmt.Errorf("update site: %w", err)
	}
	return st, nil
}

// siteOfNoAccount makes a missing account the site's own absence, which is what was asked for.
func siteOfNoAccount(err error, account, id uuid.UUID) error {
	if errs.Reason(err) == commonv1.Reason_NOT_FOUND {
		return model.NotFound(model.SiteName(account, id))
	}
	return err
}

// siteUsers are the tables whose rows belong to a site, and what the rows are called.
var siteUsers = []struct{ table, name string }{
	{"phone_users", "phone users"}, {"rooms", "rooms"}, {"templates", "templates"},
}

// DeleteSite implements store.Sites. Whoever begins to use a site reads its row in the same transaction, so that the two cannot
// both succeed. After an ambiguous commit a site that is gone is answered as deleted.
func (s *Store) DeleteSite(ctx context.Context, account, id uuid.UUID) error {
	gone := func(ctx context.Context, q crdb.Querier) (bool, error) {
		there, err := exists(`SELECT 1 FROM sites WHERE account_id = $1 AND site_id = $2`, account, id)(ctx, q)
		return !there, err
	}
	err := s.db.TxReadBack(ctx, "license.DeleteSite", func(ctx context.Context, tx pgx.Tx) error {
		if err := lockAccount(ctx, tx, account); err != nil {
			return siteOfNoAccount(err, account, id)
		}
		st, err := readSite(ctx, tx, account, id, "FOR UPDATE")
		if err != nil {
			return err
		}
		usedBy, err := siteUsedBy(ctx, tx, &st)
		if err != nil {
			return err
		}
		if len(usedBy) > 0 {
			return store.SiteInUse(&st, usedBy...)
		}
		_, err = tx.Exec(ctx, `DELETE FROM sites WHERE account_id = $1 AND site_id = $2`, account, id)
		return err
	}, gone)
	if err != nil {
		return fmt.Errorf("delete site: %w", err)
	}
	return nil
}

func siteUsedBy(ctx context.Context, tx pgx.Tx, st *model.Site) ([]string, error) {
	var usedBy []string
	if st.IsMain {
		usedBy = append(usedBy, "the account, whose main site it is")
	}
	for _, u := range siteUsers {
		found, err := exists(`SELECT 1 FROM `+u.table+` WHERE account_id = $1 AND site_id = $2`, st.AccountID, st.ID)(ctx, tx)
		if err != nil {
			return nil, err
		}
		if found {
			usedBy = append(usedBy, u.name)
		}
	}
	return usedBy, nil
}
