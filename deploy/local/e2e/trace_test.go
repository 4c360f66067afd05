package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/logtest"
)

// spans are those that ended, for a test to look at.
type spans struct {
	t        *testing.T
	exporter *tracetest.InMemoryExporter
}

// find waits for a span of that name for which ok answers true (nil: any).
func (s spans) find(name string, ok func(tracetest.SpanStub) bool) (found tracetest.SpanStub) {
	s.t.Helper()
	testkit.Eventually(s.t, patience, func() error {
		all := s.exporter.GetSpans()
		i := slices.IndexFunc(all, func(x tracetest.SpanStub) bool { return x.Name == name && (ok == nil || ok(x)) })
		if i < 0 {
			names := map[string]int{}
			for _, x := range all {
				names[x.Name]++
			}
			return fmt.Errorf("no such span %s among those that have ended: %v", name, names)
		}
		found = all[i]
		return nil
	})
	return found
}

// below says whether a span has an ancestor, over whatever lies between.
func (s spans) below(x, ancestor tracetest.SpanStub) bool {
	byID := map[trace.SpanID]tracetest.SpanStub{}
	for _, y := range s.exporter.GetSpans() {
		byID[y.SpanContext.SpanID()] = y
	}
	for x.Parent.IsValid() {
		if x.Parent.SpanID() == ancestor.SpanContext.SpanID() {
			return true
		}
		var ok bool
		if x, ok = byID[x.Parent.SpanID()]; !ok {
			return false
		}
	}
	return false
}

func in(id trace.TraceID) func(tracetest.SpanStub) bool {
	return func(x tracetest.SpanStub) bool { return x.SpanContext.TraceID() == id }
}

func attributeOf(x tracetest.SpanStub, key string) string {
	for _, a := range x.Attributes {
		if string(a.Key) == key {
			return a.Value.String()
		}
	}
	return ""
}

// logLines keeps what is logged as JSON.
type logLines struct{ logtest.Buffer }

// of answers the lines with that request id.
func (l *logLines) of(t *testing.T, requestID string) (out []map[string]any) {
	t.Helper()
	for line := range strings.Lines(l.String()) {
		var fields map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &fields))
		if fields["request_id"] == requestID {
			out = append(out, fields)
		}
	}
	return out
}

// TestOneTraceFromGatewayToMail follows one assign through its spans: HTTP, the services, their SQL, and the mail that goes out
// later; all of them, the log lines, and the mail itself carry the caller's request id, and metrics lead to the trace.
func TestOneTraceFromGatewayToMail(t *testing.T) {
	t.Parallel()
	const requestID = "trace-test-1"
	lines := &logLines{}
	log, err := telemetry.NewLogger(lines, telemetry.Config{LogFormat: "json", LogLevel: "info"})
	require.NoError(t, err)
	exporter := tracetest.NewInMemoryExporter()
	tracing := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter), sdktrace.WithSampler(sdktrace.AlwaysSample()), sdktrace.WithSpanProcessor(telemetry.RequestIDs{}))
	opts := func(*testing.T) stack.Options { return stack.Options{TracerProvider: tracing, Log: log} }

	eachOwn(t, opts, func(t *testing.T, s *stack.Stack) {
		seen := spans{t, exporter}
		tn := newTenant(t, s, 5)
		pkg := tn.pkg("Domestic", 5)
		user := tn.users(1)[0]
		person := user.Name
		id := requestID + "-" + t.Name()
		answer, err := tn.admin.Raw(t.Context(), http.MethodPost, tn.path+"/phoneUsers:batchAssign",
			gatewayclient.AssignRequest{Assignees: []string{person}, Package: pkg}, http.Header{"X-Request-Id": {id}})
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.Status, "%s", answer.Body)

		root := seen.find(http.MethodPost, func(x tracetest.SpanStub) bool { return attributeOf(x, string(telemetry.RequestIDKey)) == id })
		require.False(t, root.Parent.IsValid(), "callers outside do not join our traces")
		same := in(root.SpanContext.TraceID())
		above := root
		for _, name := range []string{
			"switchboard.license.v1.PhoneUserService/BatchAssign", "switchboard.extension.v1.AllocationService/AllocateExtensions",
		} {
			span := seen.find(name, func(x tracetest.SpanStub) bool { return same(x) && x.SpanKind == trace.SpanKindServer })
			require.True(t, seen.below(span, above), "%s is a consequence of %s", name, above.Name)
			require.Equal(t, id, attributeOf(span, string(telemetry.RequestIDKey)), name)
			above = span
		}
		seen.find("switchboard.numbering.v1.AssignmentService/AssignPackages", same)
		for _, op := range []string{"license.BeginSagas", "license.FinishSagas", "extension.Allocate"} {
			span := seen.find(op, same)
			require.Equal(t, id, attributeOf(span, string(telemetry.RequestIDKey)), op)
		}
		allocate := seen.find("extension.Allocate", same)
		require.True(t, seen.below(allocate, above))
		insert := seen.find("INSERT", func(x tracetest.SpanStub) bool { return same(x) && seen.below(x, allocate) })
		require.Equal(t, id, attributeOf(insert, string(telemetry.RequestIDKey)), "the statement itself")

		mail := seen.find("smtp.Deliver", same)
		require.True(t, seen.below(mail, root), "the mail is a consequence of the request")
		require.Equal(t, id, attributeOf(mail, string(telemetry.RequestIDKey)))
		require.Equal(t, "250", attributeOf(mail, "smtp.reply_code"))
		received := tn.mails(user.Email)
		require.Len(t, received, 1)
		require.Equal(t, id, received[0].RequestID, "whoever has the mail can name the call")
		text := scrape(t, s, "application/openmetrics-text; version=1.0.0")
		for _, series := range []string{
			`switchboard_http_seconds_bucket{[^\n]*phoneUsers:batchAssign"`, `grpc_server_handling_seconds_bucket{[^\n]*"BatchAssign"`,
			`grpc_server_handled_total{[^\n]*"AllocateExtensions"`, `switchboard_db_seconds_bucket{[^\n]*"license.BeginSagas"`,
			`switchboard_notification_delay_seconds_bucket{`,
		} {
			require.Regexp(t, series+`[^\n]* # {trace_id="`+root.SpanContext.TraceID().String()+`"}`, text, "a metric leads to the trace")
		}
		seen.find("license.HandOver", func(x tracetest.SpanStub) bool {
			return slices.ContainsFunc(x.Links, func(l sdktrace.Link) bool { return l.SpanContext.TraceID() == root.SpanContext.TraceID() })
		})

		services := map[any]bool{}
		for _, line := range lines.of(t, id) {
			require.Equal(t, root.SpanContext.TraceID().String(), line["trace_id"], "%v", line)
			services[line["service"]] = true
		}
		for _, service := range []string{"gateway", stack.License, stack.Extension, stack.Numbering} {
			require.True(t, services[service], "%s logs under the request id", service)
		}
	})
}
