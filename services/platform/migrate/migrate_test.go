package migrate_test

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/migrate"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

func files(contents ...string) fstest.MapFS {
	out := fstest.MapFS{}
	for i, c := range contents {
		out["0000"+string(rune('1'+i))+"_step.sql"] = &fstest.MapFile{Data: []byte(c)}
	}
	return out
}

const (
	first = `-- +goose Up
CREATE TABLE IF NOT EXISTS things (account_id UUID NOT NULL, id UUID NOT NULL, name TEXT NOT NULL, PRIMARY KEY (account_id, id));
CREATE INDEX IF NOT EXISTS things_by_name ON things (account_id, name);
CREATE UNIQUE INDEX IF NOT EXISTS things_once ON things (account_id, name, id);
`
	second = `-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE things ADD COLUMN IF NOT EXISTS note TEXT NOT NULL DEFAULT '';
CREATE INDEX IF NOT EXISTS things_by_note ON things (account_id, note);
`
	broken = `-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS halfway (id INT8 PRIMARY KEY);
CREATE TABLE nonsense (id NO_SUCH_TYPE PRIMARY KEY);
`
	mended = `-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS halfway (id INT8 PRIMARY KEY);
CREATE TABLE IF NOT EXISTS sense (id INT8 PRIMARY KEY);
`
)

func TestUpBringsSchemaAndCheckAgrees(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		url := e.NewURL(t, nil)
		db := e.Open(t, url)
		fsys := files(first, second)

		require.ErrorIs(t, migrate.Check(t.Context(), db.Pool(), fsys), migrate.ErrSchemaOlder, "an empty database")
		require.NoError(t, migrate.Up(t.Context(), url, files(first), nil))
		require.NoError(t, migrate.Check(t.Context(), db.Pool(), files(first)))
		require.ErrorIs(t, migrate.Check(t.Context(), db.Pool(), fsys), migrate.ErrSchemaOlder, "one step behind")
		require.NoError(t, migrate.Up(t.Context(), url, fsys, nil))
		require.NoError(t, migrate.Up(t.Context(), url, fsys, nil), "nothing left to do")
		require.NoError(t, migrate.Check(t.Context(), db.Pool(), fsys))
		require.ErrorIs(t, migrate.Check(t.Context(), db.Pool(), files(first)), migrate.ErrSchemaNewer, "one step ahead")

		_, err := db.Pool().Exec(t.Context(), "INSERT INTO things (account_id, id, name, note) VALUES (gen_random_uuid(), gen_random_uuid(), 'a', 'b')")
		require.NoError(t, err)
	})
}

// TestPlansDoNotDependOnAccounts looks for what planners know of accounts, once there is much to know.
func TestPlansDoNotDependOnAccounts(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		db := e.New(t, files(first))
		exec := func(sql string) {
			_, err := db.Pool().Exec(t.Context(), sql)
			require.NoError(t, err)
		}
		ask := func(sql string) (answer string) {
			require.NoError(t, db.Pool().QueryRow(t.Context(), sql).Scan(&answer))
			return answer
		}
		exec(`INSERT INTO things (account_id, id, name) SELECT md5((n % 10)::TEXT)::UUID, gen_random_uuid(), 'a' FROM generate_series(1, 1000) AS g (n)`)
		if e.Kind() == crdb.PostgreSQL {
			exec("ANALYZE things")
			require.Equal(t, "id,name", ask("SELECT string_agg(attname, ',' ORDER BY attname) FROM pg_stats WHERE tablename = 'things'"))
			require.Equal(t, "force_generic_plan", ask("SHOW plan_cache_mode"))
			return
		}
		exec("CREATE STATISTICS s FROM things")
		if strings.HasPrefix(db.Version(), "v20.1.") {
			require.Equal(t, "0", ask("SELECT count(histogram_id)::TEXT FROM [SHOW STATISTICS FOR TABLE things]"), "histograms are left out for all")
			return
		}
		require.Equal(t, "off", ask("SHOW optimizer_use_histograms"))
	})
}

func TestManyMigratorsAtOnce(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		url := e.NewURL(t, nil)
		fsys := files(first, second)
		const migrators = 4
		errs := make([]error, migrators)
		var wg sync.WaitGroup
		for i := range migrators {
			wg.Go(func() { errs[i] = migrate.Up(t.Context(), url, fsys, nil) })
		}
		wg.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
		db := e.Open(t, url)
		require.NoError(t, migrate.Check(t.Context(), db.Pool(), fsys))
		var rows int
		require.NoError(t, db.Do(t.Context(), "test.Count", func(ctx context.Context, q crdb.Querier) error {
			return q.QueryRow(ctx, "SELECT count(*) FROM schema_versions WHERE version > 0").Scan(&rows)
		}))
		require.Equal(t, 2, rows, "every migration ran once")
	})
}

func TestBrokenMigrationCanBeMended(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		url := e.NewURL(t, nil)
		db := e.Open(t, url)
		require.Error(t, migrate.Up(t.Context(), url, files(first, broken), nil))
		require.NoError(t, migrate.Check(t.Context(), db.Pool(), files(first)), "the step before stays, the broken one does not count")

		require.NoError(t, migrate.Up(t.Context(), url, files(first, mended), nil))
		for _, table := range []string{"halfway", "sense"} {
			var n int
			require.NoError(t, db.Pool().QueryRow(t.Context(), "SELECT count(*) FROM "+pgx.Identifier{table}.Sanitize()).Scan(&n))
		}
	})
}

func TestCheckRefusesFilesWithoutNumber(t *testing.T) {
	t.Parallel()
	e := testkit.Engines(t)[0]
	fsys := fstest.MapFS{"first.sql": &fstest.MapFile{Data: []byte(first)}}
	require.ErrorContains(t, migrate.Check(t.Context(), e.New(t, nil).Pool(), fsys), "first.sql")
}
