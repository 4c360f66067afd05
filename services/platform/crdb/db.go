// Package crdb is the one way to a SQL database: a pool, one function that runs transactions, one that runs single statements,
// and the meaning of every error. It serves CockroachDB (20.1 and newer) and PostgreSQL (15 and newer) alike.
//
// Every operation has a name ("license.BeginAssign"), which is its metric label, its span and its fault point (see
// platform/faults). Errors leave here with the driver's text in them; platform/errs keeps that text from callers.
package crdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/switchboard-phone/switchboard/services/platform/faults"
)

// Engine is a kind of database.
type Engine string

// The engines that are known.
const (
	CockroachDB Engine = "cockroachdb"
	PostgreSQL  Engine = "postgresql"
)

// Querier runs statements: inside a transaction (pgx.Tx) or each in one of its own (a pool).
type Querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// DB is one database with its pool. It is safe for concurrent use.
type DB struct {
	cfg     Config
	pool    *pgxpool.Pool
	engine  Engine
	version string
	log     *slog.Logger
	tracer  trace.Tracer
	faults  faults.Injector
	metrics *metrics
}

// Open connects and asks the server what it is. While the server cannot be reached it tries again for cfg.StartTimeout. The
// caller closes the DB.
func Open(ctx context.Context, cfg Config, opts Options) (*DB, error) {
	cfg = cfg.withDefaults()
	pc, err := cfg.poolConfig(opts)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	d := &DB{cfg: cfg, pool: pool, log: opts.Logger, faults: opts.Faults}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	tp := opts.TracerProvider
	if tp == nil {
		tp = noop.NewTracerProvider()
	}
	d.tracer = tp.Tracer("switchboard/platform/crdb")
	if err := d.detect(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	d.metrics = newMetrics(opts.Registerer, pool, pc.ConnConfig.Database)
	return d, nil
}

// detect waits for the server and learns engine and version.
func (d *DB) detect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.StartTimeout)
	defer cancel()
	var cause error // of the last attempt that was not cut short
	text, err := backoff.Retry(ctx, func() (string, error) {
		var text string
		err := d.pool.QueryRow(ctx, "SELECT version()").Scan(&text)
		if ctx.Err() == nil {
			cause = err
		}
		if c := Classify(err); err != nil && c != Unavailable && c != Timeout {
			err = backoff.Permanent(err)
		}
		return text, err
	}, backoff.WithMaxElapsedTime(0))
	if err != nil && cause != nil {
		err = cause
	}
	if err != nil {
		return fmt.Errorf("reach database: %w", err)
	}
	d.engine, d.version, err = parseVersion(text)
	return err
}

// parseVersion reads the answer of version(): "CockroachDB OSS v20.1.17 (x86_64…" or "PostgreSQL 15.14 (Debian…".
func parseVersion(text string) (Engine, string, error) {
	words := strings.Fields(text)
	for i, w := range words {
		switch {
		case words[0] == "CockroachDB" && strings.HasPrefix(w, "v"):
			return CockroachDB, w, nil
		case words[0] == "PostgreSQL" && i == 1:
			return PostgreSQL, w, nil
		}
	}
	return "", "", errors.New("the database is neither CockroachDB nor PostgreSQL")
}

// Engine says what kind of database it is.
func (d *DB) Engine() Engine { return d.engine }

// Version returns the server's version as it writes it, for example "v20.1.17" or "15.14".
func (d *DB) Version() string { return d.version }

// Pool returns the pool, for what Tx and Do do not cover.
func (d *DB) Pool() *pgxpool.Pool { return d.pool }

// LookupJoin are the words for an inner join that reads the rows of its right side by key, one for each row of its left side. CockroachDB
// is told so; PostgreSQL, which has no such words, finds out by itself (see planByStatement).
func (d *DB) LookupJoin() string {
	if d.engine == CockroachDB {
		return "INNER LOOKUP JOIN"
	}
	return "JOIN"
}

// Index is how a statement names a table that it is to read by an index, whatever the planner thinks: CockroachDB is told,
// PostgreSQL has no word for it. The index "primary" is the primary key.
func (d *DB) Index(table, index string) string {
	if d.engine == CockroachDB {
		return table + "@" + index
	}
	return table
}

// OneByOne is a condition, true for all rows, for statements that look rows up by a list of keys in an index that holds all they ask
// for. PostgreSQL would rather read all of an account in such an index than look ten keys up, and then be in conflict with whoever
// adds to the account. This keeps it from reading the index alone, which makes all rows dear but those looked up.
func (d *DB) OneByOne() string {
	if d.engine == PostgreSQL {
		return " AND ctid IS NOT NULL"
	}
	return ""
}

// Ping asks the server for a sign of life.
func (d *DB) Ping(ctx context.Context) error {
	if err := d.pool.Ping(ctx); err != nil {
		return fmt.Errorf("ping database: %w", err)
	}
	return nil
}

// Close gives the connections back and waits for those in use.
func (d *DB) Close() {
	d.pool.Close()
	d.metrics.close()
}

// Do runs fn with single statements, each its own transaction, on any connection. The whole of fn must be idempotent: it is
// repeated after conflicts, lost connections and ambiguous results, at most Config.MaxAttempts times and with growing pauses, while
// ctx lasts. Conflicts befall reads, too: PostgreSQL ends one that might not fit the order of the writes around it.
// Use Tx for anything else. op names the operation (see the package).
func (d *DB) Do(ctx context.Context, op string, fn func(ctx context.Context, q Querier) error) (err error) {
	ctx, end := d.observe(ctx, op)
	defer func() { end(err) }()
	if err := faults.Before(ctx, d.faults, op); err != nil {
		return err
	}
	err = d.retry(ctx, op, d.cfg.MaxAttempts, func() error { return fn(ctx, d.pool) }, func(c Class) bool {
		return c == Retryable || c == Unavailable || c == Ambiguous
	})
	return faults.After(ctx, d.faults, op, err)
}

const (
	firstPause      = 2 * time.Millisecond
	longestPause    = 250 * time.Millisecond
	manyAttempts    = 10
	unavailableRuns = 4
)

// retry runs once until it succeeds, fails with a class that again refuses, or attempts or ctx are used up. A server that
// cannot be reached gets fewer attempts than conflicts do, since those pass while it may stay away.
func (d *DB) retry(ctx context.Context, op string, attempts int, once func() error, again func(Class) bool) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = firstPause, longestPause
	unreachable := 0
	for n := 1; ; n++ {
		err := once()
		if err == nil {
			return nil
		}
		class := Classify(err)
		if class == Unavailable {
			unreachable++
		}
		if !again(class) || n >= attempts || unreachable >= unavailableRuns || ctx.Err() != nil {
			return err
		}
		d.metrics.retried(op)
		if n == manyAttempts {
			d.log.WarnContext(ctx, "database operation keeps being repeated", "op", op, "attempts", n, "class", class.String())
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause.NextBackOff()):
		}
	}
}
