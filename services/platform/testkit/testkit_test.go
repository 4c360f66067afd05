package testkit_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/migrate"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

var migrations = fstest.MapFS{"00001_things.sql": &fstest.MapFile{Data: []byte("-- +goose Up\nCREATE TABLE IF NOT EXISTS things (id INT8 PRIMARY KEY);\n")}}

func TestDatabasesAreMigratedAndApart(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		insert := func(db *crdb.DB) error {
			_, err := db.Pool().Exec(t.Context(), "INSERT INTO things VALUES (1)")
			return err
		}
		for range 3 {
			db := e.New(t, migrations)
			require.NoError(t, migrate.Check(t.Context(), db.Pool(), migrations))
			require.NoError(t, insert(db), "nobody else's row is there")
		}
		url := e.NewURL(t, migrations)
		a, b := e.Open(t, url), e.Open(t, url)
		require.NoError(t, insert(a))
		require.Equal(t, crdb.UniqueViolation, crdb.Classify(insert(b)), "two pools on one database")
		require.Equal(t, crdb.SchemaUnknown, crdb.Classify(insert(e.New(t, nil))), "without migrations it is empty")
	})
}

func TestOptionsReachThePool(t *testing.T) {
	t.Parallel()
	e := testkit.Engines(t)[0]
	db := e.New(t, nil, func(c *crdb.Config, _ *crdb.Options) { c.MaxConns = 3 })
	require.Equal(t, int32(3), db.Pool().Config().MaxConns)
}

// double is a testing.TB whose failure can be seen.
type double struct {
	testing.TB
	failed bool
}

func (d *double) Helper()               {}
func (d *double) Fatalf(string, ...any) { d.failed = true; panic(d) }
func (d *double) Fatal(...any)          { d.failed = true; panic(d) }

func fails(f func(tb testing.TB)) (failed bool) {
	d := &double{}
	defer func() {
		if p := recover(); p != nil && p != any(d) {
			panic(p)
		}
		failed = d.failed
	}()
	f(d)
	return d.failed
}

func TestEventually(t *testing.T) {
	t.Parallel()
	n := 0
	testkit.Eventually(t, time.Minute, func() error {
		if n++; n < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	require.Equal(t, 3, n)
	require.True(t, fails(func(tb testing.TB) {
		tb.Helper()
		testkit.Eventually(tb, time.Millisecond, func() error { return context.Canceled })
	}))
}

func TestMissingEngineFailsLoudly(t *testing.T) {
	t.Setenv("SWITCHBOARD_TEST_ENGINES", "oracle")
	require.True(t, fails(func(tb testing.TB) {
		tb.Helper()
		testkit.Engines(tb)
	}))
}
