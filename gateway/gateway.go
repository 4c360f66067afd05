// Package gateway answers JSON over HTTP by calling the four services over gRPC, and serves the OpenAPI document and the
// pages that people open in a browser. It owns no data and decides nothing: a caller's token travels on to the services,
// which say who may do what.
package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/switchboard-phone/switchboard/gateway/internal/guard"
	"github.com/switchboard-phone/switchboard/gateway/internal/transcode"
	"github.com/switchboard-phone/switchboard/gateway/internal/web"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/mtls"
	"github.com/switchboard-phone/switchboard/services/platform/server"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

// Options are the parts that a composition root hands over. All may be left out.
type Options struct {
	// Logger gets one line per request. Default: slog.Default.
	Logger *slog.Logger
	// Registry holds the metrics, which the ops port shows. Default: one of its own.
	Registry *prometheus.Registry
	// TracerProvider makes spans of requests. Default: none.
	TracerProvider trace.TracerProvider
	// Listener and OpsListener are used instead of the addresses.
	Listener, OpsListener net.Listener
	// Pages are the files served beside the API: `index.html` as /, others under their own path.
	// Default: those that PortalConfig names.
	Pages fs.FS
	// Clock decides whether tokens have expired. Default: the system's, by which rate limits go in any case.
	Clock clock.Clock
	// Verifier says who calls. Default: by Config.Auth.
	Verifier authn.Verifier
	// DialOptions are used for every connection to a service.
	DialOptions []grpc.DialOption
}

func (o *Options) complete() {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Registry == nil {
		o.Registry = telemetry.NewRegistry("gateway")
	}
	if o.TracerProvider == nil {
		o.TracerProvider = noop.NewTracerProvider()
	}
}

// Gateway is one gateway on its way from New over Run to its end.
type Gateway struct {
	cfg   HTTPConfig
	log   *slog.Logger
	conns connections

	listener, opsListener net.Listener
	front, ops            *http.Server
	// draining means that no more callers should come, stopping (its context) that streams have to end.
	draining atomic.Bool
	stop     context.CancelFunc
}

// New builds a gateway and opens its ports, so that Addr is known; callers wait until Run. Close it if Run is never called.
// The services need not be there yet: connections are made when they are first used.
func New(cfg Config, opts Options) (_ *Gateway, err error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	opts.complete()
	g := &Gateway{cfg: cfg.HTTP, log: opts.Logger.With("service", "gateway")}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.Close())
		}
	}()
	if err := g.dial(cfg, opts); err != nil {
		return nil, err
	}
	if err := g.build(cfg, opts); err != nil {
		return nil, err
	}
	if err := g.listen(opts); err != nil {
		return nil, err
	}
	return g, nil
}

func (g *Gateway) dial(cfg Config, opts Options) error {
	safe, err := transcode.SafeMethods()
	if err != nil {
		return err
	}
	for _, backend := range []struct {
		name string
		conn **grpc.ClientConn
		cfg  server.ClientConfig
	}{
		{"license", &g.conns.license, cfg.License}, {"extension", &g.conns.extension, cfg.Extension},
		{"numbering", &g.conns.numbering, cfg.Numbering}, {"notification", &g.conns.notification, cfg.Notification},
	} {
		*backend.conn, err = server.Dial(backend.cfg, server.ClientOptions{
			Service: backend.name, TLS: cfg.TLS, Logger: g.log,
			Idempotent: safe, Registerer: opts.Registry, TracerProvider: opts.TracerProvider, Extra: opts.DialOptions,
		})
		if err != nil {
			return fmt.Errorf("gateway: %w", err)
		}
	}
	return nil
}

func (g *Gateway) build(cfg Config, opts Options) error {
	stopping, stop := context.WithCancel(context.Background())
	g.stop = stop
	handler, err := g.handler(stopping, cfg, opts)
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	var secure *tls.Config
	if g.cfg.TLSCertFile != "" {
		if secure, err = mtls.Web(g.cfg.TLSCertFile, g.cfg.TLSKeyFile, g.log); err != nil {
			return fmt.Errorf("gateway: %w", err)
		}
	}
	errorLog := slog.NewLogLogger(g.log.Handler(), slog.LevelDebug)
	g.front = &http.Server{
		Handler: handler, TLSConfig: secure, MaxHeaderBytes: g.cfg.MaxHeaderBytes, ErrorLog: errorLog,
		ReadHeaderTimeout: g.cfg.HeaderTimeout, ReadTimeout: g.cfg.ReadTimeout,
		WriteTimeout: g.cfg.WriteTimeout, IdleTimeout: g.cfg.IdleTimeout,
	}
	connections, err := web.NewConnections(g.cfg.MaxConnections, opts.Registry)
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	g.front.ConnState = connections.Note
	own := []prometheus.Collector{server.NewDrainingGauge(g.draining.Load)}
	if cfg.TLS.CertFile != "" {
		own = append(own, mtls.NewExpiryGauge("service", cfg.TLS.CertFile, cfg.TLS.KeyFile))
	}
	if g.cfg.TLSCertFile != "" {
		own = append(own, mtls.NewExpiryGauge("web", g.cfg.TLSCertFile, g.cfg.TLSKeyFile))
	}
	for _, c := range own {
		if err := opts.Registry.Register(c); err != nil {
			return fmt.Errorf("gateway: %w", err)
		}
	}
	g.ops = &http.Server{
		Handler: server.OpsHandler(opts.Registry, g.ready, cfg), ReadHeaderTimeout: g.cfg.HeaderTimeout, ErrorLog: errorLog,
	}
	return nil
}

func (g *Gateway) handler(stopping context.Context, cfg Config, opts Options) (http.Handler, error) {
	verifier := opts.Verifier
	if verifier == nil {
		var err error
		if verifier, err = authn.NewVerifier(cfg.Auth, opts.Clock); err != nil {
			return nil, err
		}
	}
	guarded, err := guard.New(guard.Options{
		Verifier: verifier, Logger: g.log, Registerer: opts.Registry, Clock: clock.System, Caller: g.cfg.caller(), Account: g.cfg.account(),
	})
	if err != nil {
		return nil, err
	}
	calls, err := transcode.New(stopping, g.conns.backends(), g.cfg.limits(), web.SetRoute, guarded.Admit)
	if err != nil {
		return nil, err
	}
	pages, err := portalFiles(cfg.Portal, opts.Pages)
	if err != nil {
		return nil, err
	}
	return newHandler(calls, pages, g.ready, web.Options{
		Logger: g.log, Registerer: opts.Registry, Tracing: opts.TracerProvider, Browsers: web.Browsers{Origins: g.cfg.CORSOrigins, HSTS: g.cfg.HSTSMaxAge},
	})
}

// ready says whether callers should come. It does not speak for the services behind: one that is away must not take the
// others away too.
func (g *Gateway) ready(context.Context) error {
	if g.draining.Load() {
		return errors.New("draining")
	}
	return nil
}

func (g *Gateway) listen(opts Options) (err error) {
	g.listener, g.opsListener = opts.Listener, opts.OpsListener
	if g.listener == nil {
		if g.listener, err = net.Listen("tcp", g.cfg.Addr); err != nil {
			return fmt.Errorf("gateway: %w", err)
		}
	}
	if g.opsListener == nil {
		if g.opsListener, err = net.Listen("tcp", g.cfg.OpsAddr); err != nil {
			return fmt.Errorf("gateway: %w", err)
		}
	}
	return nil
}

// Addr returns where JSON is served.
func (g *Gateway) Addr() string { return g.listener.Addr().String() }

// OpsAddr returns where metrics, health and debugging are served.
func (g *Gateway) OpsAddr() string { return g.opsListener.Addr().String() }

// Close gives up a gateway that was never run: its ports and connections.
func (g *Gateway) Close() error {
	var errList []error
	for _, l := range []net.Listener{g.listener, g.opsListener} {
		if l != nil {
			errList = append(errList, l.Close())
		}
	}
	if g.stop != nil {
		g.stop()
	}
	return errors.Join(append(errList, g.conns.close())...)
}

// Run serves until ctx ends, then drains: it says that it is not ready, waits HTTPConfig.DrainWait, takes no new connections, ends
// streams (their followers are told to follow again), lets requests under way end for HTTPConfig.DrainTimeout, and closes the
// connections to the services. It returns nil after an orderly end.
func (g *Gateway) Run(ctx context.Context) error {
	serving, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	serve := func(name string, run func() error) func() error {
		return func() error {
			err := run()
			if errors.Is(err, http.ErrServerClosed) {
				return nil
			}
			err = fmt.Errorf("gateway: %s: %w", name, err)
			fail(err)
			return err
		}
	}
	var servers errgroup.Group
	servers.Go(serve("http", func() error {
		if g.front.TLSConfig != nil {
			return g.front.ServeTLS(g.listener, "", "")
		}
		return g.front.Serve(g.listener)
	}))
	servers.Go(serve("ops", func() error { return g.ops.Serve(g.opsListener) }))
	g.log.InfoContext(ctx, "serving", "addr", g.Addr(), "ops_addr", g.OpsAddr(), "version", telemetry.Build().Version)

	<-serving.Done()
	g.drain(context.WithoutCancel(ctx), context.Cause(serving))
	err := errors.Join(g.ops.Close(), servers.Wait(), g.conns.close())
	g.log.InfoContext(ctx, "stopped", "error", err)
	return err
}

// drain turns callers away and waits for the requests under way.
func (g *Gateway) drain(ctx context.Context, cause error) {
	g.log.InfoContext(ctx, "draining", "cause", cause)
	g.draining.Store(true)
	<-time.After(g.cfg.DrainWait)
	ctx, cancel := context.WithTimeout(ctx, g.cfg.DrainTimeout)
	defer cancel()
	g.stop()
	if err := g.front.Shutdown(ctx); err != nil {
		g.log.WarnContext(ctx, "requests under way are cut", "after", g.cfg.DrainTimeout, "error", err)
		_ = g.front.Close() // It has nothing to add to the error above.
	}
}
