// Package extension is the extension service: it keeps which number inside an organisation belongs to whom, and gives numbers
// out. See README.md.
package extension

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/switchboard-phone/switchboard/services/directory"
	"github.com/switchboard-phone/switchboard/services/extension/internal/allocator"
	"github.com/switchboard-phone/switchboard/services/extension/internal/api"
	"github.com/switchboard-phone/switchboard/services/extension/internal/book"
	"github.com/switchboard-phone/switchboard/services/extension/internal/fill"
	"github.com/switchboard-phone/switchboard/services/extension/internal/lease"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store/sqlstore"
	"github.com/switchboard-phone/switchboard/services/extension/migrations"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/etcdx"
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
	// Logger gets all log lines.
	Logger *slog.Logger
	// Registry holds the metrics, which the ops port shows. Two services must not share one.
	Registry *prometheus.Registry
	// TracerProvider makes spans of calls and statements.
	TracerProvider trace.TracerProvider
	// Clock decides when quarantines end and accounts are idle.
	Clock clock.Clock
	// Faults is asked around every database operation: "extension.Allocate" (nearly every number is given out by it),
	// "extension.AllocateChecked", "extension.Swap", "extension.Release", "extension.Hold", "extension.Reclaim", …
	Faults faults.Injector
	// Listener and OpsListener are used instead of the configured addresses.
	Listener, OpsListener net.Listener
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Registry == nil {
		o.Registry = telemetry.NewRegistry("extension")
	}
	return o
}

// Service is the running service. Make one with New.
type Service struct{ srv *server.Server }

// New opens the database, checks its schema and builds everything; calls are answered once Run is called. etcd need not be up.
func New(ctx context.Context, cfg Config, opts Options) (*Service, error) {
	opts = opts.withDefaults()
	db, err := open(ctx, cfg, opts)
	if err != nil {
		return nil, fmt.Errorf("extension: %w", err)
	}
	srv, err := serverOf(cfg, opts)
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("extension: %w", err)
	}
	// Closed last; see build for the others.
	srv.OnClose("database", func(context.Context) error { db.Close(); return nil })
	if err := build(cfg, opts, db, srv); err != nil {
		return nil, errors.Join(fmt.Errorf("extension: %w", err), srv.Close())
	}
	return &Service{srv: srv}, nil
}

func open(ctx context.Context, cfg Config, opts Options) (*crdb.DB, error) {
	db, err := crdb.Open(ctx, cfg.Database, crdb.Options{
		Logger: opts.Logger, Registerer: opts.Registry, TracerProvider: opts.TracerProvider, Faults: opts.Faults,
	})
	if err != nil {
		return nil, err
	}
	if err := migrate.Check(ctx, db.Pool(), Migrations); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

func serverOf(cfg Config, opts Options) (*server.Server, error) {
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
		Name: "extension", TLS: cfg.TLS, Verifier: verifier, Directory: people, Logger: opts.Logger, Registry: opts.Registry,
		TracerProvider: opts.TracerProvider, Listener: opts.Listener, OpsListener: opts.OpsListener, DebugConfig: cfg,
	})
	if err != nil {
		return nil, errors.Join(err, hangUp())
	}
	srv.OnClose("directory", func(context.Context) error { return hangUp() })
	return srv, nil
}

// build puts the parts together and hands them to srv.
func build(cfg Config, opts Options, db *crdb.DB, srv *server.Server) error {
	reserved, err := cfg.reserved()
	if err != nil {
		return err
	}
	st := sqlstore.New(db)
	alloc := allocator.Deps{Store: st, Reserved: reserved, Clock: opts.Clock, Logger: opts.Logger, Registerer: opts.Registry}
	deps := api.Deps{Store: st}
	if cfg.Leasing.Enabled {
		leases, err := startLeasing(cfg, opts, srv)
		if err != nil {
			return err
		}
		alloc.Leases, deps.Leases = leases, leases
	}
	// Closers run in the reverse order: first the allocator, which still writes, then etcd's client, then the database.
	numbers := allocator.New(cfg.Allocator, alloc)
	srv.OnClose("allocator", numbers.Close)
	deps.Allocator, deps.Book = numbers, book.New(st, numbers, reserved, opts.Clock)
	watcher := fill.New(st, deps.Book, cfg.CountEvery, opts.Logger, opts.Registry)
	srv.Go("fill", func(ctx context.Context) error { watcher.Run(ctx); return nil })
	// etcd is no condition of readiness: without it, numbers come straight from the database.
	srv.AddCheck("database", db.Ping)
	schema, err := migrate.NewWatch(db, Migrations, opts.Registry)
	if err != nil {
		return err
	}
	srv.AddCheck("schema", schema.Ready)
	follow, err := sqlgauge.Register(db, opts.Registry, opts.Logger, gauges()...)
	if err != nil {
		return err
	}
	srv.Go("gauges", follow)
	api.Register(srv, deps)
	return nil
}

// startLeasing has a session in etcd kept while srv runs. The session ends after the last call, and its leases with it.
func startLeasing(cfg Config, opts Options, srv *server.Server) (*lease.Etcd, error) {
	client, err := etcdx.Open(cfg.Etcd)
	if err != nil {
		return nil, err
	}
	srv.OnClose("etcd client", func(context.Context) error { return client.Close() })
	keeper := etcdx.NewKeeper(client, etcdx.KeeperOptions{TTL: cfg.Etcd.SessionTTL, Log: opts.Logger})
	srv.Go("etcd session", keeper.Run)
	return lease.New(client, keeper, cfg.Leasing.holder(), opts.Clock), nil
}

// holder returns the name of this replica.
func (c LeasingConfig) holder() string {
	if c.Holder != "" {
		return c.Holder
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return host + "/" + uuid.NewString()[:8]
}

// Run serves until ctx ends, then drains: it lets calls under way end and gives its leases back. It returns nil after an
// orderly end.
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
