package localdb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/localdb"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

// childEnv makes this binary start a database and wait to be killed.
const childEnv = "LOCALDB_TEST_CHILD"

func TestMain(m *testing.M) {
	if engine := os.Getenv(childEnv); engine != "" {
		inst, err := localdb.Start(context.Background(), localdb.Options{Engine: crdb.Engine(engine), SkipDownload: true})
		if err != nil {
			_, _ = fmt.Fprintln(os.Stderr, "error:", err)
			os.Exit(1)
		}
		_, _ = fmt.Fprintln(os.Stdout, inst.URL("postgres"))
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	os.Exit(testkit.Main(m))
}

func start(t *testing.T, opts localdb.Options) *localdb.Instance {
	t.Helper()
	opts.SkipDownload = true
	inst, err := localdb.Start(t.Context(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { _ = inst.Stop() })
	return inst
}

func exec1(t *testing.T, url, sql string) error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	_, err = conn.Exec(t.Context(), sql)
	return err
}

// reach says whether anybody answers at url.
func reach(t *testing.T, url string) error {
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		return err
	}
	return conn.Close(t.Context())
}

func TestDatabasesAndUsers(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		inst := start(t, localdb.Options{Engine: e.Kind()})
		require.Equal(t, e.Kind(), inst.Engine)
		require.NotEmpty(t, inst.Version)
		require.Empty(t, inst.DataDir)
		var urls []string
		for _, name := range []string{"license", "extension"} {
			url, err := inst.CreateDatabase(t.Context(), name, name)
			require.NoError(t, err)
			again, err := inst.CreateDatabase(t.Context(), name, name)
			require.NoError(t, err, "it is there already")
			require.Equal(t, url, again)
			require.Contains(t, url, name+"@127.0.0.1:")
			require.NoError(t, exec1(t, url, "CREATE TABLE things (id INT8 PRIMARY KEY)"))
			urls = append(urls, url)
		}
		foreign := strings.Replace(urls[0], "/license?", "/extension?", 1)
		require.Error(t, exec1(t, foreign, "INSERT INTO things VALUES (1)"), "a user has no rights elsewhere")
		require.Error(t, exec1(t, urls[0], "CREATE DATABASE another"))
		for _, bad := range []string{"", "Upper", "a-b", "a;DROP DATABASE license", strings.Repeat("x", 64)} {
			_, err := inst.CreateDatabase(t.Context(), bad, "license")
			require.Error(t, err, bad)
			_, err = inst.CreateDatabase(t.Context(), "license", bad)
			require.Error(t, err, bad)
		}
		require.NoError(t, inst.DropDatabase(t.Context(), "license"))
		require.NoError(t, inst.DropDatabase(t.Context(), "license"), "it is gone already")

		byURL := start(t, localdb.Options{URL: urls[1]})
		require.Equal(t, e.Kind(), byURL.Engine)
		require.NoError(t, byURL.Stop())
		require.NoError(t, reach(t, urls[1]), "a server that was given is left alone")

		require.NoError(t, inst.Stop())
		require.NoError(t, inst.Stop())
		require.Error(t, reach(t, urls[1]))
	})
}

// TestNeighboursMakeTheSameUser lets many ask at once for databases of a user who does not exist yet.
func TestNeighboursMakeTheSameUser(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		for round := range 5 {
			var all errgroup.Group
			for i := range 12 {
				all.Go(func() error {
					// Every other one also wants the same database.
					_, err := e.Instance().CreateDatabase(t.Context(), fmt.Sprintf("crowd_%d_%d", round, i/2), fmt.Sprintf("crowd_%d", round))
					return err
				})
			}
			require.NoError(t, all.Wait())
		}
	})
}

func TestGivenServerGetsDatabases(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		inst := start(t, localdb.Options{URL: e.Instance().URL("postgres")})
		url, err := inst.CreateDatabase(t.Context(), "given_license", "license")
		require.NoError(t, err)
		defer func() { _ = inst.DropDatabase(context.Background(), "given_license") }()
		require.NoError(t, exec1(t, url, "CREATE TABLE things (id INT8 PRIMARY KEY)"))
		require.NotContains(t, url, "license@", "with the user of the given URL")
	})
}

func TestDataStaysFromRunToRun(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		dir := filepath.Join(t.TempDir(), "data")
		var logs bytes.Buffer
		opts := localdb.Options{Engine: e.Kind(), DataDir: dir, Log: slog.New(slog.NewTextHandler(&logs, nil))}
		inst := start(t, opts)
		t.Cleanup(func() { _ = os.RemoveAll(inst.DataDir) }) // it may lie elsewhere, see below
		url, err := inst.CreateDatabase(t.Context(), "license", "license")
		require.NoError(t, err)
		require.NoError(t, exec1(t, url, "CREATE TABLE things (id INT8 PRIMARY KEY)"))
		require.NoError(t, exec1(t, url, "INSERT INTO things VALUES (7)"))
		require.NoError(t, inst.Stop())
		require.DirExists(t, inst.DataDir)

		other := crdb.PostgreSQL
		if e.Kind() == crdb.PostgreSQL {
			other = crdb.CockroachDB
		}
		_, err = localdb.Start(t.Context(), localdb.Options{Engine: other, DataDir: dir, SkipDownload: true})
		require.ErrorContains(t, err, string(e.Kind()), "the folder stays with its engine")

		opts.Engine = ""
		again := start(t, opts)
		require.Equal(t, e.Kind(), again.Engine)
		require.Equal(t, inst.DataDir, again.DataDir)
		url, err = again.CreateDatabase(t.Context(), "license", "license")
		require.NoError(t, err)
		require.Error(t, exec1(t, url, "INSERT INTO things VALUES (7)"), "the row is there")
		require.NoError(t, again.Stop())
	})
}

// As root, PostgreSQL runs as somebody else, who cannot enter folders that are root's alone.
func TestDataFolderOfRootAlone(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root has this problem")
	}
	locked := filepath.Join(t.TempDir(), "locked")
	require.NoError(t, os.Mkdir(locked, 0o700))
	var logs bytes.Buffer
	inst := start(t, localdb.Options{Engine: crdb.PostgreSQL, DataDir: filepath.Join(locked, "data"), Log: slog.New(slog.NewTextHandler(&logs, nil))})
	t.Cleanup(func() { _ = os.RemoveAll(inst.DataDir) })
	require.NotContains(t, inst.DataDir, locked)
	require.Contains(t, logs.String(), inst.DataDir, "it says where the data went")
	require.Contains(t, logs.String(), "cannot enter")
	_, err := inst.CreateDatabase(t.Context(), "license", "license")
	require.NoError(t, err)
	require.NoError(t, inst.Stop())
}

func TestServersDieWithTheirParent(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childEnv+"="+string(e.Kind()))
		stdin, err := child.StdinPipe()
		require.NoError(t, err)
		defer func() { _ = stdin.Close() }()
		stdout, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		buf := make([]byte, 1<<10)
		n, err := stdout.Read(buf)
		require.NoError(t, err)
		url := strings.TrimSpace(string(buf[:n]))
		require.NoError(t, reach(t, url), url)
		require.NoError(t, child.Process.Kill())
		_ = child.Wait()
		testkit.Eventually(t, 20*time.Second, func() error {
			if reach(t, url) == nil {
				return errors.New("the server is still there")
			}
			return nil
		})
	})
}

func TestStartSaysWhatIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("COCKROACH_BINARY", "")
	_, err := localdb.Start(t.Context(), localdb.Options{Engine: crdb.CockroachDB, SkipDownload: true})
	require.ErrorIs(t, err, localdb.ErrNoEngine)
	require.ErrorContains(t, err, "install")
	t.Setenv("COCKROACH_BINARY", "/nowhere/cockroach")
	_, err = localdb.Start(t.Context(), localdb.Options{Engine: crdb.CockroachDB, SkipDownload: true})
	require.ErrorContains(t, err, "/nowhere/cockroach")
}

func TestStartTellsWhatABrokenServerSaid(t *testing.T) {
	script := filepath.Join(t.TempDir(), "cockroach")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\necho no memory left >&2\nexit 1\n"), 0o755))
	t.Setenv("COCKROACH_BINARY", script)
	_, err := localdb.Start(t.Context(), localdb.Options{Engine: crdb.CockroachDB, SkipDownload: true})
	require.ErrorContains(t, err, "no memory left")
	require.NotErrorIs(t, err, localdb.ErrNoEngine)
}

func TestStartRefusesBadURL(t *testing.T) {
	t.Parallel()
	_, err := localdb.Start(t.Context(), localdb.Options{URL: "host=db password=hunter2"})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hunter2")
}
