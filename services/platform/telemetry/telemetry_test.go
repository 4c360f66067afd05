package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"

	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

func TestLoggerAddsRequestIDAndHidesSecrets(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	log, err := telemetry.NewLogger(&buf, telemetry.DefaultConfig())
	require.NoError(t, err)
	ctx := telemetry.WithRequestID(t.Context(), "id-1")
	log.With("service", "things", "client_secret", "s1").WithGroup("call").InfoContext(ctx, "hello", "access_token", "s2", "authorization", "Bearer s3", "db_password", "s4", "name", "n")
	log.DebugContext(ctx, "not at this level")
	log.InfoContext(ctx, "deeper", slog.Group("in", "name", "m", "token", "s5", slog.Group("further", "secret", "s6")), "late", late{})
	var line map[string]any
	lines := strings.Split(strings.TrimSpace(buf.String()), "\n")
	require.Len(t, lines, 2)
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &line), "%s", lines[0])
	require.Equal(t, "things", line["service"])
	call, ok := line["call"].(map[string]any)
	require.True(t, ok)
	require.Equal(t, "n", call["name"])
	require.Equal(t, "id-1", call["request_id"])
	require.Contains(t, lines[1], `"in":{"name":"m","token":"(redacted)","further":{"secret":"(redacted)"}},"late":{"password":"(redacted)","name":"o"}`)
	for _, secret := range []string{"s1", "s2", "s3", "s4", "s5", "s6", "s7"} {
		require.NotContains(t, buf.String(), `"`+secret)
		require.NotContains(t, buf.String(), " "+secret)
	}
}

// late is a value that says only as it is written what it consists of.
type late struct{}

func (late) LogValue() slog.Value {
	return slog.GroupValue(slog.String("password", "s7"), slog.String("name", "o"))
}

func TestLoggerTextAndMistakes(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	log, err := telemetry.NewLogger(&buf, telemetry.Config{LogFormat: "text", LogLevel: "debug"})
	require.NoError(t, err)
	log.Debug("hello")
	require.Contains(t, buf.String(), "msg=hello")
	_, err = telemetry.NewLogger(&buf, telemetry.Config{LogFormat: "xml", LogLevel: "info"})
	require.ErrorContains(t, err, "xml")
	_, err = telemetry.NewLogger(&buf, telemetry.Config{LogFormat: "json", LogLevel: "loud"})
	require.ErrorContains(t, err, "loud")
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	require.Empty(t, telemetry.RequestID(t.Context()))
	a, b := telemetry.NewRequestID(), telemetry.NewRequestID()
	require.NotEqual(t, a, b)
	require.True(t, telemetry.ValidRequestID(a))
	for _, bad := range []string{"", "a b", "a\nb", "ä", strings.Repeat("x", 129)} {
		require.False(t, telemetry.ValidRequestID(bad), "%q", bad)
	}
	require.True(t, telemetry.ValidRequestID(strings.Repeat("x", 128)))
	require.Same(t, slog.Default(), telemetry.Logger(t.Context()))
	log := slog.New(slog.DiscardHandler)
	require.Same(t, log, telemetry.Logger(telemetry.WithLogger(t.Context(), log)))
}

func TestRegistryTellsTheBuild(t *testing.T) {
	t.Parallel()
	families, err := telemetry.NewRegistry("things").Gather()
	require.NoError(t, err)
	names := map[string]bool{}
	for _, f := range families {
		names[f.GetName()] = true
	}
	require.True(t, names["switchboard_build_info"])
	require.True(t, names["go_goroutines"])
	require.NotEmpty(t, telemetry.Build().Version)
	require.Contains(t, telemetry.Build().String(), "go1")
}

// spans is a collector of a test.
type spans struct {
	collector.UnimplementedTraceServiceServer
	names chan string
}

func (s *spans) Export(_ context.Context, req *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	for _, r := range req.GetResourceSpans() {
		for _, sc := range r.GetScopeSpans() {
			for _, sp := range sc.GetSpans() {
				s.names <- sp.GetName()
			}
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

func TestTracesReachTheCollector(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	got := &spans{names: make(chan string, 10)}
	srv := grpc.NewServer()
	collector.RegisterTraceServiceServer(srv, got)
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(srv.Stop)

	tp, stop, err := telemetry.NewTracerProvider(t.Context(), telemetry.Config{TraceEndpoint: l.Addr().String(), TraceInsecure: true, TraceRatio: 1}, "things")
	require.NoError(t, err)
	_, span := tp.Tracer("test").Start(t.Context(), "work")
	span.End()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, stop(ctx), "what is left is sent at the end")
	require.Equal(t, "work", <-got.names)
}

func TestTracesAreOffByDefault(t *testing.T) {
	t.Parallel()
	tp, stop, err := telemetry.NewTracerProvider(t.Context(), telemetry.DefaultConfig(), "things")
	require.NoError(t, err)
	_, span := tp.Tracer("test").Start(t.Context(), "work")
	require.False(t, span.IsRecording())
	require.NoError(t, stop(t.Context()))
	_, _, err = telemetry.NewTracerProvider(t.Context(), telemetry.Config{TraceEndpoint: "127.0.0.1:1", TraceRatio: 2}, "things")
	require.Error(t, err)
}
