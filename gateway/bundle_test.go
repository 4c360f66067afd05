package gateway

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"github.com/switchboard-phone/switchboard/gateway/internal/transcode"
	"github.com/switchboard-phone/switchboard/gateway/internal/web"
	"github.com/switchboard-phone/switchboard/gateway/portal"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
)

// testBundle is a gateway in front of fake services, reached through real HTTP.
type testBundle struct {
	url      string
	fake     *fakeLicense
	registry *prometheus.Registry
	drain    context.CancelFunc
}

func setup(t *testing.T) *testBundle {
	return setupLimits(t, defaultHTTPConfig().limits())
}

func setupLimits(t *testing.T, limits transcode.Limits) *testBundle {
	t.Helper()
	fake := &fakeLicense{}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(128 << 20))
	licensev1.RegisterAccountServiceServer(server, fake)
	licensev1.RegisterPhoneUserServiceServer(server, fake)
	licensev1.RegisterDirectoryServiceServer(server, fake)
	licensev1.RegisterPhoneUserSetupServiceServer(server, fake)
	licensev1.RegisterImportServiceServer(server, fake)
	conn := connect(t, server)
	return serve(t, fake, connections{license: conn, extension: conn, numbering: conn, notification: conn}, limits)
}

func serve(t *testing.T, fake *fakeLicense, conns connections, limits transcode.Limits) *testBundle {
	t.Helper()
	drain, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	registry := prometheus.NewRegistry()
	handler, err := newHandler(drain, conns, limits, portal.Files(), web.Options{
		Logger: slog.New(slog.DiscardHandler), Registerer: registry, Tracing: noop.NewTracerProvider(),
	})
	require.NoError(t, err)
	front := httptest.NewServer(handler)
	t.Cleanup(front.Close)
	return &testBundle{url: front.URL, fake: fake, registry: registry, drain: cancel}
}

// connect serves over memory and returns a connection.
func connect(t *testing.T, server *grpc.Server) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient("passthrough:///fake", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// answer is an HTTP answer, read to its end.
type answer struct {
	code   int
	header http.Header
	body   string
}

// do sends a request with a token. Headers are "Name: value"; "Name:" takes a header away.
func (b *testBundle) do(t *testing.T, method, path, body string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer token-1")
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ":")
		req.Header.Del(name)
		if value = strings.TrimSpace(value); value != "" {
			req.Header.Set(name, value)
		}
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{resp.StatusCode, resp.Header, string(data)}
}

// refusal is the one shape of every refusal.
type refusal struct {
	Code    int              `json:"code"`
	Message string           `json:"message"`
	Details []map[string]any `json:"details"`
}

// refused reads a refusal and fails where the answer has another shape.
func (a answer) refused(t *testing.T) refusal {
	t.Helper()
	require.Equal(t, "application/json", a.header.Get("Content-Type"), a.body)
	require.NotEmpty(t, a.header.Get("X-Request-Id"))
	var r refusal
	dec := json.NewDecoder(strings.NewReader(a.body))
	dec.DisallowUnknownFields()
	require.NoError(t, dec.Decode(&r), a.body)
	require.NotZero(t, r.Code, a.body)
	return r
}

func (r refusal) detail(t *testing.T, name string) map[string]any {
	t.Helper()
	for _, d := range r.Details {
		if d["@type"] == "type.googleapis.com/google.rpc."+name {
			return d
		}
	}
	require.Failf(t, "detail missing", "no %s in %v", name, r)
	return nil
}

func (r refusal) reason(t *testing.T) string {
	t.Helper()
	info := r.detail(t, "ErrorInfo")
	require.Equal(t, "switchboard", info["domain"])
	reason, _ := info["reason"].(string)
	return reason
}

// fields returns the paths that BadRequest names.
func (r refusal) fields(t *testing.T) []string {
	t.Helper()
	var out []string
	violations, _ := r.detail(t, "BadRequest")["fieldViolations"].([]any)
	for _, v := range violations {
		out = append(out, v.(map[string]any)["field"].(string))
	}
	return out
}

// fakeLicense records the last request and its metadata, and answers what a test has set.
type fakeLicense struct {
	licensev1.UnimplementedAccountServiceServer
	licensev1.UnimplementedPhoneUserServiceServer
	licensev1.UnimplementedDirectoryServiceServer
	licensev1.UnimplementedPhoneUserSetupServiceServer
	licensev1.UnimplementedImportServiceServer

	mu      sync.Mutex
	request proto.Message
	md      metadata.MD
	timeout time.Duration

	// err is returned by every unary method.
	err error
	// account, users and import are what the methods below answer.
	account *licensev1.Account
	header  metadata.MD
	// watch is WatchOperation.
	watch func(licensev1.ImportService_WatchOperationServer) error
}

func (f *fakeLicense) record(ctx context.Context, request proto.Message) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.request = request
	f.md, _ = metadata.FromIncomingContext(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		f.timeout = time.Until(deadline)
	}
	if f.header != nil {
		_ = grpc.SetHeader(ctx, f.header)
		_ = grpc.SetTrailer(ctx, f.header)
	}
	return f.err
}

// seen returns the last request.
func (f *fakeLicense) seen() proto.Message {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.request
}
