package crdb_test

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

var schema = fstest.MapFS{"00001_schema.sql": &fstest.MapFile{Data: []byte(`-- +goose Up
CREATE TABLE IF NOT EXISTS counters (id INT8 PRIMARY KEY, n INT8 NOT NULL, on_call BOOL NOT NULL DEFAULT true);
CREATE TABLE IF NOT EXISTS parents (id INT8 PRIMARY KEY, n INT8 NOT NULL, CONSTRAINT n_positive CHECK (n > 0));
CREATE UNIQUE INDEX IF NOT EXISTS parents_by_n ON parents (n);
CREATE TABLE IF NOT EXISTS children (id INT8 PRIMARY KEY, parent INT8 NOT NULL CONSTRAINT child_has_parent REFERENCES parents (id));
CREATE TABLE IF NOT EXISTS requests (id UUID CONSTRAINT requests_pk PRIMARY KEY);
`)}}

func insertCounter(t *testing.T, db *crdb.DB, ids ...int) {
	t.Helper()
	for _, id := range ids {
		_, err := db.Pool().Exec(t.Context(), "INSERT INTO counters (id, n) VALUES ($1, 0)", id)
		require.NoError(t, err)
	}
}

// Two people on call; each may leave when the other stays. Both look, then both leave: serializable transactions let one do so.
func TestTxNeverLetsWriteSkewPass(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		db := e.New(t, schema)
		const rounds = 40
		for round := range rounds {
			a, b := 2*round, 2*round+1
			insertCounter(t, db, a, b)
			var looked, ran sync.WaitGroup
			looked.Add(2)
			left := make([]bool, 2)
			for i, me := range []int{a, b} {
				ran.Go(func() { left[i] = leave(t, db, me, a, b, &looked) })
			}
			ran.Wait()
			var onCall int
			require.NoError(t, db.Pool().QueryRow(t.Context(), "SELECT count(*) FROM counters WHERE id IN ($1, $2) AND on_call", a, b).Scan(&onCall))
			require.Equal(t, 1, onCall, "round %d: exactly one may leave", round)
			require.NotEqual(t, left[0], left[1], "round %d: exactly one was told that it left", round)
		}
	})
}

// leave says whether me left. The first attempts of both meet once they have looked.
func leave(t *testing.T, db *crdb.DB, me, a, b int, looked *sync.WaitGroup) (left bool) {
	attempt := 0
	err := db.Tx(t.Context(), "test.Leave", func(ctx context.Context, tx pgx.Tx) error {
		left = false
		attempt++
		var n int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM counters WHERE id IN ($1, $2) AND on_call", a, b).Scan(&n); err != nil {
			return err
		}
		if attempt == 1 {
			looked.Done()
			looked.Wait()
		}
		if n < 2 {
			return nil
		}
		left = true
		_, err := tx.Exec(ctx, "UPDATE counters SET on_call = false WHERE id = $1", me)
		return err
	})
	if err != nil {
		t.Errorf("leave: %v", err)
	}
	return left
}

func TestTxConcurrentIncrementsAllCount(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		db := e.New(t, schema)
		insertCounter(t, db, 1)
		const callers = 50
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				err := db.Tx(t.Context(), "test.Increment", func(ctx context.Context, tx pgx.Tx) error {
					var n int
					if err := tx.QueryRow(ctx, "SELECT n FROM counters WHERE id = 1").Scan(&n); err != nil {
						return err
					}
					_, err := tx.Exec(ctx, "UPDATE counters SET n = $1 WHERE id = 1", n+1)
					return err
				})
				if err != nil {
					t.Errorf("increment: %v", err)
				}
			})
		}
		wg.Wait()
		var n int
		require.NoError(t, db.Pool().QueryRow(t.Context(), "SELECT n FROM counters WHERE id = 1").Scan(&n))
		require.Equal(t, callers, n)
	})
}

func TestTxRollsBackAndReturnsErrorOfFn(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		db := e.New(t, schema)
		mine := errors.New("mine")
		runs := 0
		err := db.Tx(t.Context(), "test.Fail", func(ctx context.Context, tx pgx.Tx) error {
			runs++
			if _, err := tx.Exec(ctx, "INSERT INTO counters (id, n) VALUES (1, 0)"); err != nil {
				return err
			}
			return mine
		})
		require.Equal(t, mine, err)
		require.Equal(t, 1, runs)
		require.Zero(t, rows(t, db, "counters"))
		require.Panics(t, func() {
			_ = db.Tx(t.Context(), "test.Panic", func(ctx context.Context, tx pgx.Tx) error {
				_, _ = tx.Exec(ctx, "INSERT INTO counters (id, n) VALUES (1, 0)")
				panic("oh")
			})
		})
		require.Zero(t, rows(t, db, "counters"))
		require.Zero(t, db.Pool().Stat().AcquiredConns(), "no connection is lost")
	})
}

// commitText is what the driver sends to commit.
func commitText(e testkit.Engine) string {
	if e.Kind() == crdb.CockroachDB {
		return "release savepoint"
	}
	return "commit"
}

func rows(t *testing.T, db *crdb.DB, table string) (n int) {
	t.Helper()
	require.NoError(t, db.Pool().QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
	return n
}

func TestConnectionCutAtCommitIsAmbiguous(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		for _, arrived := range []bool{true, false} {
			url := e.NewURL(t, schema)
			p, through := newProxy(t, url)
			db, direct := e.Open(t, through), e.Open(t, url)
			runs := 0
			p.cutAt(commitText(e), arrived)
			err := db.Tx(t.Context(), "test.Write", func(ctx context.Context, tx pgx.Tx) error {
				runs++
				_, err := tx.Exec(ctx, "INSERT INTO requests VALUES ($1)", uuid.New())
				return err
			})
			require.Equal(t, 1, p.count(), "the proxy has cut")
			var amb *crdb.AmbiguousError
			require.ErrorAs(t, err, &amb)
			require.True(t, crdb.IsAmbiguous(err))
			require.Equal(t, "test.Write", amb.Op)
			require.Equal(t, 1, runs, "it is not repeated blindly")
			want := 0
			if arrived {
				want = 1
			}
			require.Equal(t, want, rows(t, direct, "requests"))
		}
	})
}

func TestTxReadBackResolvesBothWays(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		for name, c := range map[string]struct {
			arrived bool
			runs    int
		}{"commit arrived": {true, 1}, "commit was lost": {false, 2}} {
			p, through := newProxy(t, e.NewURL(t, schema))
			db, id, runs := e.Open(t, through), uuid.New(), 0
			p.cutAt(commitText(e), c.arrived)
			err := db.TxReadBack(t.Context(), "test.Write", insertRequest(id, &runs), requestThere(id))
			require.NoError(t, err, name)
			require.Equal(t, 1, p.count(), name)
			require.Equal(t, c.runs, runs, name)
			require.Equal(t, 1, rows(t, db, "requests"), name)
		}
	})
}

// A COMMIT that was thought lost arrives after the first look: the repeated run meets its effects, and asks again.
func TestTxReadBackOfLateCommit(t *testing.T) {
	t.Parallel()
	refused := errors.New("no seat is left")
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		for name, write := range map[string]func(id uuid.UUID, runs *int) func(context.Context, pgx.Tx) error{
			"key exists": insertRequest,
			"refusal by a rule": func(id uuid.UUID, runs *int) func(context.Context, pgx.Tx) error {
				return func(ctx context.Context, tx pgx.Tx) error {
					var n int
					if err := tx.QueryRow(ctx, "SELECT count(*) FROM requests").Scan(&n); err != nil {
						return err
					}
					if n > 0 {
						*runs++
						return refused
					}
					return insertRequest(id, runs)(ctx, tx)
				}
			},
		} {
			p, through := newProxy(t, e.NewURL(t, schema))
			db, id, runs, asked := e.Open(t, through), uuid.New(), 0, 0
			p.cutAt(commitText(e), true)
			err := db.TxReadBack(t.Context(), "test.Write", write(id, &runs), func(ctx context.Context, q crdb.Querier) (bool, error) {
				if asked++; asked == 1 {
					return false, nil
				}
				return requestThere(id)(ctx, q)
			})
			require.NoError(t, err, name)
			require.Equal(t, 2, runs, name)
			require.Equal(t, 2, asked, name)
			require.Equal(t, 1, rows(t, db, "requests"), name)
		}
	})
}

func TestTxReadBackReturnsAmbiguousErrorWhenItCannotAsk(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		p, through := newProxy(t, e.NewURL(t, schema))
		db, runs := e.Open(t, through), 0
		p.cutAt(commitText(e), true)
		broken := errors.New("broken")
		err := db.TxReadBack(t.Context(), "test.Write", insertRequest(uuid.New(), &runs), func(context.Context, crdb.Querier) (bool, error) {
			return false, broken
		})
		require.True(t, crdb.IsAmbiguous(err))
		require.ErrorIs(t, err, broken)
		require.Equal(t, 1, runs)
	})
}

// The server that took the answer with it is away for a moment: the question waits for it.
func TestTxReadBackWaitsForTheServer(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		p, through := newProxy(t, e.NewURL(t, schema))
		db, id, runs, asked := e.Open(t, through), uuid.New(), 0, 0
		p.cutAt(commitText(e), true)
		err := db.TxReadBack(t.Context(), "test.Write", insertRequest(id, &runs), func(ctx context.Context, q crdb.Querier) (bool, error) {
			if asked++; asked <= 10 { // more than an operation is repeated for
				return false, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
			}
			return requestThere(id)(ctx, q)
		})
		require.NoError(t, err)
		require.Equal(t, 1, runs)
		require.Equal(t, 11, asked)
		require.Equal(t, 1, rows(t, db, "requests"))
	})
}

func insertRequest(id uuid.UUID, runs *int) func(context.Context, pgx.Tx) error {
	return func(ctx context.Context, tx pgx.Tx) error {
		*runs++
		_, err := tx.Exec(ctx, "INSERT INTO requests VALUES ($1)", id)
		return err
	}
}

func requestThere(id uuid.UUID) func(context.Context, crdb.Querier) (bool, error) {
	return func(ctx context.Context, q crdb.Querier) (there bool, err error) {
		err = q.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM requests WHERE id = $1)", id).Scan(&there)
		return there, err
	}
}

func TestConnectionLostBeforeCommitIsRepeated(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		p, through := newProxy(t, e.NewURL(t, schema))
		db, runs := e.Open(t, through), 0
		p.cutAt("insert into requests", true)
		require.NoError(t, db.Tx(t.Context(), "test.Write", insertRequest(uuid.New(), &runs)))
		require.Equal(t, 1, p.count())
		require.Equal(t, 2, runs)
		require.Equal(t, 1, rows(t, db, "requests"))

		p.cutAt("as counted", true)
		var n int
		require.NoError(t, db.Do(t.Context(), "test.Count", func(ctx context.Context, q crdb.Querier) error {
			return q.QueryRow(ctx, "SELECT count(*) AS counted FROM requests").Scan(&n)
		}))
		require.Equal(t, 2, p.count())
		require.Equal(t, 1, n)
	})
}

func TestFaultsAroundWork(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		script, injected := &faults.Script{}, errors.New("injected")
		db := e.New(t, schema, func(_ *crdb.Config, o *crdb.Options) { o.Faults = script })
		runs := 0
		script.FailBefore("test.Write", 1, injected)
		script.FailAfter("test.Write", 1, injected)
		script.FailAfter("test.Write", 3, &crdb.AmbiguousError{Op: "test.Write", Err: injected})

		require.ErrorIs(t, db.Tx(t.Context(), "test.Write", insertRequest(uuid.New(), &runs)), injected)
		require.Zero(t, runs, "a fault before takes the place of the work")

		require.ErrorIs(t, db.Tx(t.Context(), "test.Write", insertRequest(uuid.New(), &runs)), injected)
		require.Equal(t, 1, rows(t, db, "requests"), "a fault after leaves the work done")
		require.NoError(t, db.Tx(t.Context(), "test.Write", insertRequest(uuid.New(), &runs)))
		require.Equal(t, 2, rows(t, db, "requests"))

		id := uuid.New()
		require.NoError(t, db.TxReadBack(t.Context(), "test.Write", insertRequest(id, &runs), requestThere(id)))
		require.Equal(t, 3, rows(t, db, "requests"))
		require.Equal(t, []string{"test.Write", "test.Write", "test.Write", "test.Write", "test.Write.ReadBack"}, script.Trace())
	})
}

func TestTxEndsWithItsContext(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		db := e.New(t, schema)
		ctx, cancel := context.WithCancel(t.Context())
		err := db.Tx(ctx, "test.Cancelled", func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO counters (id, n) VALUES (1, 0)")
			cancel()
			return err
		})
		require.ErrorIs(t, err, context.Canceled)
		require.False(t, crdb.IsAmbiguous(err), "COMMIT was never sent")
		require.Zero(t, rows(t, db, "counters"))
	})
}
