// Package numbering is the numbering service: it keeps calling packages with their seats, direct numbers, and the books of who
// holds which.
package numbering

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	numberingv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/numbering/v1"
	"github.com/switchboard-phone/switchboard/services/directory"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/api"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/keeper"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/store/sqlstore"
	"github.com/switchboard-phone/switchboard/services/numbering/migrations"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
	"github.com/switchboard-phone/switchboard/services/platform/migrate"
	"github.com/switchboard-phone/switchboard/services/platform/server"
	"github.com/switchboard-phone/switchboard/services/platform/sqlgauge"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

// Migrations is the schema of the service's database.
var Migrations fs.FS = migrations.FS

// Options are the parts that a process hands over. All may be left out.
type Options struct {
	// Logger gets all log lines. Default: slog.Default.
	Logger *slog.Logger
	// Registry holds the metrics, which the ops port shows. Default: one of its own.
	Registry *prometheus.Registry
	// TracerProvider makes spans of calls and statements. Default: none.
	TracerProvider trace.TracerProvider
	// Clock decides when quarantines are over. Default: clock.System.
	Clock clock.Clock
	// Faults is asked around every database operation ("numbering.Change", "numbering.CreatePackage", …). Default: none.
	Faults faults.Injector
	// Listener and OpsListener are used instead of the configured addresses.
	Listener, OpsListener net.Listener
}

// Service is the service on its way from New over Run to its end.
type Service struct{ srv *server.Server }

// New opens the database, checks its schema and builds everything; calls are answered once Run is called.
func New(ctx context.Context, cfg Config, opts Options) (*Service, error) {
	opts = opts.withDefaults()
	db, err := crdb.Open(ctx, cfg.Database, crdb.Options{
		Logger: opts.Logger, Registerer: opts.Registry, TracerProvider: opts.TracerProvider, Faults: opts.Faults,
	})
	if err != nil {
		return nil, fmt.Errorf("numbering: %w", err)
	}
	srv, err := build(ctx, cfg, opts, db)
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("numbering: %w", err)
	}
	return &Service{srv: srv}, nil
}

// build puts the parts together. On an error the caller closes db.
func build(ctx context.Context, cfg Config, opts Options, db *crdb.DB) (*server.Server, error) {
	if err := migrate.Check(ctx, db.Pool(), Migrations); err != nil {
		return nil, err
	}
	schema, err := migrate.NewWatch(db, Migrations, opts.Registry)
	if err != nil {
		return nil, err
	}
	verifier, err := authn.NewVerifier(cfg.Auth, opts.Clock)
	if err != nil {
		return nil, err
	}
	people, hangUp, err := directory.Dial(cfg.License, cfg.TLS, cfg.Auth, server.ClientOptions{
		Logger: opts.Logger, Registerer: opts.Registry, TracerProvider: opts.TracerProvider, Faults: opts.Faults,
	})
	if err != nil {
		return nil, err
	}
	srv, err := server.New(cfg.Server, server.Deps{
		Name: "numbering", TLS: cfg.TLS, Verifier: verifier, Directory: people, Logger: opts.Logger, Registry: opts.Registry,
		TracerProvider: opts.TracerProvider, Listener: opts.Listener, OpsListener: opts.OpsListener, DebugConfig: cfg,
	})
	if err != nil {
		return nil, errors.Join(err, hangUp())
	}
	srv.OnClose("directory", func(context.Context) error { return hangUp() })
	st := sqlstore.New(db)
	k := keeper.New(st, opts.Clock, opts.Logger.With("service", "numbering"), opts.Registry)
	srv.OnClose("database", func(context.Context) error { db.Close(); return nil })
	srv.OnClose("commands", k.Close) // ahead of the database: those that were begun are brought to their end
	srv.AddCheck("database", db.Ping)
	srv.AddCheck("schema", schema.Ready)
	follow, err := sqlgauge.Register(db, opts.Registry, opts.Logger, gauges()...)
	if err != nil {
		return nil, err
	}
	srv.Go("gauges", follow)
	if cfg.AuditInterval > 0 {
		srv.Go("audit", func(ctx context.Context) error { k.AuditLoop(ctx, cfg.AuditInterval); return nil })
	}
	numberingv1.RegisterPackageServiceServer(srv, api.NewPackageServer(st, opts.Clock))
	numberingv1.RegisterPhoneNumberServiceServer(srv, api.NewPhoneNumberServer(st, opts.Clock))
	numberingv1.RegisterAssignmentServiceServer(srv, api.NewAssignmentServer(k))
	return srv, nil
}

// Run serves until ctx ends, then drains: calls under way are answered first. It returns nil after an orderly end.
func (s *Service) Run(ctx context.Context) error { return s.srv.Run(ctx) }

// Close gives up a service that was never run.
func (s *Service) Close() error { return s.srv.Close() }

// Addr is where gRPC is served, host:port.
func (s *Service) Addr() string { return s.srv.Addr() }

// OpsAddr is where metrics and health are served over HTTP, host:port.
func (s *Service) OpsAddr() string { return s.srv.OpsAddr() }

// Migrate brings the database at url to the schema that this service needs. Several processes may do so at once.
func Migrate(ctx context.Context, url string, log *slog.Logger) error {
	return migrate.Up(ctx, url, Migrations, log)
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Registry == nil {
		o.Registry = telemetry.NewRegistry("numbering")
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	return o
}
