package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/pressly/goose/v3/database"
)

const (
	versionTable = "schema_versions"
	lockTable    = "schema_lock"
	// compatibleTable says of migrations which program is the oldest that runs with them. It is a table of its own, so that databases
	// of earlier releases need no change of a table to get it.
	compatibleTable = "schema_compatible"
)

// store keeps the applied versions. goose's own table needs an identity column, which CockroachDB 20.1 does not have.
type store struct {
	// known are the migrations of this program, for what is written down beside their numbers.
	known []version
}

var _ database.StoreExtender = store{}

func createTables(ctx context.Context, db *sql.DB) error {
	const ddl = "CREATE TABLE IF NOT EXISTS " + versionTable +
		" (version INT8 PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL DEFAULT now())"
	const lockDDL = "CREATE TABLE IF NOT EXISTS " + lockTable + " (lock_id INT8 PRIMARY KEY, locked BOOL NOT NULL DEFAULT false," +
		" locked_at TIMESTAMPTZ, locked_by TEXT, lease_expires_at TIMESTAMPTZ, updated_at TIMESTAMPTZ)"
	const compatibleDDL = "CREATE TABLE IF NOT EXISTS " + compatibleTable + " (version INT8 PRIMARY KEY, compatible_from INT8 NOT NULL)"
	for _, stmt := range []string{ddl, lockDDL, compatibleDDL, "INSERT INTO " + versionTable + " (version) VALUES (0) ON CONFLICT DO NOTHING"} {
		if _, err := db.ExecContext(ctx, stmt); err != nil {
			return err
		}
	}
	return nil
}

// Tablename implements database.Store.
func (store) Tablename() string { return versionTable }

// TableExists implements database.StoreExtender: the table was created before goose is asked.
func (store) TableExists(context.Context, database.DBTxConn) (bool, error) { return true, nil }

// CreateVersionTable implements database.Store.
func (store) CreateVersionTable(context.Context, database.DBTxConn) error {
	return errors.New("the version table is created before")
}

// Insert implements database.Store. What the migration says of older programs is there before the migration counts as applied.
func (s store) Insert(ctx context.Context, db database.DBTxConn, req database.InsertRequest) error {
	for _, v := range s.known {
		if v.number != req.Version {
			continue
		}
		_, err := db.ExecContext(ctx, "INSERT INTO "+compatibleTable+" (version, compatible_from) VALUES ($1, $2) ON CONFLICT (version) DO NOTHING",
			v.number, v.compatibleFrom)
		if err != nil {
			return fmt.Errorf("record whom migration %d suits: %w", req.Version, err)
		}
	}
	if _, err := db.ExecContext(ctx, "INSERT INTO "+versionTable+" (version) VALUES ($1)", req.Version); err != nil {
		return fmt.Errorf("record migration %d: %w", req.Version, err)
	}
	return nil
}

// Delete implements database.Store.
func (store) Delete(ctx context.Context, db database.DBTxConn, version int64) error {
	if _, err := db.ExecContext(ctx, "DELETE FROM "+versionTable+" WHERE version = $1", version); err != nil {
		return fmt.Errorf("forget migration %d: %w", version, err)
	}
	return nil
}

// GetMigration implements database.Store.
func (store) GetMigration(ctx context.Context, db database.DBTxConn, version int64) (*database.GetMigrationResult, error) {
	res := &database.GetMigrationResult{IsApplied: true}
	err := db.QueryRowContext(ctx, "SELECT applied_at FROM "+versionTable+" WHERE version = $1", version).Scan(&res.Timestamp)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("%w: %d", database.ErrVersionNotFound, version)
	}
	if err != nil {
		return nil, fmt.Errorf("read migration %d: %w", version, err)
	}
	return res, nil
}

// GetLatestVersion implements database.Store.
func (store) GetLatestVersion(ctx context.Context, db database.DBTxConn) (int64, error) {
	var v sql.NullInt64
	if err := db.QueryRowContext(ctx, "SELECT max(version) FROM "+versionTable).Scan(&v); err != nil {
		return 0, fmt.Errorf("read latest migration: %w", err)
	}
	if !v.Valid {
		return 0, database.ErrVersionNotFound
	}
	return v.Int64, nil
}

// ListMigrations implements database.Store.
func (store) ListMigrations(ctx context.Context, db database.DBTxConn) ([]*database.ListMigrationsResult, error) {
	rows, err := db.QueryContext(ctx, "SELECT version FROM "+versionTable+" ORDER BY version DESC")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var out []*database.ListMigrationsResult
	for rows.Next() {
		r := &database.ListMigrationsResult{IsApplied: true}
		if err := rows.Scan(&r.Version); err != nil {
			return nil, fmt.Errorf("list migrations: %w", err)
		}
		out = append(out, r)
	}
	return out, rows.Err()
}
