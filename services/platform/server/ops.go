package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/switchboard-phone/switchboard/services/platform/config"
)

// readinessPeriod is how often the gRPC health service learns whether the server is ready.
const readinessPeriod = time.Second

// checkTimeout bounds a readiness check.
const checkTimeout = 2 * time.Second

func isHealth(method string) bool { return strings.HasPrefix(method, "/grpc.health.v1.Health/") }

// OpsHandler serves what operators and the cluster ask for: /metrics, /livez, /readyz (by ready), /debug/config (debugConfig,
// redacted) and /debug/pprof/. A Server serves it on its ops port; processes that speak no gRPC serve it themselves. Metrics are in
// OpenMetrics for those who ask for it, since only that has exemplars (see telemetry.Exemplar).
func OpsHandler(registry *prometheus.Registry, ready func(context.Context) error, debugConfig any) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := ready(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /debug/config", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		_ = enc.Encode(config.Redacted(debugConfig))
	})
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// NewDrainingGauge returns the metric that says whether a process is on its way out; draining is asked at every scrape.
func NewDrainingGauge(draining func() bool) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "switchboard_draining", Help: "1 from the signal to end until the end, otherwise 0.",
	}, func() float64 {
		if draining() {
			return 1
		}
		return 0
	})
}

// Ready returns nil when the server takes calls and all its checks agree, and otherwise an error that names those that do not,
// without their details, which are logged.
func (s *Server) Ready(ctx context.Context) error {
	if s.draining.Load() {
		return errors.New("draining")
	}
	if s.policy.Load() == nil {
		return errors.New("not started")
	}
	var failed []string
	for _, c := range s.checks {
		if err := ask(ctx, c); err != nil {
			s.log.WarnContext(ctx, "readiness check failed", "check", c.name, "error", err)
			failed = append(failed, c.name)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("not ready: %s", strings.Join(failed, ", "))
	}
	return nil
}

func ask(ctx context.Context, c check) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	return c.ask(ctx)
}

// watchReadiness tells the gRPC health service.
func (s *Server) watchReadiness(ctx context.Context) {
	tick := time.NewTicker(readinessPeriod)
	defer tick.Stop()
	for {
		status := healthpb.HealthCheckResponse_SERVING
		if err := s.Ready(ctx); err != nil {
			status = healthpb.HealthCheckResponse_NOT_SERVING
		}
		s.health.SetServingStatus("", status) // without effect once draining
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
