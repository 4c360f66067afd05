package config_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/platform/config"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

type appSettings struct {
	Database  database         `koanf:"database"`
	Telemetry telemetry.Config `koanf:"telemetry"`
}

// TestCommands is not parallel: the commands set the process's default logger.
func TestCommands(t *testing.T) {
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	served, migrated, broken := 0, "", errors.New("broken")
	app := config.App[appSettings]{
		Name: "things", Short: "Things.", Defaults: appSettings{Telemetry: telemetry.DefaultConfig(), Database: database{URL: "postgresql://jo:hunter2@db"}},
		Telemetry: func(c appSettings) telemetry.Config { return c.Telemetry },
		Serve: func(ctx context.Context, c appSettings, rt config.Runtime) error {
			served = int(c.Database.MaxConns)
			rt.Logger.InfoContext(ctx, "hello")
			_, err := rt.Registry.Gather()
			return errors.Join(err, broken)
		},
		Migrate: func(_ context.Context, c appSettings, _ *slog.Logger) error { migrated = c.Database.URL; return nil },
	}
	run := func(args ...string) (string, string, error) {
		var out, logs bytes.Buffer
		cmd := config.Command(app, &out, &logs)
		cmd.SetArgs(args)
		err := cmd.ExecuteContext(t.Context())
		return out.String(), logs.String(), err
	}
	_, logs, err := run("serve", "--set", "database.max_conns=7")
	require.ErrorIs(t, err, broken)
	require.Equal(t, 7, served)
	require.Contains(t, logs, `"msg":"hello"`)
	_, _, err = run("migrate")
	require.NoError(t, err)
	require.Equal(t, "postgresql://jo:hunter2@db", migrated)
	out, _, err := run("config")
	require.NoError(t, err)
	require.Contains(t, out, `"log_level": "info"`)
	require.NotContains(t, out, "hunter2")
	out, _, err = run("version")
	require.NoError(t, err)
	require.Contains(t, out, "things ")
	for _, args := range [][]string{{"serve", "--set", "nothing=1"}, {"serve", "--set", "telemetry.log_level=loud"}, {"serve", "x"}, {"dance"}, {"migrate", "--config", "/nowhere"}} {
		_, _, err = run(args...)
		require.Error(t, err, args)
	}
	app.Migrate = nil
	_, _, err = run("migrate")
	require.ErrorIs(t, err, config.ErrNoMigrations)
}
