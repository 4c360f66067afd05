package crdb_test

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestOpenKnowsEngine(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		db := e.New(t, nil)
		require.Equal(t, e.Kind(), db.Engine())
		require.Equal(t, e.Instance().Version, db.Version())
		require.Regexp(t, `^v?\d+\.\d+`, db.Version())
		require.NoError(t, db.Ping(t.Context()))
		var level string
		require.NoError(t, db.Pool().QueryRow(t.Context(), "SHOW transaction_isolation").Scan(&level))
		require.Equal(t, "serializable", level, "single statements too")
	})
}

func TestOpenGivesUpOnUnreachableDatabase(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	_, err = crdb.Open(t.Context(), crdb.Config{
		URL: "postgresql://jo:hunter2@" + l.Addr().String() + "/x?sslmode=disable", StartTimeout: 200 * time.Millisecond,
	}, crdb.Options{})
	require.Error(t, err)
	require.Equal(t, crdb.Unavailable, crdb.Classify(err), "it says why, not just that time is up: %v", err)
	require.NotContains(t, err.Error(), "hunter2")
}

func TestOpenDoesNotWaitForMissingDatabase(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		// CockroachDB 20.1 lets in on a database that does not exist, and fails at the first name.
		if e.Kind() == crdb.CockroachDB {
			return
		}
		start := time.Now()
		_, err := crdb.Open(t.Context(), crdb.Config{URL: e.Instance().URL("nowhere")}, crdb.Options{})
		require.Equal(t, crdb.SchemaUnknown, crdb.Classify(err), "%v", err)
		require.Less(t, time.Since(start), crdb.DefaultConfig().StartTimeout)
	})
}

func TestConfigURLComesFromFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "url")
	require.NoError(t, os.WriteFile(file, []byte("postgresql://from-file/db\n"), 0o600))
	got, err := crdb.Config{URL: "postgresql://from-config/db", URLFile: file}.ResolveURL()
	require.NoError(t, err)
	require.Equal(t, "postgresql://from-file/db", got)
	_, err = crdb.Config{}.ResolveURL()
	require.Error(t, err)
	_, err = crdb.Config{URLFile: file + "-missing"}.ResolveURL()
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestRedactHidesPasswords(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"postgresql://jo:hunter2@db:26257/x?sslmode=verify-full": "postgresql://jo:xxxxx@db:26257/x?sslmode=verify-full",
		"postgresql://jo@db/x?password=hunter2":                  "postgresql://jo@db/x?password=xxxxx",
		"postgresql://jo@db/x":                                   "postgresql://jo@db/x",
		"host=db password=hunter2":                               "(database URL)",
		"postgresql://jo:hun%zzter2@db/x":                        "(database URL)",
	} {
		require.Equal(t, want, crdb.Redact(in))
	}
	_, err := crdb.Open(t.Context(), crdb.Config{URL: "postgresql://jo:hunter2@db:port/x"}, crdb.Options{})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hunter2")
}

func TestClassifyRealErrors(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		db := e.New(t, schema, func(c *crdb.Config, _ *crdb.Options) { c.StatementTimeout = 300 * time.Millisecond })
		exec := func(sql string) error {
			return db.Do(t.Context(), "test.Exec", func(ctx context.Context, q crdb.Querier) error {
				_, err := q.Exec(ctx, sql)
				return err
			})
		}
		require.NoError(t, exec("INSERT INTO parents VALUES (1, 1)"))
		require.Equal(t, crdb.UniqueViolation, crdb.Classify(exec("INSERT INTO parents VALUES (2, 1)")))
		require.Equal(t, crdb.ForeignKey, crdb.Classify(exec("INSERT INTO children VALUES (1, 7)")))
		require.Equal(t, crdb.Check, crdb.Classify(exec("INSERT INTO parents VALUES (3, -1)")))
		require.Equal(t, crdb.Check, crdb.Classify(exec("INSERT INTO parents VALUES (3, NULL)")))
		require.Equal(t, crdb.SchemaUnknown, crdb.Classify(exec("INSERT INTO nowhere VALUES (1)")))
		require.Equal(t, crdb.SchemaUnknown, crdb.Classify(exec("UPDATE parents SET absent = 1")))
		require.Equal(t, crdb.Timeout, crdb.Classify(exec("SELECT pg_sleep(30)")), "the server ends statements that run for too long")
		require.Equal(t, crdb.Unknown, crdb.Classify(exec("SELEKT 1")))
		require.Equal(t, crdb.Unknown, crdb.Classify(nil))

		require.Equal(t, crdb.NotFound, crdb.Classify(db.Do(t.Context(), "test.None", func(ctx context.Context, q crdb.Querier) error {
			var n int
			return q.QueryRow(ctx, "SELECT n FROM parents WHERE id = 99").Scan(&n)
		})))

		for _, c := range []struct {
			sql, primary string
			name         func(error) (string, bool)
		}{
			{"INSERT INTO parents VALUES (2, 1)", "parents_by_n", crdb.UniqueConstraint},
			{"INSERT INTO children VALUES (1, 7)", "child_has_parent", crdb.ForeignKeyConstraint},
		} {
			name, ok := c.name(exec(c.sql))
			require.True(t, ok)
			require.Equal(t, c.primary, name)
		}
		_, ok := crdb.UniqueConstraint(exec("INSERT INTO children VALUES (1, 7)"))
		require.False(t, ok)
	})
}

func TestClassifyContexts(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		db := e.New(t, nil)
		sleep := func(ctx context.Context) error {
			return db.Do(ctx, "test.Sleep", func(ctx context.Context, q crdb.Querier) error {
				_, err := q.Exec(ctx, "SELECT pg_sleep(30)")
				return err
			})
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		require.Equal(t, crdb.Timeout, crdb.Classify(sleep(ctx)))
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		require.Equal(t, crdb.Canceled, crdb.Classify(sleep(ctx)))
	})
}

func TestMetricsAndSpansCarryTheOperation(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		reg, spans := prometheus.NewRegistry(), tracetest.NewInMemoryExporter()
		db := e.New(t, schema, func(_ *crdb.Config, o *crdb.Options) {
			o.Registerer = reg
			o.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
		})
		require.NoError(t, db.Tx(t.Context(), "test.Good", func(context.Context, pgx.Tx) error { return nil }))
		require.Error(t, db.Tx(t.Context(), "test.Bad", func(context.Context, pgx.Tx) error { return io.ErrUnexpectedEOF }))
		text := expose(t, reg)
		require.Contains(t, text, `switchboard_db_seconds_count{op="test.Good",outcome="ok"} 1`)
		require.Contains(t, text, `switchboard_db_seconds_count{op="test.Bad",outcome="unavailable"} 1`)
		require.Contains(t, text, `switchboard_db_retries_total{op="test.Bad"}`)
		require.Contains(t, text, `state="max"} 10`)
		var names []string
		for _, s := range spans.GetSpans() {
			names = append(names, s.Name)
		}
		require.Subset(t, names, []string{"test.Good", "test.Bad"})

		again := e.Open(t, e.NewURL(t, nil), func(_ *crdb.Config, o *crdb.Options) { o.Registerer = reg })
		require.NoError(t, again.Do(t.Context(), "test.Again", func(context.Context, crdb.Querier) error { return nil }))
		require.Contains(t, expose(t, reg), `op="test.Again"`, "databases of one process share their histograms")
		again.Close()
		require.Equal(t, crdb.Unavailable, crdb.Classify(again.Ping(t.Context())), "a closed pool")
		db.Close()
		require.NotContains(t, expose(t, reg), "switchboard_db_pool", "a closed pool is not told of any more")
	})
}

// expose renders a registry in the text format.
func expose(t *testing.T, reg *prometheus.Registry) string {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	var b strings.Builder
	for _, f := range families {
		_, err := expfmt.MetricFamilyToText(&b, f)
		require.NoError(t, err)
	}
	return b.String()
}
