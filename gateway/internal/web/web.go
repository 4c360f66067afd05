// Package web holds what the gateway does around every HTTP request, whichever route it takes.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/switchboard-phone/switchboard/gateway/internal/httperr"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

// requestIDHeader is the canonical spelling of telemetry.RequestIDHeader.
const requestIDHeader = "X-Request-Id"

// Options are what Wrap works with; all are required.
type Options struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Tracing    trace.TracerProvider
	Browsers   Browsers
}

// Wrap returns next with what every request gets: a trace, a request id, metrics, a log line, and an answer even when next panics.
//
// A request id that the caller sends as X-Request-Id is kept when it is 1 to 128 visible ASCII characters, otherwise there is a
// fresh one. The answer carries it back, and next finds it in the context.
func Wrap(next http.Handler, opts Options) (http.Handler, error) {
	m, err := newMetrics(opts.Registerer)
	if err != nil {
		return nil, err
	}
	h, err := opts.Browsers.handler(next)
	if err != nil {
		return nil, err
	}
	h = recovered(h)
	h = observed(h, m)
	h = identified(h, opts.Logger)
	return otelhttp.NewHandler(h, "gateway", otelhttp.WithTracerProvider(opts.Tracing),
		// Traces begin here: callers out on the network neither join ours nor decide what is sampled.
		otelhttp.WithPropagators(propagation.NewCompositeTextMapPropagator())), nil
}

type routeKey struct{}

// SetRoute tells the metrics, the log and the trace which route a request has taken. Without it the route is "none".
func SetRoute(ctx context.Context, route string) {
	trace.SpanFromContext(ctx).SetAttributes(attribute.String("http.route", route))
	if r, ok := ctx.Value(routeKey{}).(*string); ok {
		*r = route
	}
}

func identified(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(requestIDHeader)
		if !telemetry.ValidRequestID(id) {
			id = telemetry.NewRequestID()
		}
		h := w.Header()
		h.Set(requestIDHeader, id)
		h.Set("X-Content-Type-Options", "nosniff")
		// Answers are about people and change at any time. Handlers of files set their own.
		h.Set("Cache-Control", "no-store")
		ctx := telemetry.WithLogger(telemetry.WithRequestID(r.Context(), id), log)
		telemetry.MarkSpan(ctx)
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

type metrics struct {
	seconds  *prometheus.HistogramVec
	inFlight prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "switchboard_http_seconds", Help: "Time from the headers of a request to the end of its answer.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
		}, []string{"method", "route", "code"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "switchboard_http_in_flight", Help: "Requests that are being answered.",
		}),
	}
	for _, c := range []prometheus.Collector{m.seconds, m.inFlight} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("HTTP metrics: %w", err)
		}
	}
	return m, nil
}

func observed(next http.Handler, m *metrics) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		route := "none"
		ctx := context.WithValue(r.Context(), routeKey{}, &route)
		m.inFlight.Inc()
		rec := &recorder{ResponseWriter: w}
		defer func() {
			m.inFlight.Dec()
			took := time.Since(start)
			telemetry.Observe(ctx, m.seconds.WithLabelValues(knownMethod(r.Method), route, strconv.Itoa(rec.code())), took.Seconds())
			telemetry.Logger(ctx).InfoContext(ctx, "http request", "method", r.Method, "route", route,
				"code", rec.code(), "bytes", rec.bytes, "seconds", took.Seconds())
		}()
		next.ServeHTTP(rec, r.WithContext(ctx))
	})
}

// knownMethod keeps the number of series bounded, whatever callers send.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

// recovered turns a panic into INTERNAL, if nothing was answered yet, and into a broken connection otherwise.
func recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			telemetry.Logger(r.Context()).ErrorContext(r.Context(), "panic", "panic", p, "stack", string(debug.Stack()))
			if rec, ok := w.(*recorder); ok && rec.status != 0 {
				panic(http.ErrAbortHandler)
			}
			httperr.Write(w, r, errs.Internal(r.Context()))
		}()
		next.ServeHTTP(w, r)
	})
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (r *recorder) code() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(code int) {
	if r.status == 0 {
		r.status = code
	}
	r.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}
