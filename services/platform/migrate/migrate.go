// Package migrate brings a database to the schema that a program knows, and tells whether it is there.
//
// A service embeds its migrations as files `00001_what_it_does.sql` in goose's form. There are two kinds:
//
//   - A file that only creates tables, with their indexes and constraints, begins with `-- +goose Up` and runs in one
//     transaction. On CockroachDB that is also twenty times as fast, since an index on a table of the same transaction needs no
//     backfill.
//   - A file that changes a table which exists begins with `-- +goose NO TRANSACTION` above `-- +goose Up`, as CockroachDB
//     carries out such changes after the commit and may then still refuse them. Its statements run one by one, and all of them
//     again after a break in the middle.
//
// In both, every statement bears repetition (IF NOT EXISTS). There are no down migrations: changes first expand, and contract
// once no running version needs the old form.
package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

var (
	// ErrSchemaOlder is a database that lacks migrations this program needs: run them.
	ErrSchemaOlder = errors.New("the database schema is older than this program; run its migrate command")
	// ErrSchemaNewer is a database with migrations that this program does not know: run a newer program.
	ErrSchemaNewer = errors.New("the database schema is newer than this program")
)

// How the lock is kept: a migrator that dies gives way after leaseTime, others look every lockPoll for lockWait.
const (
	leaseTime = 30 * time.Second
	heartbeat = 5 * time.Second
	lockPoll  = 250 * time.Millisecond
	lockWait  = 5 * time.Minute
)

// Up applies the migrations of fsys (files in its root) that the database at url lacks, oldest first. Several programs may do
// so at once: one works while the others wait for up to five minutes, and then find nothing left to do. log may be nil.
func Up(ctx context.Context, url string, fsys fs.FS, log *slog.Logger) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	cc, err := pgx.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("the database URL %q cannot be parsed", crdb.Redact(url))
	}
	db := stdlib.OpenDB(*cc)
	defer func() { _ = db.Close() }()
	if err := prepare(ctx, db); err != nil {
		return err
	}
	locker, err := lock.NewPostgresTableLocker(lock.WithTableName(lockTable), lock.WithTableLogger(log),
		lock.WithTableLeaseDuration(leaseTime), lock.WithTableHeartbeatInterval(heartbeat),
		lock.WithTableLockTimeout(lockPoll, uint64(lockWait/lockPoll)),
		lock.WithTableUnlockTimeout(lockPoll, 20))
	if err != nil {
		return fmt.Errorf("migration lock: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectCustom, db, fsys, goose.WithStore(store{}), goose.WithLocker(locker),
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(log))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	done, err := backoff.Retry(ctx, func() ([]*goose.MigrationResult, error) {
		done, err := p.Up(ctx)
		if err != nil && crdb.Classify(err) != crdb.Retryable {
			err = backoff.Permanent(err)
		}
		return done, err
	}, backoff.WithMaxTries(10))
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	for _, r := range done {
		log.InfoContext(ctx, "migration applied", "version", r.Source.Version, "file", path.Base(r.Source.Path), "took", r.Duration)
	}
	return nil
}

// prepare creates the version table with its first row, as several programs may try at once, which goose does not expect.
func prepare(ctx context.Context, db *sql.DB) error {
	try := func() (struct{}, error) {
		err := createTables(ctx, db)
		var pe *pgconn.PgError
		// PostgreSQL's IF NOT EXISTS is not safe against a neighbour that creates the same table.
		race := errors.As(err, &pe) && (pe.Code == "23505" || pe.Code == "42P07" || pe.Code == "42710")
		if c := crdb.Classify(err); err != nil && !race && c != crdb.Retryable && c != crdb.Unavailable {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}
	if _, err := backoff.Retry(ctx, try, backoff.WithMaxElapsedTime(30*time.Second)); err != nil {
		return fmt.Errorf("prepare migrations: %w", err)
	}
	return nil
}

// Check returns nil when the database has exactly the migrations of fsys, and otherwise an error that is ErrSchemaOlder or
// ErrSchemaNewer and says which version is the first to differ.
func Check(ctx context.Context, q crdb.Querier, fsys fs.FS) error {
	known, err := versions(fsys)
	if err != nil {
		return err
	}
	applied, err := appliedVersions(ctx, q)
	if err != nil {
		return err
	}
	for _, v := range known {
		if !slices.Contains(applied, v) {
			return fmt.Errorf("%w: migration %d is missing", ErrSchemaOlder, v)
		}
	}
	for _, v := range applied {
		if !slices.Contains(known, v) {
			return fmt.Errorf("%w: migration %d is not known here", ErrSchemaNewer, v)
		}
	}
	return nil
}

// versions lists the migrations of fsys, ascending.
func versions(fsys fs.FS) ([]int64, error) {
	names, err := fs.Glob(fsys, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	var out []int64
	for _, name := range names {
		number, _, _ := strings.Cut(name, "_")
		v, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("migration %q does not begin with a number and _", name)
		}
		out = append(out, v)
	}
	slices.Sort(out)
	return out, nil
}

func appliedVersions(ctx context.Context, q crdb.Querier) ([]int64, error) {
	rows, err := q.Query(ctx, "SELECT version FROM "+versionTable+" WHERE version > 0 ORDER BY version")
	if err == nil {
		var out []int64
		if out, err = pgx.CollectRows(rows, pgx.RowTo[int64]); err == nil {
			return out, nil
		}
	}
	if crdb.Classify(err) == crdb.SchemaUnknown {
		return nil, nil
	}
	return nil, fmt.Errorf("read schema version: %w", err)
}
