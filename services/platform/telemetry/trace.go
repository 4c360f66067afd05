package telemetry

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Propagator carries traces from process to process in the form of the W3C (traceparent, tracestate). It is handed to every
// instrumentation by hand: OpenTelemetry's global one does nothing until somebody sets it, and would be shared by all of a process.
var Propagator propagation.TextMapPropagator = propagation.TraceContext{}

// RequestIDKey is the span attribute that holds the request id, as log lines do under "request_id".
const RequestIDKey = attribute.Key("switchboard.request_id")

// RequestIDs marks every span, as it starts, with the request id of the context that it starts in: those of libraries, too, such as SQL
// statements. MarkSpan is for spans that were there before the request id was known.
type RequestIDs struct{}

// OnStart implements sdktrace.SpanProcessor.
func (RequestIDs) OnStart(parent context.Context, span sdktrace.ReadWriteSpan) {
	if id := RequestID(parent); id != "" {
		span.SetAttributes(RequestIDKey.String(id))
	}
}

// OnEnd implements sdktrace.SpanProcessor.
func (RequestIDs) OnEnd(sdktrace.ReadOnlySpan) {}

// Shutdown implements sdktrace.SpanProcessor.
func (RequestIDs) Shutdown(context.Context) error { return nil }

// ForceFlush implements sdktrace.SpanProcessor.
func (RequestIDs) ForceFlush(context.Context) error { return nil }

// Exemplar leads from a metric to a trace: the labels that go with a value which is observed in ctx. It is nil without a trace that is kept.
func Exemplar(ctx context.Context) prometheus.Labels {
	if sc := trace.SpanContextFromContext(ctx); sc.IsSampled() {
		return prometheus.Labels{"trace_id": sc.TraceID().String()}
	}
	return nil
}

// Observe observes v with the Exemplar of ctx.
func Observe(ctx context.Context, o prometheus.Observer, v float64) {
	if with, ok := o.(prometheus.ExemplarObserver); ok {
		with.ObserveWithExemplar(v, Exemplar(ctx))
		return
	}
	o.Observe(v)
}

const traceParentKey = "traceparent"

// MarkSpan writes the request id of ctx onto the span of ctx, so that a trace is found by what a caller or a log line names.
func MarkSpan(ctx context.Context) {
	span := trace.SpanFromContext(ctx)
	if id := RequestID(ctx); id != "" && span.IsRecording() {
		span.SetAttributes(RequestIDKey.String(id))
	}
}

// TraceParent returns the span of ctx in the W3C's form (55 characters), for rows and messages that are worked on later. It is empty
// without a trace.
func TraceParent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	Propagator.Inject(ctx, carrier)
	return carrier[traceParentKey]
}

// WithTraceParent returns a context in which spans continue the trace that TraceParent named; ctx as it is for anything else.
func WithTraceParent(ctx context.Context, parent string) context.Context {
	if parent == "" {
		return ctx
	}
	return Propagator.Extract(ctx, propagation.MapCarrier{traceParentKey: parent})
}

// LinkTo returns links to the spans that TraceParent named, each once, at most limit: for work that serves several of them together.
func LinkTo(parents []string, limit int) []trace.Link {
	var links []trace.Link
	seen := map[string]bool{"": true}
	for _, p := range parents {
		if seen[p] || len(links) == limit {
			continue
		}
		seen[p] = true
		if sc := trace.SpanContextFromContext(WithTraceParent(context.Background(), p)); sc.IsValid() {
			links = append(links, trace.Link{SpanContext: sc})
		}
	}
	return links
}
