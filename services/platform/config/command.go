package config

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/trace"

	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

// App describes a service binary with the settings T.
type App[T any] struct {
	// Name of the service, as in its binary.
	Name string
	// Short says in one line what the service does.
	Short string
	// Defaults are the settings when nothing is configured.
	Defaults T
	// Telemetry finds the telemetry settings in T.
	Telemetry func(T) telemetry.Config
	// Serve runs the service until ctx ends and has drained when it returns.
	Serve func(ctx context.Context, cfg T, rt Runtime) error
	// Migrate brings the service's database up to date; nil when it has none.
	Migrate func(ctx context.Context, cfg T, log *slog.Logger) error
}

// Runtime is what a process has one of.
type Runtime struct {
	Logger         *slog.Logger
	Registry       *prometheus.Registry
	TracerProvider trace.TracerProvider
}

// Main runs the command line of the process, ends its context on SIGINT and SIGTERM, and returns the exit code. A second signal
// ends the process at once.
func Main[T any](app App[T]) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	cmd := Command(app, os.Stdout, os.Stderr)
	if err := cmd.ExecuteContext(ctx); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, app.Name+":", err)
		return 1
	}
	return 0
}

// Command returns the command line: serve | migrate | config | version, each with --config and --set. Logs go to logs.
func Command[T any](app App[T], out, logs io.Writer) *cobra.Command {
	var src Sources
	root := &cobra.Command{Use: app.Name, Short: app.Short, SilenceUsage: true, SilenceErrors: true}
	root.SetOut(out)
	root.SetErr(logs)
	root.PersistentFlags().StringVar(&src.File, "config", "", "YAML file with settings")
	root.PersistentFlags().StringArrayVar(&src.Set, "set", nil, "one setting, key=value; wins over file and environment")
	root.AddCommand(
		&cobra.Command{Use: "serve", Short: "Run the service until SIGTERM", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			return app.serve(cmd.Context(), src, logs)
		}},
		&cobra.Command{Use: "migrate", Short: "Bring the database to the schema of this version", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			return app.migrate(cmd.Context(), src, logs)
		}},
		&cobra.Command{Use: "config", Short: "Print the settings in force, without secrets", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
			cfg, err := Load(app.Defaults, src)
			if err != nil {
				return err
			}
			enc := json.NewEncoder(out)
			enc.SetIndent("", "  ")
			return enc.Encode(Redacted(cfg))
		}},
		&cobra.Command{Use: "version", Short: "Print the version", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(out, app.Name, telemetry.Build())
			return err
		}},
	)
	return root
}

// gcPercent is GOGC where the environment does not say another. A service keeps 5 to 10 MB and every call leaves about 10 KB behind, so
// with Go's default of 100 a busy one would collect its garbage 40 to 60 times a second, for a fifth of its processor time; so it
// takes 30 MB more when busy and none when idle. GOMEMLIMIT has it collect more often where memory is short.
const gcPercent = 300

// TuneGC has a process collect its garbage as the services do.
func TuneGC() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

func (app App[T]) serve(ctx context.Context, src Sources, logs io.Writer) (err error) {
	TuneGC()
	cfg, log, err := app.load(src, logs)
	if err != nil {
		return err
	}
	tp, flush, err := telemetry.NewTracerProvider(ctx, app.Telemetry(cfg), app.Name)
	if err != nil {
		return err
	}
	defer func() {
		flushCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		// Traces are worth a log line, not a failure.
		if flushErr := flush(flushCtx); flushErr != nil {
			log.WarnContext(ctx, "traces could not be sent", "error", flushErr)
		}
	}()
	return app.Serve(ctx, cfg, Runtime{Logger: log, Registry: telemetry.NewRegistry(app.Name), TracerProvider: tp})
}

func (app App[T]) migrate(ctx context.Context, src Sources, logs io.Writer) error {
	if app.Migrate == nil {
		return ErrNoMigrations
	}
	cfg, log, err := app.load(src, logs)
	if err != nil {
		return err
	}
	return app.Migrate(ctx, cfg, log)
}

func (app App[T]) load(src Sources, logs io.Writer) (T, *slog.Logger, error) {
	cfg, err := Load(app.Defaults, src)
	if err != nil {
		return cfg, nil, err
	}
	if app.Telemetry == nil || app.Serve == nil {
		return cfg, nil, errors.New("the application lacks its parts")
	}
	log, err := telemetry.NewLogger(logs, app.Telemetry(cfg))
	if err != nil {
		return cfg, nil, err
	}
	slog.SetDefault(log)
	return cfg, log, nil
}
