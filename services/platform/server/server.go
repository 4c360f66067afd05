// Package server runs a gRPC service: the interceptors that every call passes, health and metrics, and an orderly end.
//
// A composition root builds one with New, registers its services, adds readiness checks, background work and closers, and calls
// Run. Dial is the other side: a connection to another service.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"buf.build/go/protovalidate"
	grpcprom "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/mtls"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

// Server is one service on its way from New over Run to its end. Register, AddCheck, Go and OnClose belong before Run.
type Server struct {
	cfg  Config
	deps Deps
	log  *slog.Logger

	grpc    *grpc.Server
	health  *health.Server
	policy  atomic.Pointer[authn.Policy]
	calls   map[string]*slog.Logger // by method; made by Run
	metrics *grpcprom.ServerMetrics
	panics  prometheus.Counter
	refused *prometheus.CounterVec

	listener, opsListener net.Listener
	ops                   *http.Server
	draining              atomic.Bool
	streams               context.Context // of all streaming calls; ends when they have to go
	endStreams            context.CancelFunc

	checks  []check
	workers []worker
	closers []closer
}

type check struct {
	name string
	ask  func(context.Context) error
}

type worker struct {
	name string
	run  func(context.Context) error
}

type closer struct {
	name  string
	close func(context.Context) error
}

// New builds a server and opens its ports, so that Addr is known; callers wait until Run. Close it if Run is never called.
func New(cfg Config, deps Deps) (*Server, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if deps.Name == "" || deps.Verifier == nil {
		return nil, errors.New("server: name and verifier are required")
	}
	if deps.Logger == nil {
		deps.Logger = slog.Default()
	}
	if deps.Registry == nil {
		deps.Registry = telemetry.NewRegistry(deps.Name)
	}
	s := &Server{cfg: cfg, deps: deps, log: deps.Logger.With("service", deps.Name), health: health.NewServer()}
	s.streams, s.endStreams = context.WithCancel(context.Background())
	if err := s.build(); err != nil {
		return nil, err
	}
	if err := s.listen(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.ops = &http.Server{
		Handler:   withProbes(OpsHandler(s.deps.Registry, s.Ready, s.deps.DebugConfig), s.Ready),
		Protocols: opsProtocols(), ReadHeaderTimeout: 5 * time.Second,
	}
	return s, nil
}

// build makes the gRPC server with its interceptors.
func (s *Server) build() error {
	s.metrics = register(s.deps.Registry, grpcprom.NewServerMetrics(grpcprom.WithServerHandlingTimeHistogram(
		grpcprom.WithHistogramBuckets(prometheus.ExponentialBuckets(0.001, 2, 15)))))
	s.panics = register(s.deps.Registry, prometheus.NewCounter(prometheus.CounterOpts{
		Name: "switchboard_panics_total", Help: "Panics that were caught while serving calls.",
	}))
	register(s.deps.Registry, NewDrainingGauge(s.draining.Load))
	s.refused = register(s.deps.Registry, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "switchboard_refused_total", Help: "Calls refused because of who made them.",
	}, []string{"method", "reason"}))
	if t := s.deps.TLS; t.CertFile != "" {
		register(s.deps.Registry, mtls.NewExpiryGauge("service", t.CertFile, t.KeyFile))
	}
	validator, err := protovalidate.New()
	if err != nil {
		return fmt.Errorf("server: %w", err)
	}
	chain, err := install(s.chain(s.metrics, validator))
	if err != nil {
		return fmt.Errorf("server: %w", err)
	}
	creds, err := mtls.Server(s.deps.TLS, s.log)
	if err != nil {
		return fmt.Errorf("server: %w", err)
	}
	opts := append(s.cfg.options(), grpc.Creds(creds))
	if s.deps.TracerProvider != nil {
		opts = append(opts, grpc.StatsHandler(otelgrpc.NewServerHandler(
			otelgrpc.WithTracerProvider(s.deps.TracerProvider), otelgrpc.WithPropagators(telemetry.Propagator))))
	}
	s.grpc = grpc.NewServer(append(append(opts, chain...), s.deps.Extra...)...)
	healthpb.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
	return nil
}

func (s *Server) listen() (err error) {
	s.listener, s.opsListener = s.deps.Listener, s.deps.OpsListener
	if s.listener == nil {
		if s.listener, err = net.Listen("tcp", s.cfg.Addr); err != nil {
			return fmt.Errorf("server: %w", err)
		}
	}
	if s.opsListener == nil {
		if s.opsListener, err = net.Listen("tcp", s.cfg.OpsAddr); err != nil {
			return fmt.Errorf("server: %w", err)
		}
	}
	return nil
}

// RegisterService implements grpc.ServiceRegistrar, so that the generated Register functions take the server.
func (s *Server) RegisterService(desc *grpc.ServiceDesc, impl any) {
	s.grpc.RegisterService(desc, impl)
}

// AddCheck adds a condition of readiness. It is asked about once a second and must be quick (it gets two seconds).
func (s *Server) AddCheck(name string, ask func(context.Context) error) {
	s.checks = append(s.checks, check{name, ask})
}

// Go adds background work. It starts with Run; its context ends once the last call has ended, and Run waits for it. When it
// ends earlier with an error, or panics, the server ends too, and Run returns that error.
func (s *Server) Go(name string, run func(context.Context) error) {
	s.workers = append(s.workers, worker{name, run})
}

// OnClose adds something to close at the end, after all calls and background work: last added, first closed.
func (s *Server) OnClose(name string, end func(context.Context) error) {
	s.closers = append(s.closers, closer{name, end})
}

// Addr returns where gRPC is served.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// OpsAddr returns where metrics, health and debugging are served.
func (s *Server) OpsAddr() string { return s.opsListener.Addr().String() }

// Close gives up a server that was never run: its ports and everything that OnClose was told of.
func (s *Server) Close() error {
	s.endStreams()
	s.grpc.Stop() // its workers wait since New
	var errList []error
	for _, l := range []net.Listener{s.listener, s.opsListener} {
		if l != nil {
			errList = append(errList, l.Close())
		}
	}
	return errors.Join(append(errList, s.closeAll())...)
}

// Run serves until ctx ends, then drains: it says that it is not ready, waits Config.DrainWait, takes no new calls, lets those
// under way end for Config.DrainTimeout (streams end at once, with UNAVAILABLE, for their callers to come back elsewhere), ends
// the background work, and closes what OnClose was told of. It returns nil after an orderly end.
//
// It refuses to start when a registered method has no sound access option (see authn.NewPolicy).
func (s *Server) Run(ctx context.Context) error {
	policy, err := authn.NewPolicy(s.grpc.GetServiceInfo(), s.deps.AccountCheckedByHandler)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	s.policy.Store(policy)
	s.calls = s.loggers()
	s.metrics.InitializeMetrics(s.grpc)

	serve, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	var front, back errgroup.Group
	front.Go(func() error {
		return s.guarded(serve, fail, "grpc", func(context.Context) error {
			if err := s.grpc.Serve(s.listener); !errors.Is(err, grpc.ErrServerStopped) {
				return err
			}
			return nil // the end came before the beginning
		})
	})
	back.Go(func() error {
		return s.guarded(background, fail, "ops", func(context.Context) error {
			if err := s.ops.Serve(s.opsListener); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
	})
	var work errgroup.Group
	for _, w := range s.workers {
		work.Go(func() error { return s.guarded(background, fail, w.name, w.run) })
	}
	work.Go(func() error { s.watchReadiness(background); return nil })
	s.log.InfoContext(ctx, "serving", "addr", s.Addr(), "ops_addr", s.OpsAddr(), "version", telemetry.Build().Version)

	<-serve.Done()
	cause := context.Cause(serve)
	s.drain(cause)
	errFront := front.Wait()
	stopBackground()
	errWork := work.Wait()
	errClose := s.closeAll()
	errOps := s.ops.Close()
	err = errors.Join(errFront, errWork, errClose, errOps, back.Wait())
	s.log.InfoContext(ctx, "stopped", "error", err)
	return err
}

// drain turns callers away and waits for the calls under way.
func (s *Server) drain(cause error) {
	s.log.Info("draining", "cause", cause)
	s.draining.Store(true)
	s.health.Shutdown()
	<-time.After(s.cfg.DrainWait)
	s.endStreams()
	timer := time.AfterFunc(s.cfg.DrainTimeout, func() {
		s.log.Warn("calls under way are cut", "after", s.cfg.DrainTimeout)
		s.grpc.Stop()
	})
	defer timer.Stop()
	s.grpc.GracefulStop()
}

// guarded runs one part of the server; its error, or panic, ends the whole.
func (s *Server) guarded(ctx context.Context, fail context.CancelCauseFunc, name string, run func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = s.panicked(ctx, p)
		}
		if err != nil && errors.Is(err, context.Canceled) && ctx.Err() != nil {
			err = nil
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", name, err)
			fail(err)
		}
	}()
	return run(ctx)
}

func (s *Server) closeAll() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.DrainTimeout)
	defer cancel()
	var errList []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		if err := s.closers[i].close(ctx); err != nil {
			errList = append(errList, fmt.Errorf("close %s: %w", s.closers[i].name, err))
		}
	}
	s.closers = nil
	return errors.Join(errList...)
}

// register registers c, or returns the one that is there: parts of one process share their metrics.
func register[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	var there prometheus.AlreadyRegisteredError
	if err := reg.Register(c); errors.As(err, &there) {
		if old, ok := there.ExistingCollector.(C); ok {
			return old
		}
	}
	return c
}
