// Package license is the composition root of the license service: who has a phone licence, in which state, and what happened to
// it. The service owns accounts, sites, the directory, licence seats, phone users, templates and the account log, and is the
// only one that orchestrates the others.
package license

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"

	extensionv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/extension/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	notificationv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/notification/v1"
	numberingv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/numbering/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/api"
	"github.com/switchboard-phone/switchboard/services/license/internal/doctor"
	"github.com/switchboard-phone/switchboard/services/license/internal/importing"
	"github.com/switchboard-phone/switchboard/services/license/internal/leaks"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
	"github.com/switchboard-phone/switchboard/services/license/internal/remote"
	"github.com/switchboard-phone/switchboard/services/license/internal/store/shared"
	"github.com/switchboard-phone/switchboard/services/license/internal/store/sqlstore"
	"github.com/switchboard-phone/switchboard/services/license/internal/token"
	"github.com/switchboard-phone/switchboard/services/license/migrations"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
	"github.com/switchboard-phone/switchboard/services/platform/migrate"
	"github.com/switchboard-phone/switchboard/services/platform/server"
	"github.com/switchboard-phone/switchboard/services/platform/sqlgauge"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

// Options are the parts that a composition root may hand over. All may be left out.
type Options struct {
	// Logger gets everything that is logged. Default: slog.Default.
	Logger *slog.Logger
	// Registry holds the metrics. Default: one of its own.
	Registry *prometheus.Registry
	// TracerProvider makes spans. Default: none.
	TracerProvider trace.TracerProvider
	// Clock says what time it is for licences, trash and mails. Default: the system's.
	Clock clock.Clock
	// Faults is asked around every database operation and every call to another service. Default: none.
	Faults faults.Injector
	// Listener and OpsListener are used instead of the addresses in Config.
	Listener, OpsListener net.Listener
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Registry == nil {
		o.Registry = telemetry.NewRegistry("license")
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	return o
}

// Service is a license service that is ready to run.
type Service struct{ srv *server.Server }

// New opens the database, which must have the schema of this version (see Migrate), and builds the service.
func New(ctx context.Context, cfg Config, opts Options) (_ *Service, err error) {
	opts = opts.withDefaults()
	db, err := crdb.Open(ctx, cfg.Database, crdb.Options{
		Logger: opts.Logger, Registerer: opts.Registry, TracerProvider: opts.TracerProvider, Faults: opts.Faults,
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			db.Close()
		}
	}()
	if err := migrate.Check(ctx, db.Pool(), migrations.FS); err != nil {
		return nil, err
	}
	schema, err := migrate.NewWatch(db, migrations.FS, opts.Registry)
	if err != nil {
		return nil, err
	}
	verifier, err := authn.NewVerifier(cfg.Auth, opts.Clock)
	if err != nil {
		return nil, err
	}
	tokens, err := token.NewSigner(cfg.LinkTokens)
	if err != nil {
		return nil, err
	}
	others, err := dialAll(cfg, opts)
	if err != nil {
		return nil, err
	}
	st := sqlstore.New(db)
	srv, err := server.New(cfg.Server, server.Deps{
		Name: "license", TLS: cfg.TLS, Verifier: verifier, Directory: authn.Remember(api.NewRoles(st), cfg.Auth.RoleTTL, opts.Clock), Logger: opts.Logger, Registry: opts.Registry, TracerProvider: opts.TracerProvider,
		Listener: opts.Listener, OpsListener: opts.OpsListener, DebugConfig: cfg, AccountCheckedByHandler: api.AccountCheckedByHandler,
	})
	if err != nil {
		return nil, err
	}
	srv.OnClose("database", func(context.Context) error { db.Close(); return nil })
	srv.AddCheck("database", db.Ping)
	srv.AddCheck("schema", schema.Ready)
	follow, err := sqlgauge.Register(db, opts.Registry, opts.Logger, gauges()...)
	if err != nil {
		return nil, err
	}
	srv.Go("gauges", follow)
	for _, conn := range others.conns {
		srv.OnClose("client", func(context.Context) error { return conn.Close() })
	}
	register(srv, cfg, opts, st, tokens, others)
	return &Service{srv: srv}, nil
}

// clients are the other services.
type clients struct {
	conns         []*grpc.ClientConn
	extensions    *remote.Extensions
	ranges        extensionv1.ExtensionRangeServiceClient
	owners        extensionv1.ReconciliationServiceClient
	numbering     *remote.Numbering
	notifications *remote.Notifications
	catalogue     *remote.Catalogue
	books         *remote.Books
}

func dialAll(cfg Config, opts Options) (*clients, error) {
	c := &clients{}
	dial := func(name string, to server.ClientConfig) (*grpc.ClientConn, error) {
		// Everything that is called is idempotent: by owner, by message id, or because it only reads.
		conn, err := server.Dial(to, server.ClientOptions{
			Idempotent: []string{
				"/switchboard.extension.v1.AllocationService/", "/switchboard.extension.v1.ExtensionRangeService/ListExtensionRanges",
				"/switchboard.extension.v1.ExtensionService/CheckExtensions",
				"/switchboard.extension.v1.ReconciliationService/ListExtensionOwners",
				"/switchboard.extension.v1.ReconciliationService/ReportMissingOwners",
				"/switchboard.extension.v1.ReconciliationService/FinishReconciliation",
				"/switchboard.numbering.v1.AssignmentService/", "/switchboard.numbering.v1.PackageService/ListPackages",
				"/switchboard.notification.v1.NotificationService/EnqueueMessages",
				"/switchboard.notification.v1.NotificationService/BatchGetTold",
			},
			Service: name, TLS: cfg.TLS, Logger: opts.Logger,
			Registerer: opts.Registry, TracerProvider: opts.TracerProvider, Faults: opts.Faults,
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		c.conns = append(c.conns, conn)
		return conn, nil
	}
	extension, err := dial("extension", cfg.Extension)
	if err != nil {
		return nil, err
	}
	numbering, err := dial("numbering", cfg.Numbering)
	if err != nil {
		return nil, err
	}
	notification, err := dial("notification", cfg.Notification)
	if err != nil {
		return nil, err
	}
	c.extensions = &remote.Extensions{Client: extensionv1.NewAllocationServiceClient(extension)}
	c.ranges = extensionv1.NewExtensionRangeServiceClient(extension)
	c.owners = extensionv1.NewReconciliationServiceClient(extension)
	c.numbering = &remote.Numbering{
		Assignments: numberingv1.NewAssignmentServiceClient(numbering), Packages: numberingv1.NewPackageServiceClient(numbering),
	}
	c.catalogue = &remote.Catalogue{
		PackageClient: c.numbering.Packages, Ranges: c.ranges, Extensions: extensionv1.NewExtensionServiceClient(extension),
	}
	c.books = &remote.Books{
		Extensions: c.extensions.Client, Assignments: c.numbering.Assignments, Notifications: notificationv1.NewNotificationServiceClient(notification),
	}
	c.notifications = &remote.Notifications{Client: notificationv1.NewNotificationServiceClient(notification)}
	return c, nil
}

// register puts the parts together: what is called from outside, and what runs by itself.
func register(srv *server.Server, cfg Config, opts Options, st *sqlstore.Store, tokens *token.Signer, others *clients) {
	lookups := shared.New(st, cfg.Provisioning.DriveTimeout)
	srv.OnClose("lookups", lookups.Close)
	relay := provisioning.NewRelay(cfg.Provisioning, st, others.notifications, opts.Logger, opts.TracerProvider)
	engine := provisioning.New(cfg.Provisioning, provisioning.Deps{
		Store: lookups, Extensions: others.extensions, Numbering: others.numbering, Books: others.books, Relay: relay, Tokens: tokens, Clock: opts.Clock,
		Logger: opts.Logger, Registerer: opts.Registry,
	})
	srv.OnClose("engine", engine.Close)
	importer := importing.New(cfg.Import, importing.Deps{
		Store: st, Engine: engine, Extensions: others.extensions, Numbering: others.numbering, Catalogue: others.catalogue,
		Logger: opts.Logger, Registerer: opts.Registry,
	})
	background := func(name string, run func(context.Context)) {
		srv.Go(name, func(ctx context.Context) error { run(ctx); return nil })
	}
	background("outbox", relay.Run)
	background("reconciler", engine.RunReconciler)
	background("purge", engine.RunPurge)
	background("imports", importer.Run)
	finder := leaks.New(cfg.Leaks, st, others.owners, opts.Clock, opts.Logger, opts.Registry)
	background("leaks", finder.Run)

	reader := api.NewPhoneUserReader(st, others.numbering)
	licensev1.RegisterAccountServiceServer(srv, api.NewAccountServer(st, opts.Clock))
	licensev1.RegisterSiteServiceServer(srv, api.NewSiteServer(st, others.ranges, opts.Clock))
	licensev1.RegisterDirectoryServiceServer(srv, api.NewDirectoryServer(st, engine, opts.Clock, api.NewRoles(st)))
	licensev1.RegisterTemplateServiceServer(srv, api.NewTemplateServer(st, opts.Clock))
	licensev1.RegisterAccountLogServiceServer(srv, api.NewAccountLogServer(st))
	licensev1.RegisterImportServiceServer(srv, api.NewImportServer(st, importer))
	licensev1.RegisterPhoneRecordServiceServer(srv, api.NewPhoneRecordServer(st, opts.Clock))
	licensev1.RegisterPhoneUserServiceServer(srv, api.NewPhoneUserServer(lookups, engine, reader, cfg.Provisioning.MaxBatch))
	licensev1.RegisterReconciliationServiceServer(srv, api.NewReconciliationServer(finder))
	licensev1.RegisterDoctorServiceServer(srv, api.NewDoctorServer(st, doctor.New(st, others.books, engine, others.extensions, others.numbering)))
	licensev1.RegisterPhoneUserSetupServiceServer(srv, api.NewSetupServer(engine))
}

// Run serves until ctx ends, then drains.
func (s *Service) Run(ctx context.Context) error { return s.srv.Run(ctx) }

// Addr is where gRPC is served.
func (s *Service) Addr() string { return s.srv.Addr() }

// OpsAddr is where metrics and health are served.
func (s *Service) OpsAddr() string { return s.srv.OpsAddr() }

// Migrate brings the database to the schema of this version.
func Migrate(ctx context.Context, databaseURL string, log *slog.Logger) error {
	return migrate.Up(ctx, databaseURL, migrations.FS, log)
}
