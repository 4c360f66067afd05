package gateway

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
)

// testBundle is a gateway in front of a fake license service, reached through real HTTP.
type testBundle struct {
	url, ops string
	fake     *fakeLicense
	// stop ends the gateway, ended is closed when it has.
	stop  context.CancelFunc
	ended chan struct{}
}

func setup(t *testing.T) *testBundle {
	t.Helper()
	fake, target := startFake(t)
	b := serve(t, loopback(target))
	b.fake = fake
	return b
}

// loopback is a configuration whose services are all at one target.
func loopback(target string) Config {
	cfg := DefaultConfig()
	cfg.HTTP.Addr, cfg.HTTP.OpsAddr, cfg.HTTP.DrainWait = "127.0.0.1:0", "127.0.0.1:0", 0
	cfg.TLS.Plaintext, cfg.HTTP.Plaintext = true, true
	cfg.License.Target, cfg.Extension.Target, cfg.Numbering.Target, cfg.Notification.Target = target, target, target, target
	return cfg
}

func startFake(t *testing.T) (*fakeLicense, string) {
	t.Helper()
	fake := &fakeLicense{}
	grpcServer := grpc.NewServer(grpc.MaxRecvMsgSize(128 << 20))
	licensev1.RegisterAccountServiceServer(grpcServer, fake)
	licensev1.RegisterPhoneUserServiceServer(grpcServer, fake)
	licensev1.RegisterDirectoryServiceServer(grpcServer, fake)
	licensev1.RegisterPhoneUserSetupServiceServer(grpcServer, fake)
	licensev1.RegisterImportServiceServer(grpcServer, fake)
	return fake, startServer(t, grpcServer)
}

// startServer serves on a free port and returns its address.
func startServer(t testing.TB, grpcServer *grpc.Server) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() { defer close(done); _ = grpcServer.Serve(listener) }()
	t.Cleanup(func() { grpcServer.Stop(); <-done })
	return listener.Addr().String()
}

// serve runs a gateway until the test ends.
func serve(t *testing.T, cfg Config) *testBundle {
	t.Helper()
	return serveOptions(t, cfg, Options{})
}

func serveOptions(t *testing.T, cfg Config, opts Options) *testBundle {
	t.Helper()
	opts.Logger = slog.New(slog.DiscardHandler)
	if opts.Verifier == nil {
		opts.Verifier = anybody{}
	}
	g, err := New(cfg, opts)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	b := &testBundle{url: "http://" + g.Addr(), ops: "http://" + g.OpsAddr(), stop: stop, ended: make(chan struct{})}
	go func() { defer close(b.ended); assert.NoError(t, g.Run(ctx)) }()
	t.Cleanup(func() { stop(); <-b.ended })
	return b
}

// answer is an HTTP answer, read to its end.
type answer struct {
	code   int
	header http.Header
	body   string
}

// do sends a request with a token. Headers are "Name: value"; "Name:" takes a header away, and "Transfer-Encoding:" the length.
func (b *testBundle) do(t *testing.T, method, path, body string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer token-1")
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ":")
		if name == "Transfer-Encoding" {
			req.ContentLength = -1
			continue
		}
		req.Header.Del(name)
		if value = strings.TrimSpace(value); value != "" {
			req.Header.Set(name, value)
		}
	}
	client := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	resp, err := client.RoundTrip(req)
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
	require.False(t, dec.More(), "there is more after the refusal: %s", a.body)
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

// anybody takes every token for a person's of that name.
type anybody struct{}

func (anybody) Verify(_ context.Context, token string) (authn.Identity, error) {
	return authn.Identity{Subject: token}, nil
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
	// account is what account methods answer.
	account *licensev1.Account
	// header is sent as headers and trailers.
	header metadata.MD
	// block, when set, makes every method wait until it is closed or the caller is gone.
	block chan struct{}
	// pieces are what ExportPhoneUsers sends before it ends with err.
	pieces []string
	// watch is WatchOperation.
	watch func(licensev1.ImportService_WatchOperationServer) error
}

func (f *fakeLicense) record(ctx context.Context, request proto.Message) error {
	if f.block != nil {
		select {
		case <-f.block:
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
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
