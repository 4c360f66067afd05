// Package sqlstore keeps the books of the numbering service in CockroachDB or PostgreSQL, in one SQL dialect.
package sqlstore

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/numbering/internal/books"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

// Names of the operations, as metrics, spans and fault points have them.
const (
	OpCreatePackage = "numbering.CreatePackage"
	OpGetPackage    = "numbering.GetPackage"
	OpListPackages  = "numbering.ListPackages"
	OpUpdatePackage = "numbering.UpdatePackage"
	OpCreateNumbers = "numbering.CreateNumbers"
	OpDeleteNumbers = "numbering.DeleteNumbers"
	OpListNumbers   = "numbering.ListNumbers"
	OpCountNumbers  = "numbering.CountNumbers"
	OpChange        = "numbering.Change"
	OpPreview       = "numbering.Preview"
	OpListAccounts  = "numbering.ListAccounts"
	OpAudit         = "numbering.Audit"
	OpListOwners    = "numbering.ListOwners"
	OpRecountSeats  = "numbering.RecountSeats"
)

// Store implements store.Store. It is safe for concurrent use.
type Store struct{ db *crdb.DB }

var _ store.Store = (*Store)(nil)

// New returns a store on a database that has the schema of package migrations. The caller closes db.
func New(db *crdb.DB) *Store { return &Store{db: db} }

// ListAccounts implements store.Store.
func (s *Store) ListAccounts(ctx context.Context, after uuid.UUID, limit int) (out []uuid.UUID, err error) {
	err = s.db.Do(ctx, OpListAccounts, func(ctx context.Context, q crdb.Querier) error {
		rows, _ := q.Query(ctx, `SELECT DISTINCT account_id FROM packages WHERE account_id > $1 ORDER BY account_id LIMIT $2`, after, limit)
		out, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	return out, nil
}

// ListOwners implements store.Store. Each side brings a page of its own, so that neither is read whole.
func (s *Store) ListOwners(ctx context.Context, account, after uuid.UUID, limit int) (out []uuid.UUID, err error) {
	err = s.db.Do(ctx, OpListOwners, func(ctx context.Context, q crdb.Querier) error {
		rows, _ := q.Query(ctx, `
			SELECT owner_id FROM (
				(SELECT owner_id FROM package_assignments WHERE account_id = $1 AND owner_id > $2 ORDER BY owner_id LIMIT $3)
				UNION
				(SELECT DISTINCT owner_id FROM phone_numbers WHERE account_id = $1 AND owner_id > $2 ORDER BY owner_id LIMIT $3)
			) AS o ORDER BY owner_id LIMIT $3`, account, after, limit)
		out, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list owners: %w", err)
	}
	return out, nil
}

// RecountSeats implements store.Store. The seats are locked first, as whoever assigns does, so that nobody counts in between.
func (s *Store) RecountSeats(ctx context.Context, account uuid.UUID, packages []uuid.UUID) error {
	err := s.db.Tx(ctx, OpRecountSeats, func(ctx context.Context, tx pgx.Tx) error {
		for _, pkg := range packages {
			if _, err := tx.Exec(ctx, `SELECT 1 FROM package_seats WHERE account_id = $1 AND package_id = $2 FOR UPDATE`, account, pkg); err != nil {
				return err
			}
			var holders int64
			err := tx.QueryRow(ctx, `SELECT count(*) FROM package_assignments WHERE account_id = $1 AND package_id = $2`, account, pkg).Scan(&holders)
			if err != nil {
				return err
			}
			_, err = tx.Exec(ctx, `UPDATE package_seats SET assigned = $3, seats = greatest(seats, $3) WHERE account_id = $1 AND package_id = $2`,
				account, pkg, holders)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("recount seats: %w", err)
	}
	return nil
}

const maxDiscrepancies = 100

// Audit implements store.Store. One statement per question, so that each sees one state of the books.
func (s *Store) Audit(ctx context.Context, account uuid.UUID) (out []store.Discrepancy, err error) {
	err = s.db.Do(ctx, OpAudit, func(ctx context.Context, q crdb.Querier) error {
		rows, _ := q.Query(ctx, `
			SELECT s.package_id, s.assigned, coalesce(a.holders, 0) AS holders
			FROM package_seats AS s
			LEFT JOIN (SELECT package_id, count(*) AS holders FROM package_assignments WHERE account_id = $1 GROUP BY package_id) AS a
				ON a.package_id = s.package_id
			WHERE s.account_id = $1 AND s.assigned <> coalesce(a.holders, 0)
			ORDER BY s.package_id LIMIT $2`, account, maxDiscrepancies)
		out, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (d store.Discrepancy, err error) {
			return d, r.Scan(&d.Package, &d.Assigned, &d.Holders)
		})
		if err != nil {
			return err
		}
		rows, _ = q.Query(ctx, `
			SELECT n.owner_id, n.number
			FROM phone_numbers AS n
			LEFT JOIN package_assignments AS a ON a.account_id = n.account_id AND a.owner_id = n.owner_id
			WHERE n.account_id = $1 AND n.owner_id IS NOT NULL AND a.owner_id IS NULL
			ORDER BY n.number LIMIT $2`, account, maxDiscrepancies)
		more, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (d store.Discrepancy, err error) {
			return d, r.Scan(&d.Owner, &d.Number)
		})
		out = append(out, more[:min(len(more), maxDiscrepancies-len(out))]...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	return out, nil
}

// broken marks an error of the database that the rules should have kept from happening.
func broken(err error) error {
	if crdb.Classify(err) == crdb.Check {
		return fmt.Errorf("%w: %w", books.ErrBroken, err)
	}
	return err
}
