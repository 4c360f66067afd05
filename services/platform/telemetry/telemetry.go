// Package telemetry sets up what a process tells about itself: logs, metrics, traces, its version, and the request id that ties
// them together.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Config says what is told, and where.
type Config struct {
	// LogFormat is "json" or "text".
	LogFormat string `koanf:"log_format"`
	// LogLevel is "debug", "info", "warn" or "error".
	LogLevel string `koanf:"log_level"`
	// TraceEndpoint is host:port of an OTLP/gRPC collector. Empty means that no traces are made.
	TraceEndpoint string `koanf:"trace_endpoint"`
	// TraceInsecure talks to the collector without TLS.
	TraceInsecure bool `koanf:"trace_insecure"`
	// TraceRatio is the share of calls that start a trace, 0 to 1. Calls that arrive with a trace follow its choice.
	TraceRatio float64 `koanf:"trace_ratio"`
}

// DefaultConfig returns JSON logs from level info on, and no traces.
func DefaultConfig() Config {
	return Config{LogFormat: "json", LogLevel: "info", TraceRatio: 0.01}
}

// NewLogger returns a logger that writes to w. It adds the request id and the trace id of the context to every line, and
// prints "(redacted)" for attributes whose key speaks of a token, password, secret or authorization.
func NewLogger(w io.Writer, cfg Config) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
		return nil, fmt.Errorf("log level %q is none of debug, info, warn, error", cfg.LogLevel)
	}
	opts := &slog.HandlerOptions{Level: level}
	switch cfg.LogFormat {
	case "json":
		return slog.New(contextHandler{slog.NewJSONHandler(w, opts)}), nil
	case "text":
		return slog.New(contextHandler{slog.NewTextHandler(w, opts)}), nil
	}
	return nil, fmt.Errorf("log format %q is neither json nor text", cfg.LogFormat)
}

var secretWords = []string{"token", "password", "secret", "authorization"}

func secret(key string) bool {
	key = strings.ToLower(key)
	return slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(key, word) })
}

// harmless says whether redact returns an attribute as it is. Nearly all are, and a handler with ReplaceAttr takes twice as long for
// every line.
func harmless(a slog.Attr) bool {
	kind := a.Value.Kind()
	return kind != slog.KindGroup && kind != slog.KindLogValuer && !secret(a.Key)
}

// redact hides the values of secrets, however deep.
func redact(a slog.Attr) slog.Attr {
	if secret(a.Key) {
		return slog.String(a.Key, "(redacted)")
	}
	a.Value = a.Value.Resolve()
	if a.Value.Kind() == slog.KindGroup {
		a.Value = slog.GroupValue(redactAll(a.Value.Group())...)
	}
	return a
}

func redactAll(attrs []slog.Attr) []slog.Attr {
	out := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		out[i] = redact(a)
	}
	return out
}

// contextHandler adds what ctx knows about the call, and hides secrets.
type contextHandler struct{ slog.Handler }

// Handle implements slog.Handler.
func (h contextHandler) Handle(ctx context.Context, r slog.Record) error {
	clean := true
	r.Attrs(func(a slog.Attr) bool {
		clean = harmless(a)
		return clean
	})
	if !clean {
		whole := r
		r = slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
		whole.Attrs(func(a slog.Attr) bool {
			r.AddAttrs(redact(a))
			return true
		})
	}
	if id := RequestID(ctx); id != "" {
		r.AddAttrs(slog.String("request_id", id))
	}
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		r.AddAttrs(slog.String("trace_id", sc.TraceID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h contextHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return contextHandler{h.Handler.WithAttrs(redactAll(attrs))}
}

// WithGroup implements slog.Handler.
func (h contextHandler) WithGroup(name string) slog.Handler {
	return contextHandler{h.Handler.WithGroup(name)}
}

// NewRegistry returns a metrics registry with what every process has: runtime, process and build.
func NewRegistry(service string) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	b := Build()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "switchboard_build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"service": service, "version": b.Version, "revision": b.Revision, "go": b.Go},
	})
	info.Set(1)
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), info)
	return reg
}

// NewTracerProvider returns the tracer provider that cfg asks for and a function that sends off what is left and ends it.
// Without an endpoint it does nothing. The collector is reached when there is something to send, not before.
func NewTracerProvider(ctx context.Context, cfg Config, service string) (trace.TracerProvider, func(context.Context) error, error) {
	if cfg.TraceEndpoint == "" {
		return noop.NewTracerProvider(), func(context.Context) error { return nil }, nil
	}
	if cfg.TraceRatio < 0 || cfg.TraceRatio > 1 {
		return nil, nil, errors.New("the trace ratio is not between 0 and 1")
	}
	opts := []otlptracegrpc.Option{otlptracegrpc.WithEndpoint(cfg.TraceEndpoint)}
	if cfg.TraceInsecure {
		opts = append(opts, otlptracegrpc.WithInsecure())
	}
	exporter, err := otlptracegrpc.New(ctx, opts...)
	if err != nil {
		return nil, nil, fmt.Errorf("trace exporter: %w", err)
	}
	host, _ := os.Hostname()
	tp := sdktrace.NewTracerProvider(
		sdktrace.WithSpanProcessor(RequestIDs{}),
		sdktrace.WithBatcher(exporter, sdktrace.WithBatchTimeout(2*time.Second)),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(cfg.TraceRatio))),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", service), attribute.String("service.version", Build().Version),
			attribute.String("service.instance.id", host))))
	return tp, tp.Shutdown, nil
}

// version is set by the linker (-X) in release builds.
var version = ""

// BuildInfo says what a binary was made from.
type BuildInfo struct {
	Version, Revision, Go string
}

// Build returns what is known about this binary; parts that are not known are "unknown".
func Build() BuildInfo {
	b := BuildInfo{Version: version, Revision: "unknown", Go: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		if b.Version == "" && info.Main.Version != "" {
			b.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.Revision = s.Value
			}
		}
	}
	if b.Version == "" {
		b.Version = "unknown"
	}
	return b
}

// String is one line for people.
func (b BuildInfo) String() string {
	return fmt.Sprintf("%s (revision %s, %s)", b.Version, b.Revision, b.Go)
}
