package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/logtest"
)

// people knows tokens "<account>.<person>"; "away" is one that cannot be judged now.
type people struct{}

func (people) Verify(_ context.Context, token string) (authn.Identity, error) {
	account, person, ok := strings.Cut(token, ".")
	switch {
	case token == "away":
		return authn.Identity{}, errs.New(commonv1.Reason_UNAVAILABLE, "not now")
	case !ok:
		return authn.Identity{}, errs.New(commonv1.Reason_UNAUTHENTICATED, "the token is not valid")
	}
	return authn.Identity{Subject: person, Account: account}, nil
}

// guarded is a gateway with those people, limits that change sets, and a log.
func guarded(t *testing.T, change func(*Config)) (*testBundle, *logtest.Buffer) {
	t.Helper()
	fake, target := startFake(t)
	cfg := loopback(target)
	if change != nil {
		change(&cfg)
	}
	logs := &logtest.Buffer{}
	log, err := telemetry.NewLogger(logs, telemetry.Config{LogFormat: "json", LogLevel: "debug"})
	require.NoError(t, err)
	g, err := New(cfg, Options{Logger: log, Verifier: people{}})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	b := &testBundle{url: "http://" + g.Addr(), ops: "http://" + g.OpsAddr(), fake: fake, stop: stop, ended: make(chan struct{})}
	go func() { defer close(b.ended); _ = g.Run(ctx) }()
	t.Cleanup(func() { stop(); <-b.ended })
	return b, logs
}

func TestGuard_TokensAreVerifiedAndRefusalsAudited(t *testing.T) {
	t.Parallel()
	b, logs := guarded(t, nil)
	for name, header := range map[string]string{
		"not valid": "Bearer secret-nonsense", "no bearer": "Basic a.jo", "empty": "Bearer ", "none": "", "a cookie": "",
	} {
		a := b.do(t, "GET", "/v1/accounts/a", "", "Authorization:"+header, "Cookie: session=a.jo")
		require.Equal(t, 401, a.code, name)
		require.Equal(t, "UNAUTHENTICATED", a.refused(t).reason(t))
	}
	require.Nil(t, b.fake.seen(), "no service was asked")
	require.Equal(t, 503, b.do(t, "GET", "/v1/accounts/a", "", "Authorization: Bearer away").code)
	require.Equal(t, 200, b.do(t, "GET", "/v1/accounts/a", "", "Authorization: Bearer a.jo").code)
	require.Equal(t, 200, b.do(t, "POST", "/v1/phoneUserSetup:lookup", `{"token":"x"}`, "Authorization: Bearer nonsense").code, "public methods pass any token over")

	text := logs.String()
	require.Contains(t, text, `"audit":true,"method":"/switchboard.license.v1.AccountService/GetAccount","reason":"UNAUTHENTICATED"`)
	require.Contains(t, text, `"address":"127.0.0.1"`)
	require.NotContains(t, text, "secret-nonsense")
	a := (&testBundle{url: b.ops}).do(t, "GET", "/metrics", "")
	require.Contains(t, a.body, `switchboard_refused_total{method="/switchboard.license.v1.AccountService/GetAccount",reason="UNAUTHENTICATED"} 5`)
}

func TestGuard_Rates(t *testing.T) {
	t.Parallel()
	b, logs := guarded(t, func(c *Config) {
		c.HTTP.CallerRate, c.HTTP.CallerBurst, c.HTTP.AccountRate, c.HTTP.AccountBurst = 0.01, 3, 0.02, 5
	})
	call := func(token string) int {
		return b.do(t, "GET", "/v1/accounts/a", "", "Authorization: Bearer "+token).code
	}
	for range 3 {
		require.Equal(t, 200, call("a.jo"))
	}
	a := b.do(t, "GET", "/v1/accounts/a", "", "Authorization: Bearer a.jo")
	require.Equal(t, 429, a.code)
	refusal := a.refused(t)
	require.Equal(t, "RATE_LIMITED", refusal.reason(t))
	require.NotEmpty(t, refusal.detail(t, "RetryInfo")["retryDelay"])
	require.Regexp(t, `^\d+$`, a.header.Get("Retry-After"))
	require.Equal(t, 200, call("b.jo"), "the same name in another account is another person")
	require.Equal(t, 200, call("a.max"), "another person of the account")
	require.Equal(t, 200, call("a.max"))
	require.Equal(t, 429, call("a.max"), "the account's rate")
	require.Equal(t, 429, call("a.ann"), "of all of its people")
	for range 2 {
		require.Equal(t, 200, call("b.max"), "not of another account's")
	}
	for range 3 {
		require.Equal(t, 200, b.do(t, "POST", "/v1/phoneUserSetup:lookup", `{"token":"x"}`, "Authorization:").code)
	}
	require.Equal(t, 429, b.do(t, "POST", "/v1/phoneUserSetup:lookup", `{"token":"x"}`, "Authorization:").code, "calls without a token are counted by address")
	require.Contains(t, logs.String(), `"reason":"RATE_LIMITED","caller":"user:jo","account":"a"`)
}

func TestBrowsers(t *testing.T) {
	t.Parallel()
	b, _ := guarded(t, func(c *Config) { c.HTTP.CORSOrigins = []string{"https://admin.example.com"} })
	good, bad := "Origin: https://admin.example.com", "Origin: https://evil.example.com"

	a := b.do(t, "OPTIONS", "/v1/accounts/a", "", "Authorization:", good, "Access-Control-Request-Method: PATCH")
	require.Equal(t, 204, a.code)
	require.Equal(t, "https://admin.example.com", a.header.Get("Access-Control-Allow-Origin"))
	require.Contains(t, a.header.Get("Access-Control-Allow-Headers"), "Authorization")
	require.Empty(t, a.header.Get("Access-Control-Allow-Credentials"), "no cookies")
	a = b.do(t, "GET", "/v1/accounts/a", "", "Authorization: Bearer a.jo", good)
	require.Equal(t, 200, a.code)
	require.Equal(t, "https://admin.example.com", a.header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "Origin", a.header.Get("Vary"))

	a = b.do(t, "OPTIONS", "/v1/accounts/a", "", "Authorization:", bad, "Access-Control-Request-Method: PATCH")
	require.NotEqual(t, 204, a.code)
	require.Empty(t, a.header.Get("Access-Control-Allow-Origin"))
	a = b.do(t, "GET", "/v1/accounts/a", "", "Authorization: Bearer a.jo", bad)
	require.Empty(t, a.header.Get("Access-Control-Allow-Origin"), "its script does not see the answer")
	for _, header := range []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", bad} {
		a = b.do(t, "POST", "/v1/accounts", "{}", "Authorization: Bearer a.jo", header)
		require.Equal(t, 403, a.code, header)
		require.Equal(t, "PERMISSION_DENIED", a.refused(t).reason(t))
	}
	for _, header := range []string{"Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: none", good} {
		require.Equal(t, 200, b.do(t, "POST", "/v1/accounts", `{"displayName":"x","licenseSeats":1}`, "Authorization: Bearer a.jo", header).code, header)
	}
	require.Equal(t, "max-age=31536000; includeSubDomains", a.header.Get("Strict-Transport-Security"))
	require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"))
	require.Contains(t, a.header.Get("Content-Security-Policy"), "default-src 'none'")
}

// TestHTTP2 shows that HTTPS speaks HTTP/2 and that a renewed certificate is shown without a restart.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	_, target := startFake(t)
	cfg := loopback(target)
	cfg.HTTP.Plaintext = false
	var pool *x509.CertPool
	cfg.HTTP.TLSCertFile, cfg.HTTP.TLSKeyFile, pool = certificate(t)
	b := serve(t, cfg)
	get := func(pool *x509.CertPool) (*http.Response, error) {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.Replace(b.url, "http://", "https://", 1)+"/healthz", nil)
		require.NoError(t, err)
		resp, err := transport.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		return resp, resp.Body.Close()
	}
	resp, err := get(pool)
	require.NoError(t, err)
	require.Equal(t, 2, resp.ProtoMajor)
	require.Equal(t, "max-age=31536000; includeSubDomains", resp.Header.Get("Strict-Transport-Security"))

	next, nextKey, nextPool := certificate(t)
	replaceFile(t, next, cfg.HTTP.TLSCertFile)
	replaceFile(t, nextKey, cfg.HTTP.TLSKeyFile)
	testkit.Eventually(t, 10*time.Second, func() error { _, err := get(nextPool); return err })
}

// TestConnections_TheLongestIdleGo shows that a crowd of idle connections makes room for callers.
func TestConnections_TheLongestIdleGo(t *testing.T) {
	t.Parallel()
	b, _ := guarded(t, func(c *Config) { c.HTTP.MaxConnections = 20 })
	var crowd []net.Conn
	for range 50 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		crowd = append(crowd, conn)
	}
	require.Equal(t, 200, b.do(t, "GET", "/v1/accounts/a", "", "Authorization: Bearer a.jo").code)
	require.NoError(t, crowd[0].SetReadDeadline(time.Now().Add(10*time.Second)))
	_, err := crowd[0].Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "the oldest had to go")
	a := (&testBundle{url: b.ops}).do(t, "GET", "/metrics", "")
	require.Regexp(t, `switchboard_http_connections_shed_total (3[0-9])`, a.body)
	require.Regexp(t, `switchboard_http_connections (1\d|20)\n`, a.body)
}

func replaceFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, data, 0o600))
}
