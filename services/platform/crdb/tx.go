package crdb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/cockroachdb/cockroach-go/v2/crdb"
	crdbpgx "github.com/cockroachdb/cockroach-go/v2/crdb/crdbpgxv5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/switchboard-phone/switchboard/services/platform/faults"
)

const (
	// savepointRetries is how often a CockroachDB transaction is restarted in place, which keeps its priority, before it
	// makes way for a moment and starts anew.
	savepointRetries = 10
	// readBackTimeout bounds the question whether a transaction was committed, which is also asked when the caller's own
	// deadline is over.
	readBackTimeout = 5 * time.Second
	// readBackRuns bounds how often TxReadBack runs a transaction.
	readBackRuns = 3
)

// Tx runs fn in one SERIALIZABLE transaction and commits it. After a conflict, or when the connection is lost before COMMIT,
// the whole is run again from its start, with growing random pauses, at most Config.MaxAttempts times and while ctx lasts.
// So fn must be repeatable: no effect outside tx, and variables that it fills are set anew at its start.
//
// An error of fn rolls back and is returned as it is. When it is not known whether the transaction was committed, the error
// is an *AmbiguousError, and nothing is repeated; see TxReadBack. op names the operation (see the package).
func (d *DB) Tx(ctx context.Context, op string, fn func(ctx context.Context, tx pgx.Tx) error) (err error) {
	ctx, end := d.observe(ctx, op)
	defer func() { end(err) }()
	if err := faults.Before(ctx, d.faults, op); err != nil {
		return err
	}
	err = d.retry(ctx, op, d.cfg.MaxAttempts, func() error { return d.runTx(ctx, op, fn) }, func(c Class) bool {
		return c == Retryable || c == Unavailable
	})
	var known *AmbiguousError
	if Classify(err) == Ambiguous && !errors.As(err, &known) {
		err = &AmbiguousError{Op: op, Err: err}
	}
	if IsAmbiguous(err) {
		d.log.WarnContext(ctx, "result of a commit is not known", "op", op, "error", err)
	}
	return faults.After(ctx, d.faults, op, err)
}

// runTx runs fn in one transaction of the engine at hand.
func (d *DB) runTx(ctx context.Context, op string, fn func(ctx context.Context, tx pgx.Tx) error) error {
	if d.engine != CockroachDB {
		// ExecuteTx ignores the error of COMMIT, which is where PostgreSQL reports that it did not.
		return d.runPostgres(ctx, op, fn)
	}
	runs := 0
	return crdbpgx.ExecuteTx(crdb.WithMaxRetries(ctx, savepointRetries), d.pool, pgx.TxOptions{IsoLevel: pgx.Serializable},
		func(tx pgx.Tx) error {
			if runs++; runs > 1 {
				d.metrics.retried(op)
			}
			return beforeCommit(ctx, tx, fn(ctx, tx))
		})
}

// beforeCommit keeps a transaction that has failed already, without fn saying so, from COMMIT, after which one could not tell.
func beforeCommit(ctx context.Context, tx pgx.Tx, err error) error {
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case tx.Conn().IsClosed():
		return pgconn.ErrConnClosed
	}
	return nil
}

func (d *DB) runPostgres(ctx context.Context, op string, fn func(ctx context.Context, tx pgx.Tx) error) error {
	tx, err := d.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.Serializable})
	if err != nil {
		return fmt.Errorf("%s: begin: %w", op, err)
	}
	// After a commit this does nothing. A ctx of its own, so that the connection stays usable when the caller's is over.
	defer func() {
		rollbackCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readBackTimeout)
		defer cancel()
		_ = tx.Rollback(rollbackCtx)
	}()
	if err := beforeCommit(ctx, tx, fn(ctx, tx)); err != nil {
		return err
	}
	err = tx.Commit(ctx)
	switch {
	case err == nil:
		return nil
	case definiteAtCommit(err):
		return fmt.Errorf("%s: commit: %w", op, err)
	}
	return &AmbiguousError{Op: op, Err: err}
}

// TxReadBack is Tx for transactions that write a key of their own, such as a request id with a unique constraint. When the
// result is ambiguous it asks committed, which looks for that key in a fresh transaction: true means that fn took effect and
// the answer is nil, false runs fn again. It also asks when a repeated run fails, be it because the key exists meanwhile: a COMMIT
// that was thought lost may still arrive, and then its own effects are what the repeated run met.
//
// fn may leave results in variables only if committed fills the same ones. When committed fails too, the *AmbiguousError is
// returned.
func (d *DB) TxReadBack(ctx context.Context, op string, fn func(ctx context.Context, tx pgx.Tx) error,
	committed func(ctx context.Context, q Querier) (bool, error),
) error {
	var lost error
	for n := 1; ; n++ {
		err := d.Tx(ctx, op, fn)
		again := IsAmbiguous(err)
		if err == nil || !again && lost == nil {
			return err
		}
		if again {
			lost = err
		}
		done, askErr := d.readBack(ctx, op, committed)
		switch {
		case askErr != nil:
			return errors.Join(lost, askErr)
		case done:
			return nil
		case !again:
			return err
		case n >= readBackRuns || ctx.Err() != nil:
			return lost
		}
	}
}

// insertRuns bounds how often TxInsert runs.
const insertRuns = 4

// TxInsert is TxReadBack for transactions that look for rows under unique keys and add them where they are missing. Where another
// transaction adds one meanwhile, fn runs again: then it sees that row, and refuses with its own reason. What is returned after
// some such runs is the error of the database.
func (d *DB) TxInsert(ctx context.Context, op string, fn func(ctx context.Context, tx pgx.Tx) error,
	committed func(ctx context.Context, q Querier) (bool, error),
) (err error) {
	for range insertRuns {
		err = d.TxReadBack(ctx, op, fn, committed)
		if Classify(err) != UniqueViolation {
			break
		}
	}
	return err
}

func (d *DB) readBack(ctx context.Context, op string, committed func(ctx context.Context, q Querier) (bool, error)) (done bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readBackTimeout)
	defer cancel()
	// Answers get lost when a server ends, and then it is away for a moment. That is waited for: without an answer, what was committed
	// would have nobody who knows of it.
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = firstPause, longestPause
	return backoff.Retry(ctx, func() (done bool, err error) {
		err = d.Do(ctx, op+".ReadBack", func(ctx context.Context, q Querier) error {
			done, err = committed(ctx, q)
			return err
		})
		if err != nil && Classify(err) != Unavailable {
			err = backoff.Permanent(err)
		}
		return done, err
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(0))
}
