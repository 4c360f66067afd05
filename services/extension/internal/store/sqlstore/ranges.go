package sqlstore

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
)

const rangeColumns = "account_id, range_id, site_id, from_number, to_number, create_time"

// CreateRange implements store.Ranges.
func (s *Store) CreateRange(ctx context.Context, r store.Range, maxPerSite int) error {
	return s.write(ctx, "extension.CreateRange", func(ctx context.Context, tx pgx.Tx) error {
		var same bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM extension_ranges WHERE account_id = $1 AND range_id = $2)`,
			r.Account, r.ID).Scan(&same); err != nil || same {
			return err
		}
		// No two ranges overlap, so that only the last one that begins at or before the new one's end can be in the way.
		last, err := collect(ctx, tx, scanRange, `SELECT `+rangeColumns+` FROM extension_ranges
			WHERE account_id = $1 AND from_number <= $2 ORDER BY from_number DESC LIMIT 1`, r.Account, r.To)
		if err != nil {
			return err
		}
		if len(last) > 0 && last[0].Overlaps(r.Span) {
			return &store.OverlapError{With: last[0]}
		}
		var count int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM extension_ranges WHERE account_id = $1 AND site_id = $2`,
			r.Account, r.Site).Scan(&count); err != nil {
			return err
		}
		if count >= maxPerSite {
			return store.ErrTooManyRanges
		}
		_, err = tx.Exec(ctx, `INSERT INTO extension_ranges (`+rangeColumns+`) VALUES ($1, $2, $3, $4, $5, $6)`,
			r.Account, r.ID, r.Site, r.From, r.To, r.CreateTime)
		return err
	})
}

// DeleteRange implements store.Ranges.
func (s *Store) DeleteRange(ctx context.Context, account, site, id uuid.UUID) error {
	return s.write(ctx, "extension.DeleteRange", func(ctx context.Context, tx pgx.Tx) error {
		found, err := collect(ctx, tx, scanRange, `SELECT `+rangeColumns+` FROM extension_ranges
			WHERE account_id = $1 AND range_id = $2`, account, id)
		if err != nil {
			return err
		}
		if len(found) == 0 || found[0].Site != site {
			return store.ErrRangeNotFound
		}
		var used int64
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM `+s.byNumber+` WHERE account_id = $1
			AND number BETWEEN $2 AND $3 AND state IN ('ASSIGNED', 'HELD')`, account, found[0].From, found[0].To).Scan(&used); err != nil {
			return err
		}
		if used > 0 {
			return &store.RangeInUseError{Used: used}
		}
		_, err = tx.Exec(ctx, `DELETE FROM extension_ranges WHERE account_id = $1 AND range_id = $2`, account, id)
		return err
	})
}

// SiteRanges implements store.Ranges.
func (s *Store) SiteRanges(ctx context.Context, account, site uuid.UUID) ([]store.Range, error) {
	return read(ctx, s.db, "extension.SiteRanges", scanRange, `SELECT `+rangeColumns+` FROM extension_ranges
		WHERE account_id = $1 AND site_id = $2 ORDER BY from_number`, account, site)
}

// ListRanges implements store.Ranges.
func (s *Store) ListRanges(ctx context.Context, account, site uuid.UUID, page store.List) ([]store.Range, error) {
	sql := `SELECT ` + rangeColumns + ` FROM extension_ranges WHERE account_id = $1 AND from_number > $2`
	args := []any{account, page.After}
	if site != uuid.Nil {
		args = append(args, site)
		sql += ` AND site_id = $3`
	}
	args = append(args, page.Limit)
	return read(ctx, s.db, "extension.ListRanges", scanRange, fmt.Sprintf(`%s ORDER BY from_number LIMIT $%d`, sql, len(args)), args...)
}

// AllRanges implements store.Ranges.
func (s *Store) AllRanges(ctx context.Context, account uuid.UUID, after number.Number, limit int) ([]store.Range, error) {
	return read(ctx, s.db, "extension.AllRanges", scanRange, `SELECT `+rangeColumns+` FROM extension_ranges
		WHERE (account_id, from_number) > ($1, $2) ORDER BY account_id, from_number LIMIT $3`, account, after, limit)
}

// RangesAcross implements store.Ranges.
func (s *Store) RangesAcross(ctx context.Context, account uuid.UUID, from, to number.Number) ([]store.Range, error) {
	return read(ctx, s.db, "extension.RangesAcross", scanRange, `SELECT `+rangeColumns+` FROM extension_ranges
		WHERE account_id = $1 AND from_number <= $3 AND to_number >= $2 ORDER BY from_number`, account, from, to)
}
