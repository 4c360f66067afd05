package sqlstore

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/numbering/internal/books"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

// selectPackages reads packages as scanPackage takes them.
const selectPackages = `
	SELECT p.package_id, p.display_name, p.kind, p.state, p.revision, p.create_time, s.seats, s.assigned
	FROM packages AS p
	JOIN package_seats AS s ON s.account_id = p.account_id AND s.package_id = p.package_id
	WHERE p.account_id = $1 `

func scanPackage(r pgx.CollectableRow) (p books.Package, err error) {
	err = r.Scan(&p.ID, &p.DisplayName, &p.Kind, &p.State, &p.Revision, &p.CreateTime, &p.Seats, &p.Assigned)
	p.CreateTime = p.CreateTime.UTC()
	return p, err
}

// nameConstraint keeps display names apart.
const nameConstraint = "packages_display_name"

// nameInUse turns a violation of nameConstraint into the refusal, and leaves other errors alone.
func nameInUse(err error, name string) error {
	if c, ok := crdb.UniqueConstraint(err); ok && c == nameConstraint {
		return &books.RefusalError{Kind: books.NameInUse, Name: name, Cause: err}
	}
	return err
}

// CreatePackage implements store.Store.
func (s *Store) CreatePackage(ctx context.Context, account uuid.UUID, p books.Package) error {
	insert := func(ctx context.Context, tx pgx.Tx) error {
		var count int64
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM packages WHERE account_id = $1`, account).Scan(&count); err != nil {
			return err
		}
		if count >= books.MaxPackages {
			return &books.RefusalError{Kind: books.TooManyPackages, Limit: books.MaxPackages}
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO packages (account_id, package_id, display_name, display_name_key, kind, state, revision, create_time)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			account, p.ID, p.DisplayName, books.FoldName(p.DisplayName), p.Kind, p.State, p.Revision, p.CreateTime)
		if err != nil {
			return nameInUse(err, p.DisplayName)
		}
		_, err = tx.Exec(ctx, `INSERT INTO package_seats (account_id, package_id, seats, assigned) VALUES ($1, $2, $3, 0)`,
			account, p.ID, p.Seats)
		return broken(err)
	}
	err := s.db.TxReadBack(ctx, OpCreatePackage, insert, func(ctx context.Context, q crdb.Querier) (there bool, err error) {
		err = q.QueryRow(ctx, `SELECT count(*) > 0 FROM packages WHERE account_id = $1 AND package_id = $2`, account, p.ID).Scan(&there)
		return there, err
	})
	if err != nil {
		return fmt.Errorf("create package: %w", err)
	}
	return nil
}

// GetPackage implements store.Store.
func (s *Store) GetPackage(ctx context.Context, account, id uuid.UUID) (p books.Package, err error) {
	err = s.db.Do(ctx, OpGetPackage, func(ctx context.Context, q crdb.Querier) error {
		p, err = getPackage(ctx, q, account, id)
		return err
	})
	if err != nil {
		return books.Package{}, fmt.Errorf("get package: %w", err)
	}
	return p, nil
}

func getPackage(ctx context.Context, q crdb.Querier, account, id uuid.UUID) (books.Package, error) {
	rows, _ := q.Query(ctx, selectPackages+`AND p.package_id = $2`, account, id)
	p, err := pgx.CollectExactlyOneRow(rows, scanPackage)
	if crdb.Classify(err) == crdb.NotFound {
		return p, &books.RefusalError{Kind: books.PackageNotFound, Package: id, Cause: err}
	}
	return p, err
}

// ListPackages implements store.Store.
func (s *Store) ListPackages(ctx context.Context, account uuid.UUID, after string, limit int) (out []books.Package, err error) {
	err = s.db.Do(ctx, OpListPackages, func(ctx context.Context, q crdb.Querier) error {
		// No fold is empty, so that "" is in front of all.
		rows, _ := q.Query(ctx, selectPackages+`AND p.display_name_key > $2 ORDER BY p.display_name_key LIMIT $3`, account, after, limit)
		out, err = pgx.CollectRows(rows, scanPackage)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list packages: %w", err)
	}
	return out, nil
}

// UpdatePackage implements store.Store.
func (s *Store) UpdatePackage(ctx context.Context, account, id uuid.UUID, change func(p *books.Package) error) (books.Package, error) {
	var written books.Package
	update := func(ctx context.Context, tx pgx.Tx) error {
		before, err := getPackage(ctx, tx, account, id)
		if err != nil {
			return err
		}
		after := before
		if err := change(&after); err != nil {
			return err
		}
		written, err = writePackage(ctx, tx, account, before, after)
		return err
	}
	// Assignments may have gone on meanwhile; everything else must be as it was written here.
	committed := func(ctx context.Context, q crdb.Querier) (bool, error) {
		now, err := getPackage(ctx, q, account, id)
		if err != nil {
			return false, err
		}
		same := now
		same.Assigned = written.Assigned
		return same == written, nil
	}
	if err := s.db.TxReadBack(ctx, OpUpdatePackage, update, committed); err != nil {
		return books.Package{}, fmt.Errorf("update package: %w", err)
	}
	return written, nil
}

// writePackage writes what differs between before and after, and returns what is there then.
func writePackage(ctx context.Context, tx pgx.Tx, account uuid.UUID, before, after books.Package) (books.Package, error) {
	if after == before {
		return before, nil
	}
	after.Revision = before.Revision + 1
	_, err := tx.Exec(ctx, `
		UPDATE packages SET display_name = $3, display_name_key = $4, kind = $5, state = $6, revision = $7
		WHERE account_id = $1 AND package_id = $2`,
		account, after.ID, after.DisplayName, books.FoldName(after.DisplayName), after.Kind, after.State, after.Revision)
	if err != nil {
		return after, nameInUse(err, after.DisplayName)
	}
	if after.Seats == before.Seats {
		return after, nil
	}
	if after.Seats < before.Assigned {
		return after, &books.RefusalError{Kind: books.SeatsInUse, Package: after.ID, Seats: after.Seats, Assigned: before.Assigned}
	}
	_, err = tx.Exec(ctx, `UPDATE package_seats SET seats = $3 WHERE account_id = $1 AND package_id = $2`, account, after.ID, after.Seats)
	return after, broken(err)
}
