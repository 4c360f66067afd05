package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

const watchPath = "/v1/operations/1:watch"

type watchServer = licensev1.ImportService_WatchOperationServer

func operation(done bool) *longrunningpb.Operation {
	return &longrunningpb.Operation{Name: "operations/1", Done: done}
}

// follow opens a stream and returns its answer and its lines.
func (b *testBundle) follow(t *testing.T) (*http.Response, *bufio.Scanner) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+watchPath, nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer t")
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	require.NoError(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp, bufio.NewScanner(resp.Body)
}

// line reads one line of a stream.
func line(t *testing.T, lines *bufio.Scanner) map[string]map[string]any {
	t.Helper()
	require.True(t, lines.Scan(), "the stream ended: %v", lines.Err())
	var out map[string]map[string]any
	require.NoError(t, json.Unmarshal(lines.Bytes(), &out), lines.Text())
	return out
}

func TestStreams_LineByLine(t *testing.T) {
	t.Parallel()
	b := setup(t)
	read := make(chan struct{})
	b.fake.watch = func(s watchServer) error {
		// The second message is sent once the first has arrived, so nothing on the way may hold it back.
		_ = s.Send(operation(false))
		<-read
		return s.Send(operation(true))
	}
	resp, lines := b.follow(t)
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "application/x-ndjson", resp.Header.Get("Content-Type"))
	require.NotEmpty(t, resp.Header.Get("X-Request-Id"))
	require.Equal(t, false, line(t, lines)["result"]["done"])
	close(read)
	require.Equal(t, true, line(t, lines)["result"]["done"])
	require.False(t, lines.Scan())
}

func TestStreams_Refused(t *testing.T) {
	t.Parallel()
	refuse := func() error {
		return errs.New(commonv1.Reason_NOT_FOUND, "no operation").GRPCStatus().Err()
	}
	tests := map[string]func(watchServer) error{
		"at once": func(watchServer) error { return refuse() },
		"after headers": func(s watchServer) error {
			_ = s.SendHeader(metadata.Pairs("k", "v"))
			return refuse()
		},
	}
	for name, watch := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.fake.watch = watch
			got := b.do(t, "GET", watchPath, "")
			require.Equal(t, 404, got.code)
			require.Equal(t, "NOT_FOUND", got.refused(t).reason(t))
		})
	}
}

func TestStreams_BrokenInTheMiddle(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.fake.watch = func(s watchServer) error {
		_ = s.Send(operation(false))
		return errors.New("node 7 fell over")
	}
	resp, lines := b.follow(t)
	require.Equal(t, 200, resp.StatusCode)
	require.Contains(t, line(t, lines), "result")
	last := line(t, lines)["error"]
	require.EqualValues(t, 13, last["code"])
	require.Equal(t, "internal error", last["message"])
	require.False(t, lines.Scan())
}

// When the gateway stops, requests under way are answered, streams end with a word, and nobody new is let in.
func TestLife_Drain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.fake.block = make(chan struct{})
	b.fake.watch = func(s watchServer) error {
		_ = s.Send(operation(false))
		<-s.Context().Done()
		return s.Context().Err()
	}
	_, lines := b.follow(t)
	line(t, lines)
	answered := make(chan int, 1)
	go func() { answered <- statusOf(t.Context(), b.url+"/v1/accounts/a") }()
	awaitInFlight(t, b)

	b.stop()
	last := line(t, lines)["error"]
	require.EqualValues(t, 14, last["code"], last)
	require.False(t, lines.Scan())
	require.Eventually(t, func() bool { return !b.accepts(t) }, 5*time.Second, 5*time.Millisecond)
	close(b.fake.block)
	require.Equal(t, 200, <-answered)
	<-b.ended
}

// statusOf returns the HTTP status of a call, 0 where there is no answer. It may be used in any goroutine.
func statusOf(ctx context.Context, url string) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0
	}
	req.Header.Set("Authorization", "Bearer t")
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// awaitInFlight waits until a call has reached the fake service, so that two requests are under way.
func awaitInFlight(t *testing.T, b *testBundle) {
	t.Helper()
	require.Eventually(t, func() bool { return b.metric(t, `switchboard_http_in_flight 2`) }, 5*time.Second, 5*time.Millisecond)
}

func (b *testBundle) metric(t *testing.T, text string) bool {
	t.Helper()
	code, body := get(t, b.ops+"/metrics")
	require.Equal(t, 200, code)
	return slices.Contains(strings.Split(body, "\n"), text)
}

// accepts says whether a new connection is answered.
func (b *testBundle) accepts(t *testing.T) bool {
	t.Helper()
	return statusOf(t.Context(), b.url+"/healthz") != 0
}

// get reads a page of the ops port.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

// Before it stops, the gateway says that it is not ready and still answers.
func TestLife_NotReadyFirst(t *testing.T) {
	t.Parallel()
	fake, target := startFake(t)
	fake.account = &licensev1.Account{}
	cfg := loopback(target)
	cfg.HTTP.DrainWait = 2 * time.Second
	b := serve(t, cfg)
	for _, path := range []string{b.ops + "/livez", b.ops + "/readyz", b.url + "/healthz"} {
		code, _ := get(t, path)
		require.Equal(t, 200, code, path)
	}
	b.stop()
	require.Eventually(t, func() bool {
		code, _ := get(t, b.ops+"/readyz")
		return code == 503
	}, time.Second, 5*time.Millisecond)
	code, _ := get(t, b.url+"/healthz")
	require.Equal(t, 503, code)
	code, _ = get(t, b.ops+"/livez")
	require.Equal(t, 200, code)
	require.Equal(t, 200, b.do(t, "GET", "/v1/accounts/a", "").code)
}

func TestLife_Metrics(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.do(t, "GET", "/v1/accounts/a", "")
	b.do(t, "GET", "/v1/accounts/b?x=1", "")
	b.do(t, "BREW", "/v1/accounts", "")
	for _, series := range []string{
		`switchboard_http_seconds_count{code="200",method="GET",route="/v1/{name=accounts/*}"} 1`,
		`switchboard_http_seconds_count{code="400",method="GET",route="/v1/{name=accounts/*}"} 1`,
		`switchboard_http_seconds_count{code="405",method="other",route="none"} 1`,
	} {
		require.Eventually(t, func() bool { return b.metric(t, series) }, 5*time.Second, 5*time.Millisecond, series)
	}
}

func TestLife_Panic(t *testing.T) {
	t.Parallel()
	_, target := startFake(t)
	cfg := loopback(target)
	panics := grpc.WithChainUnaryInterceptor(func(context.Context, string, any, any, *grpc.ClientConn, grpc.UnaryInvoker, ...grpc.CallOption) error {
		panic("secret 42")
	})
	b := serveOptions(t, cfg, Options{DialOptions: []grpc.DialOption{panics}})
	got := b.do(t, "GET", "/v1/accounts/a", "", "X-Request-Id: r-9")
	require.Equal(t, 500, got.code)
	r := got.refused(t)
	require.Equal(t, "INTERNAL", r.reason(t))
	require.Contains(t, got.body, "r-9")
	require.NotContains(t, got.body, "42")
	require.Equal(t, 200, b.do(t, "GET", "/healthz", "").code)
}

func TestConfig_Refused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*Config)
		says   string
	}{
		"no target":          {func(c *Config) { c.Numbering.Target = "" }, "numbering.target"},
		"no body":            {func(c *Config) { c.HTTP.MaxBodyBytes = 0 }, "max_body_bytes"},
		"small imports":      {func(c *Config) { c.HTTP.MaxImportBodyBytes = 1 }, "max_import_body_bytes"},
		"no header time":     {func(c *Config) { c.HTTP.HeaderTimeout = 0 }, "timeouts"},
		"answers broken off": {func(c *Config) { c.HTTP.WriteTimeout = c.HTTP.CallTimeout }, "write_timeout"},
		"no time to drain":   {func(c *Config) { c.HTTP.DrainTimeout = 0 }, "drain_timeout"},
		"half of TLS":        {func(c *Config) { c.HTTP.TLSKeyFile = "key.pem" }, "tls_cert_file"},
		"no such certificate": {func(c *Config) {
			c.HTTP.Plaintext, c.HTTP.TLSKeyFile, c.HTTP.TLSCertFile = false, "/no/key", "/no/cert"
		}, "/no/cert"},
		"no word of TLS":  {func(c *Config) { c.HTTP.Plaintext = false }, "http.plaintext"},
		"no identity":     {func(c *Config) { c.TLS.Plaintext = false }, "tls: cert_file"},
		"half of sign-in": {func(c *Config) { c.Portal.Issuer, c.Portal.ClientID = "https://login.example.com", "" }, "portal.client_id"},
		"no issuer":       {func(c *Config) { c.Portal.Issuer = "login.example.com" }, "portal.issuer"},
		"no portal":       {func(c *Config) { c.Portal.Dir = "/no/portal" }, "make portal"},
		"no such port":    {func(c *Config) { c.HTTP.Addr = "127.0.0.1:99999" }, "99999"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := loopback("127.0.0.1:1")
			tt.change(&cfg)
			_, err := New(cfg, Options{Logger: slog.New(slog.DiscardHandler), Verifier: anybody{}})
			require.ErrorContains(t, err, tt.says)
		})
	}
}
