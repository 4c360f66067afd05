// Package notification is the notification service: it takes messages for people, makes mails of them, sends them until the
// mail server has taken them or refused them for good, and shows what became of each.
package notification

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	notificationv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/notification/v1"
	"github.com/switchboard-phone/switchboard/services/directory"
	"github.com/switchboard-phone/switchboard/services/notification/internal/api"
	"github.com/switchboard-phone/switchboard/services/notification/internal/render"
	"github.com/switchboard-phone/switchboard/services/notification/internal/sender"
	"github.com/switchboard-phone/switchboard/services/notification/internal/smtp"
	"github.com/switchboard-phone/switchboard/services/notification/internal/store/sqlstore"
	"github.com/switchboard-phone/switchboard/services/notification/migrations"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
	"github.com/switchboard-phone/switchboard/services/platform/migrate"
	"github.com/switchboard-phone/switchboard/services/platform/server"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

// Migrations is the schema of the service's database.
var Migrations fs.FS = migrations.FS

// Options are the parts that a process hands over. All may be left out.
type Options struct {
	// Logger gets all log lines.
	Logger *slog.Logger
	// Registry holds the metrics, which the ops port shows.
	Registry *prometheus.Registry
	// TracerProvider makes spans of calls and statements.
	TracerProvider trace.TracerProvider
	// Clock decides whether tokens have expired. Queue and retries follow the database's clock.
	Clock clock.Clock
	// Faults is asked around every database operation ("notification.Enqueue", "notification.Claim", "notification.Record",
	// "notification.Release", …) and around every delivery ("notification.Deliver").
	Faults faults.Injector
	// Listener and OpsListener are used instead of the configured addresses.
	Listener, OpsListener net.Listener
}

// Service is the running service. Make one with New.
type Service struct{ srv *server.Server }

// New opens the database, checks its schema and builds everything; mails are sent and calls answered once Run is called.
func New(ctx context.Context, cfg Config, opts Options) (*Service, error) {
	if opts.Registry == nil {
		opts.Registry = telemetry.NewRegistry("notification")
	}
	db, err := open(ctx, cfg, opts)
	if err != nil {
		return nil, err
	}
	s, err := build(cfg, opts, db)
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("notification: %w", err)
	}
	return s, nil
}

func open(ctx context.Context, cfg Config, opts Options) (*crdb.DB, error) {
	db, err := crdb.Open(ctx, cfg.Database, crdb.Options{
		Logger: opts.Logger, Registerer: opts.Registry, TracerProvider: opts.TracerProvider, Faults: opts.Faults,
	})
	if err != nil {
		return nil, fmt.Errorf("notification: %w", err)
	}
	if err := migrate.Check(ctx, db.Pool(), Migrations); err != nil {
		db.Close()
		return nil, fmt.Errorf("notification: %w", err)
	}
	return db, nil
}

// build puts the parts together. On an error the caller closes db.
func build(cfg Config, opts Options, db *crdb.DB) (*Service, error) {
	renderer, err := render.New()
	if err != nil {
		return nil, err
	}
	client, err := smtp.NewClient(cfg.SMTP)
	if err != nil {
		return nil, err
	}
	store := sqlstore.New(db)
	send, err := sender.New(store, client, cfg.Sender, sender.Options{
		Logger: opts.Logger, Registerer: opts.Registry, Name: processName(), Faults: opts.Faults, TracerProvider: opts.TracerProvider,
	})
	if err != nil {
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
		Name: "notification", TLS: cfg.TLS, Verifier: verifier, Directory: people, Logger: opts.Logger, Registry: opts.Registry,
		TracerProvider: opts.TracerProvider, Listener: opts.Listener, OpsListener: opts.OpsListener, DebugConfig: cfg,
	})
	if err != nil {
		return nil, errors.Join(err, hangUp())
	}
	srv.OnClose("directory", func(context.Context) error { return hangUp() })
	srv.OnClose("database", func(context.Context) error { db.Close(); return nil })
	// The mail server is no condition of readiness: messages are taken and kept while it is away.
	srv.AddCheck("database", db.Ping)
	srv.AddCheck("schema", schema.Ready)
	srv.Go("sender", send.Run)
	notificationv1.RegisterNotificationServiceServer(srv, api.New(store, renderer, send.Wake))
	return &Service{srv: srv}, nil
}

// Run serves and sends until ctx ends, then drains: it lets calls and deliveries under way end, and writes down what became of
// them. It returns nil after an orderly end.
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

// processName tells this process from others in the notes of delivery attempts.
func processName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d", host, os.Getpid())
}
