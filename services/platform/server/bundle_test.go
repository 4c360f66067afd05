package server_test

import (
	"context"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/dynamicpb"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/internal/testsvc"
	"github.com/switchboard-phone/switchboard/services/platform/server"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/logtest"
)

// tokens is a verifier that knows a few tokens.
type tokens map[string]authn.Identity

func (v tokens) Verify(_ context.Context, token string) (authn.Identity, error) {
	if id, ok := v[token]; ok {
		return id, nil
	}
	return authn.Identity{}, errs.New(commonv1.Reason_UNAUTHENTICATED, "the token is not valid")
}

var known = tokens{
	"admin":  {Subject: "ada", Account: "a1", Role: "ADMIN"},
	"member": {Subject: "max", Account: "a1", Role: "MEMBER"},
}

const own, foreign = "accounts/a1/things/t", "accounts/a2/things/t"

// bundle is a running server with a client.
type bundle struct {
	*server.Server
	conn *grpc.ClientConn
	logs *logtest.Buffer
	stop func() error // ends the server and returns what Run did
}

// setup is what a test may change before the server runs.
type setup struct {
	cfg     server.Config
	deps    server.Deps
	handler testsvc.Handler
	prepare func(*server.Server)
	client  server.ClientOptions
}

func run(t *testing.T, change func(*setup)) *bundle {
	t.Helper()
	s := setup{cfg: localConfig(), handler: func(_ context.Context, _ string, req *dynamicpb.Message) (*dynamicpb.Message, error) { return req, nil }}
	b := &bundle{logs: &logtest.Buffer{}}
	log, err := telemetry.NewLogger(b.logs, telemetry.Config{LogFormat: "json", LogLevel: "debug"})
	require.NoError(t, err)
	s.deps = server.Deps{Name: "things", TLS: plain, Verifier: known, Logger: log, AccountCheckedByHandler: []string{testsvc.Full("Own")}}
	s.client.TLS = plain
	s.client.Token = authn.StaticToken("admin")
	if change != nil {
		change(&s)
	}
	b.Server, err = server.New(s.cfg, s.deps)
	require.NoError(t, err)
	testsvc.Register(b.Server, testsvc.Service, s.handler)
	if s.prepare != nil {
		s.prepare(b.Server)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	b.stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { _ = b.stop() })
	if !s.deps.TLS.Plaintext {
		return b // its test dials itself
	}
	b.conn, err = server.Dial(server.ClientConfig{Target: b.Addr()}, s.client)
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.conn.Close() })
	return b
}

func localConfig() server.Config {
	cfg := server.DefaultConfig()
	cfg.Addr, cfg.OpsAddr, cfg.DrainWait = "127.0.0.1:0", "127.0.0.1:0", 0
	return cfg
}

// as returns a context whose calls carry a token instead of the connection's.
func as(ctx context.Context, token string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

func (b *bundle) get(t *testing.T, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+b.OpsAddr()+path, nil)
	require.NoError(t, err)
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}
