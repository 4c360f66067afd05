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
// once no running version needs the old form. Which of the two a file does is said in it, by a line of its own:
//
//	-- switchboard:compatible-from 4
//
// Programs whose newest migration is number 4, or a later one, run on a schema with this file. An expanding file names the one
// before it (or an earlier one); a contracting file names the one since which no program uses what it takes away. Without the line
// a file is for programs that know it, and an older program refuses to start. The line is written into the database with the
// version, since the older program does not have the file.
package migrate

import (
	"cmp"
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
	known, err := versions(fsys)
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectCustom, db, fsys, goose.WithStore(store{known}), goose.WithLocker(locker),
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
	if err := forgetAccounts(ctx, db); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	for _, r := range done {
		log.InfoContext(ctx, "migration applied", "version", r.Source.Version, "file", path.Base(r.Source.Path), "took", r.Duration)
	}
	return nil
}

// forgetAccounts has PostgreSQL keep no statistics of accounts, whose sizes they would tell wrongly: those of the big ones too late,
// and without a value (see package crdb) the average, which many small accounts bring down to a few rows, so that reading all
// of an account seems to be cheap. Without statistics PostgreSQL takes every account for a two hundredth of the table. Columns that
// came with a later migration are found, too.
func forgetAccounts(ctx context.Context, db *sql.DB) error {
	var cockroach bool
	if err := db.QueryRowContext(ctx, "SELECT version() LIKE 'CockroachDB%'").Scan(&cockroach); err != nil || cockroach {
		return err
	}
	_, err := db.ExecContext(ctx, `
		DO $$ DECLARE t REGCLASS; BEGIN
			FOR t IN SELECT a.attrelid FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
				WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::REGNAMESPACE AND a.attname = 'account_id'
					AND a.attstattarget IS DISTINCT FROM 0 ORDER BY a.attrelid
			LOOP EXECUTE format('ALTER TABLE %s ALTER COLUMN account_id SET STATISTICS 0', t); END LOOP;
		END $$`)
	return err
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

// Check returns nil when the database has all migrations of fsys, and otherwise none that fsys lacks but those which say that a
// program as old as this one runs with them. The error is ErrSchemaOlder or ErrSchemaNewer and says which version is the first to
// differ.
func Check(ctx context.Context, q crdb.Querier, fsys fs.FS) error {
	known, err := versions(fsys)
	if err != nil {
		return err
	}
	_, err = check(ctx, q, known)
	return err
}

// check does what Check says and returns the newest migration that is applied, 0 for none.
func check(ctx context.Context, q crdb.Querier, known []version) (int64, error) {
	applied, err := appliedVersions(ctx, q)
	if err != nil {
		return 0, err
	}
	var newestApplied int64
	if len(applied) > 0 {
		newestApplied = applied[len(applied)-1]
	}
	for _, v := range known {
		if !slices.Contains(applied, v.number) {
			return newestApplied, fmt.Errorf("%w: migration %d is missing", ErrSchemaOlder, v.number)
		}
		applied = slices.DeleteFunc(applied, func(n int64) bool { return n == v.number })
	}
	if len(applied) == 0 {
		return newestApplied, nil
	}
	return newestApplied, suits(ctx, q, newest(known), applied)
}

// suits says whether a program whose newest migration is own runs with further ones.
func suits(ctx context.Context, q crdb.Querier, own int64, further []int64) error {
	from, err := compatible(ctx, q)
	if err != nil {
		return err
	}
	for _, n := range further {
		needs, told := from[n]
		if !told {
			needs = n
		}
		if own < needs {
			return fmt.Errorf("%w: migration %d is not known here and needs a program with migration %d", ErrSchemaNewer, n, needs)
		}
	}
	return nil
}

// version is one migration and the oldest program, by its newest migration, that runs on a schema with it.
type version struct{ number, compatibleFrom int64 }

func newest(versions []version) int64 {
	var n int64
	for _, v := range versions {
		n = max(n, v.number)
	}
	return n
}

// compatibleMark begins the line that names the oldest program.
const compatibleMark = "-- switchboard:compatible-from "

// versions lists the migrations of fsys, ascending.
func versions(fsys fs.FS) ([]version, error) {
	names, err := fs.Glob(fsys, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	var out []version
	for _, name := range names {
		number, _, _ := strings.Cut(name, "_")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("migration %q does not begin with a number and _", name)
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("read migration: %w", err)
		}
		from, err := compatibleFrom(string(text), n)
		if err != nil {
			return nil, fmt.Errorf("migration %q: %w", name, err)
		}
		out = append(out, version{n, from})
	}
	slices.SortFunc(out, func(a, b version) int { return cmp.Compare(a.number, b.number) })
	return out, nil
}

// compatibleFrom reads the mark of a migration, which is its own number where there is none.
func compatibleFrom(text string, own int64) (int64, error) {
	for line := range strings.Lines(text) {
		value, ok := strings.CutPrefix(line, compatibleMark)
		if !ok {
			continue
		}
		from, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		if err != nil || from < 0 || from > own {
			return 0, fmt.Errorf("%q does not name a migration up to this one", strings.TrimSpace(line))
		}
		return from, nil
	}
	return own, nil
}

// appliedVersions lists the migrations that the database has, ascending.
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

// compatible reads which program is the oldest for each migration. Migrations of releases before there was such a thing are not in it.
func compatible(ctx context.Context, q crdb.Querier) (map[int64]int64, error) {
	rows, err := q.Query(ctx, "SELECT version, compatible_from FROM "+compatibleTable)
	if err == nil {
		out := map[int64]int64{}
		var v version
		if _, err = pgx.ForEachRow(rows, []any{&v.number, &v.compatibleFrom}, func() error { out[v.number] = v.compatibleFrom; return nil }); err == nil {
			return out, nil
		}
	}
	if crdb.Classify(err) == crdb.SchemaUnknown {
		return map[int64]int64{}, nil
	}
	return nil, fmt.Errorf("read whom the schema suits: %w", err)
}
