package migrate_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/platform/migrate"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

const (
	expands = `-- +goose NO TRANSACTION
-- switchboard:compatible-from 1
-- +goose Up
ALTER TABLE things ADD COLUMN IF NOT EXISTS note TEXT;
`
	contracts = `-- +goose NO TRANSACTION
-- switchboard:compatible-from 2
-- +goose Up
ALTER TABLE things ALTER COLUMN name DROP NOT NULL;
`
)

func TestOlderProgramRunsOnANewerSchemaThatSaysSo(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		url := e.NewURL(t, nil)
		db := e.Open(t, url)
		one, two, three := files(first), files(first, expands), files(first, expands, contracts)
		require.NoError(t, migrate.Up(t.Context(), url, two, nil))
		require.NoError(t, migrate.Check(t.Context(), db.Pool(), one), "the new column is nothing to the old program")
		require.NoError(t, migrate.Check(t.Context(), db.Pool(), two))

		require.NoError(t, migrate.Up(t.Context(), url, three, nil))
		require.ErrorIs(t, migrate.Check(t.Context(), db.Pool(), one), migrate.ErrSchemaNewer, "what it needs is gone")
		require.NoError(t, migrate.Check(t.Context(), db.Pool(), two), "it does without already")
		require.NoError(t, migrate.Check(t.Context(), db.Pool(), three))

		require.NoError(t, migrate.Up(t.Context(), url, two, nil), "the older program's job leaves the newer schema alone")
		require.NoError(t, migrate.Check(t.Context(), db.Pool(), three))
	})
}

func TestDatabaseOfAnEarlierReleaseIsTakenOver(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		url := e.NewURL(t, nil)
		db := e.Open(t, url)
		for _, stmt := range []string{
			"CREATE TABLE schema_versions (version INT8 PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL DEFAULT now())",
			"INSERT INTO schema_versions (version) VALUES (0), (1)",
			"CREATE TABLE things (account_id UUID NOT NULL, id UUID NOT NULL, name TEXT NOT NULL, PRIMARY KEY (account_id, id))",
		} {
			_, err := db.Pool().Exec(t.Context(), stmt)
			require.NoError(t, err)
		}
		require.NoError(t, migrate.Check(t.Context(), db.Pool(), files(first)), "nothing has changed for it")
		require.ErrorIs(t, migrate.Check(t.Context(), db.Pool(), fstest.MapFS{}), migrate.ErrSchemaNewer)
		require.NoError(t, migrate.Up(t.Context(), url, files(first, expands), nil))
		require.NoError(t, migrate.Check(t.Context(), db.Pool(), files(first)))
		require.ErrorIs(t, migrate.Check(t.Context(), db.Pool(), fstest.MapFS{}), migrate.ErrSchemaNewer,
			"of the migrations before nobody knows whether they suit older programs")
	})
}

func TestMarkMustNameAnEarlierMigration(t *testing.T) {
	t.Parallel()
	db := testkit.Engines(t)[0].New(t, nil)
	for _, value := range []string{"2", "-1", "x", ""} {
		fsys := files("-- switchboard:compatible-from " + value + "\n" + first)
		require.ErrorContains(t, migrate.Check(t.Context(), db.Pool(), fsys), "00001_step.sql", value)
	}
}

// TestEveryMigrationSaysWhomItSuits holds the services to it: without the line, a replica of the version before that restarts between
// the migration and the rollout would stay down until the rollout reaches it.
func TestEveryMigrationSaysWhomItSuits(t *testing.T) {
	t.Parallel()
	all, err := filepath.Glob("../../*/migrations/*.sql")
	require.NoError(t, err)
	require.NotEmpty(t, all)
	// The first release came with these; nothing older can meet them.
	firstRelease := map[string]string{
		"extension": "00001_extensions.sql", "license": "00005_imports.sql", "notification": "00001_messages.sql", "numbering": "00001_books.sql",
	}
	for _, path := range all {
		service := filepath.Base(filepath.Dir(filepath.Dir(path)))
		if filepath.Base(path) <= firstRelease[service] {
			continue
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Contains(t, string(text), "\n-- switchboard:compatible-from ", "%s: see package migrate", strings.TrimPrefix(path, "../../"))
	}
}

func TestReadinessAndMetricOfTheSchema(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		url := e.NewURL(t, files(first))
		reg := prometheus.NewRegistry()
		watch, err := migrate.NewWatch(e.Open(t, url), files(first), reg)
		require.NoError(t, err)
		require.NoError(t, watch.Ready(t.Context()))
		expect := func(known, applied string) {
			require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP switchboard_schema_version Newest migration by where: known to this program, applied to the database (as of the last readiness check).
# TYPE switchboard_schema_version gauge
switchboard_schema_version{where="applied"} `+applied+`
switchboard_schema_version{where="known"} `+known+`
`)))
		}
		expect("1", "1")
		require.NoError(t, migrate.Up(t.Context(), url, files(first, expands), nil))
		require.NoError(t, watch.Ready(t.Context()))
		expect("1", "2")
		require.NoError(t, migrate.Up(t.Context(), url, files(first, expands, contracts), nil))
		require.ErrorIs(t, watch.Ready(t.Context()), migrate.ErrSchemaNewer)
		expect("1", "3")
	})
}
