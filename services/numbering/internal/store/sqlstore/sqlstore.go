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
