package allocbench

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	extensionv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/extension/v1"
	"github.com/switchboard-phone/switchboard/services/extension"
	"github.com/switchboard-phone/switchboard/services/extension/internal/api"
	"github.com/switchboard-phone/switchboard/services/extension/internal/book"
	"github.com/switchboard-phone/switchboard/services/extension/internal/names"
	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store/sqlstore"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/localetcd"
	"github.com/switchboard-phone/switchboard/services/platform/mtls"
	"github.com/switchboard-phone/switchboard/services/platform/server"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/issuertest"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/peertest"
)

// conns is how many connections the clients of a run share.
const conns = 8

// world is a database and an etcd, with all that is measured on them.
type world struct {
	testing.TB
	engine testkit.Engine
	url    string
	etcd   string
	issuer *issuertest.Issuer
	peers  *peertest.Peers
}

func newWorld(tb testing.TB, e testkit.Engine) *world {
	tb.Helper()
	// In memory, as the databases are: what etcd could do on a disk would only be less.
	etcd, err := localetcd.Start(tb.Context(), localetcd.Options{})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, etcd.Stop()) })
	return &world{
		TB: tb, engine: e, url: e.NewURL(tb, extension.Migrations), etcd: etcd.Endpoint, issuer: issuertest.New(tb), peers: peertest.New(tb),
	}
}

// config is the service as it would be deployed, logs written (to nowhere) included.
func (w *world) config() extension.Config {
	cfg := extension.DefaultConfig()
	cfg.Server.Addr, cfg.Server.OpsAddr, cfg.Server.DrainWait = "127.0.0.1:0", "127.0.0.1:0", 0
	cfg.Database.URL, cfg.TLS = w.url, w.peers.TLS("extension")
	cfg.Auth.Issuer, cfg.Auth.JWKSURL = w.issuer.URL, w.issuer.URL
	cfg.Etcd.Endpoints = []string{w.etcd}
	return cfg
}

func (w *world) logger() *slog.Logger {
	log, err := telemetry.NewLogger(io.Discard, telemetry.DefaultConfig())
	require.NoError(w, err)
	return log
}

// target is something to call.
type target struct {
	conns    []*grpc.ClientConn
	registry *prometheus.Registry
	stop     func()
}

func (t *target) client(n int) extensionv1.AllocationServiceClient {
	return extensionv1.NewAllocationServiceClient(t.conns[n%len(t.conns)])
}

// runner is a server.
type runner interface {
	Run(ctx context.Context) error
	Addr() string
}

// serve runs a server and connects to it as the license service does.
func (w *world) serve(s runner, registry *prometheus.Registry) *target {
	w.Helper()
	creds, err := mtls.Client(w.peers.TLS("license"), "extension", nil)
	require.NoError(w, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t := &target{registry: registry}
	for range conns {
		conn, err := grpc.NewClient(s.Addr(), grpc.WithTransportCredentials(creds))
		require.NoError(w, err)
		t.conns = append(t.conns, conn)
	}
	t.stop = func() {
		for _, c := range t.conns {
			require.NoError(w, c.Close())
		}
		cancel()
		require.NoError(w, <-done)
	}
	return t
}

// product runs the extension service itself.
func (w *world) product(change ...func(*extension.Config)) *target {
	w.Helper()
	cfg := w.config()
	for _, c := range change {
		c(&cfg)
	}
	registry := telemetry.NewRegistry("extension")
	s, err := extension.New(w.Context(), cfg, extension.Options{Logger: w.logger(), Registry: registry})
	require.NoError(w, err)
	return w.serve(s, registry)
}

// alternative runs the same RPC, behind the same interceptors and with a pool of the same size, over another strategy.
func (w *world) alternative(strategy func(db *crdb.DB) api.Allocator) *target {
	w.Helper()
	cfg := w.config()
	registry := telemetry.NewRegistry("extension")
	db, err := crdb.Open(w.Context(), cfg.Database, crdb.Options{Registerer: registry})
	require.NoError(w, err)
	verifier, err := authn.NewVerifier(cfg.Auth, clock.System)
	require.NoError(w, err)
	srv, err := server.New(cfg.Server, server.Deps{Name: "extension", TLS: cfg.TLS, Verifier: verifier, Logger: w.logger(), Registry: registry})
	require.NoError(w, err)
	srv.OnClose("database", func(context.Context) error { db.Close(); return nil })
	st := sqlstore.New(db)
	api.Register(srv, api.Deps{Allocator: strategy(db), Store: st, Book: book.New(st, nobody{}, number.Set{}, clock.System)})
	return w.serve(srv, registry)
}

// nobody is not told of anything.
type nobody struct{}

func (nobody) Freed(uuid.UUID, []store.Extension, time.Time) {}
func (nobody) Used(uuid.UUID, ...number.Number)              {}
func (nobody) RangeDeleted(uuid.UUID, uuid.UUID)             {}

// tenant is an account with a site and a range.
type tenant struct {
	account, site uuid.UUID
	rng           store.Range
}

// tenant makes an account with the range from..to.
func (w *world) tenant(db *crdb.DB, from, to string) tenant {
	w.Helper()
	t := tenant{account: uuid.New(), site: uuid.New()}
	t.rng = store.Range{
		ID: uuid.New(), Account: t.account, Site: t.site, CreateTime: time.Now(),
		Span: number.Span{From: number.MustParse(from), To: number.MustParse(to)},
	}
	require.NoError(w, sqlstore.New(db).CreateRange(w.Context(), t.rng, 10))
	return t
}

var errShort = errors.New("the answer has too few numbers")

// ask is a call for new phone users of a tenant.
func ask(t *target, to tenant, batch int) call {
	site := names.Site(to.account, to.site)
	return func(ctx context.Context, client int) error {
		req := &extensionv1.AllocateExtensionsRequest{Site: site, Allocations: make([]*extensionv1.Allocation, batch)}
		for i := range req.Allocations {
			req.Allocations[i] = &extensionv1.Allocation{Owner: names.PhoneUser(to.account, uuid.Must(uuid.NewV7()))}
		}
		res, err := t.client(client).AllocateExtensions(ctx, req)
		if err == nil && len(res.GetAllocations()) != batch {
			return errShort
		}
		return err
	}
}
