package groupcommit

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

// maxLinks bounds the traces that the span of a run names.
const maxLinks = 100

// traced returns a context for a run on behalf of callers, and what ends its span. A span has one parent but a run many callers:
// it belongs to the trace of the first caller whose trace is kept, and links to the others'.
func traced(ctx context.Context, callers []context.Context) (context.Context, func()) {
	if len(callers) == 1 {
		if id := telemetry.RequestID(callers[0]); id != "" {
			ctx = telemetry.WithRequestID(ctx, id)
		}
	}
	var parent trace.Span
	var links []trace.Link
	for _, caller := range callers {
		span := trace.SpanFromContext(caller)
		switch {
		case !span.SpanContext().IsSampled():
		case parent == nil:
			parent = span
		case len(links) < maxLinks:
			links = append(links, trace.Link{SpanContext: span.SpanContext()})
		}
	}
	if parent == nil {
		return ctx, func() {}
	}
	ctx, span := parent.TracerProvider().Tracer("switchboard/platform/groupcommit").Start(trace.ContextWithSpan(ctx, parent), "groupcommit",
		trace.WithLinks(links...), trace.WithAttributes(attribute.Int("switchboard.group.requests", len(callers))))
	telemetry.MarkSpan(ctx)
	return ctx, func() { span.End() }
}
