package server_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/dynamicpb"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/internal/testsvc"
	"github.com/switchboard-phone/switchboard/services/platform/mtls"
	"github.com/switchboard-phone/switchboard/services/platform/server"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

func TestCallsAreAuthenticatedAdmittedAndValidatedInThisOrder(t *testing.T) {
	t.Parallel()
	b := run(t, func(s *setup) { s.client.Token = nil })
	long := strings.Repeat("x", 200)
	for name, c := range map[string]struct {
		token string
		call  func(ctx context.Context) (*dynamicpb.Message, error)
		want  commonv1.Reason
	}{
		"admin":                      {"admin", b.unary("Get", own), commonv1.Reason_REASON_UNSPECIFIED},
		"no token":                   {"", b.unary("Get", own), commonv1.Reason_UNAUTHENTICATED},
		"a bad token":                {"rotten", b.unary("Get", own), commonv1.Reason_UNAUTHENTICATED},
		"another account":            {"admin", b.unary("Get", foreign), commonv1.Reason_PERMISSION_DENIED},
		"a stranger's bad request":   {"admin", b.unary("Get", foreign+long), commonv1.Reason_PERMISSION_DENIED},
		"a bad request":              {"admin", b.unary("Get", own+long), commonv1.Reason_FIELD_INVALID},
		"public, no token":           {"", b.unary("Public", ""), commonv1.Reason_REASON_UNSPECIFIED},
		"public, a bad token":        {"rotten", b.unary("Public", ""), commonv1.Reason_REASON_UNSPECIFIED},
		"public, a bad request":      {"", b.unary("Public", long), commonv1.Reason_FIELD_INVALID},
		"stream":                     {"member", b.watch(own), commonv1.Reason_REASON_UNSPECIFIED},
		"stream, no token":           {"", b.watch(own), commonv1.Reason_UNAUTHENTICATED},
		"stream, another account":    {"member", b.watch(foreign), commonv1.Reason_PERMISSION_DENIED},
		"stream, another role":       {"admin", b.watch(own), commonv1.Reason_PERMISSION_DENIED},
		"stream, a bad request":      {"member", b.watch(own + long), commonv1.Reason_FIELD_INVALID},
		"stream, stranger, bad name": {"member", b.watch(foreign + long), commonv1.Reason_PERMISSION_DENIED},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			if c.token != "" {
				ctx = as(ctx, c.token)
			}
			_, err := c.call(ctx)
			require.Equal(t, c.want, errs.Reason(err), "%v", err)
			if c.want == commonv1.Reason_REASON_UNSPECIFIED {
				require.NoError(t, err)
			}
			if c.want == commonv1.Reason_FIELD_INVALID {
				e, _ := errs.From(err)
				require.Len(t, e.Violations(), 1)
				require.Equal(t, "name", e.Violations()[0].GetField())
			}
		})
	}
}

func (b *bundle) unary(method, name string) func(context.Context) (*dynamicpb.Message, error) {
	return func(ctx context.Context) (*dynamicpb.Message, error) {
		return testsvc.Call(ctx, b.conn, method, testsvc.New(testsvc.Name(name)))
	}
}

func (b *bundle) watch(name string) func(context.Context) (*dynamicpb.Message, error) {
	return func(ctx context.Context) (*dynamicpb.Message, error) {
		return testsvc.Watch(ctx, b.conn, testsvc.New(testsvc.Name(name)))
	}
}

func TestRequestIDTravels(t *testing.T) {
	t.Parallel()
	b := run(t, func(s *setup) {
		s.handler = func(ctx context.Context, _ string, _ *dynamicpb.Message) (*dynamicpb.Message, error) {
			telemetry.Logger(ctx).InfoContext(ctx, "from the handler")
			return testsvc.New(testsvc.Name(telemetry.RequestID(ctx))), nil
		}
	})
	call := func(ctx context.Context) (inside, back string) {
		var header metadata.MD
		resp, err := testsvc.Call(ctx, b.conn, "Get", testsvc.New(testsvc.Name(own)), grpc.Header(&header))
		require.NoError(t, err)
		return testsvc.NameOf(resp), header.Get(telemetry.RequestIDHeader)[0]
	}
	inside, back := call(telemetry.WithRequestID(t.Context(), "from-the-caller"))
	require.Equal(t, "from-the-caller", inside, "a client passes the id of its context on")
	require.Equal(t, "from-the-caller", back)
	require.Contains(t, b.logs.String(), `"msg":"from the handler","service":"things","request_id":"from-the-caller"`)

	var trailer metadata.MD
	_, err := testsvc.Call(telemetry.WithRequestID(t.Context(), "refused"), b.conn, "Get", testsvc.New(testsvc.Name(foreign)), grpc.Trailer(&trailer))
	require.Error(t, err)
	require.Equal(t, []string{"refused"}, trailer.Get(telemetry.RequestIDHeader), "with an error it comes at the end")

	inside, back = call(t.Context())
	require.NotEmpty(t, inside, "one is made")
	require.Equal(t, inside, back)
	for _, bad := range []string{"with space", strings.Repeat("x", 200)} {
		inside, _ = call(telemetry.WithRequestID(t.Context(), bad))
		require.NotEqual(t, bad, inside)
	}
}

func TestHandlerErrorsAreMapped(t *testing.T) {
	t.Parallel()
	const secret = "duplicate key value (number)=('4711')"
	fail := map[string]error{
		"Get":      errs.New(commonv1.Reason_EXTENSION_IN_USE, "taken").With("number", "4711").Violation("names[3]", "taken").RetryAfter(time.Second),
		"Update":   fmt.Errorf("store: %w", &pgconn.PgError{Code: "XX000", Message: secret}),
		"Internal": nil,
		"Batch":    fmt.Errorf("store: %w", &pgconn.ConnectError{}),
	}
	b := run(t, func(s *setup) {
		s.handler = func(_ context.Context, method string, req *dynamicpb.Message) (*dynamicpb.Message, error) {
			return req, fail[method]
		}
	})
	_, err := testsvc.Call(t.Context(), b.conn, "Get", testsvc.New(testsvc.Name(own)))
	require.Equal(t, codes.AlreadyExists, status.Code(err))
	require.Len(t, status.Convert(err).Details(), 3)

	ctx := telemetry.WithRequestID(t.Context(), "find-me")
	_, err = testsvc.Call(ctx, b.conn, "Update", testsvc.New(testsvc.Thing(own)))
	require.Equal(t, codes.Internal, status.Code(err))
	require.NotContains(t, fmt.Sprint(status.Convert(err).Proto()), "4711", "no text of the driver")
	info, ok := status.Convert(err).Details()[0].(*errdetails.ErrorInfo)
	require.True(t, ok)
	require.Equal(t, map[string]string{"request_id": "find-me"}, info.GetMetadata())
	require.Contains(t, b.logs.String(), "4711", "but the log has it")

	_, err = testsvc.Call(t.Context(), b.conn, "Batch", testsvc.New(testsvc.Parent("accounts/a1")))
	require.Equal(t, commonv1.Reason_UNAVAILABLE, errs.Reason(err))
}

func TestPanicsBecomeInternalErrors(t *testing.T) {
	t.Parallel()
	b := run(t, func(s *setup) {
		s.handler = func(context.Context, string, *dynamicpb.Message) (*dynamicpb.Message, error) {
			panic("a secret of ours")
		}
	})
	ctx := telemetry.WithRequestID(t.Context(), "panic-1")
	_, unary := testsvc.Call(ctx, b.conn, "Get", testsvc.New(testsvc.Name(own)))
	_, public := testsvc.Call(ctx, b.conn, "Public", testsvc.New())
	for _, err := range []error{unary, public} {
		e, ok := errs.From(err)
		require.True(t, ok)
		require.Equal(t, commonv1.Reason_INTERNAL, e.Reason())
		require.Equal(t, "panic-1", e.Metadata()["request_id"])
		require.NotContains(t, err.Error(), "secret")
	}
	require.Contains(t, b.logs.String(), "a secret of ours")
	_, text := b.get(t, "/metrics")
	require.Contains(t, text, "switchboard_panics_total 2")
	require.Contains(t, text, `grpc_code="Internal",grpc_method="Get"`, "the metrics see what became of it")
}

func TestStreamPanicBecomesInternalError(t *testing.T) {
	t.Parallel()
	b := run(t, func(s *setup) {
		s.client.Token = authn.StaticToken("member")
		s.handler = func(context.Context, string, *dynamicpb.Message) (*dynamicpb.Message, error) { panic("oh") }
	})
	_, err := b.watch(own)(t.Context())
	require.Equal(t, commonv1.Reason_INTERNAL, errs.Reason(err))
}

func TestOneLogLinePerCallWithoutSecrets(t *testing.T) {
	t.Parallel()
	b := run(t, nil)
	_, err := testsvc.Call(t.Context(), b.conn, "Get", testsvc.New(testsvc.Name(own)))
	require.NoError(t, err)
	_, err = testsvc.Call(t.Context(), b.conn, "Get", testsvc.New(testsvc.Name(foreign)))
	require.Error(t, err)
	require.NoError(t, b.stop())
	var calls []string
	for line := range strings.Lines(b.logs.String()) {
		if strings.Contains(line, `"grpc.method":"Get"`) {
			calls = append(calls, line)
		}
	}
	require.Len(t, calls, 2)
	require.Contains(t, calls[0], `"caller":"user:ada"`)
	require.Contains(t, calls[0], `"grpc.code":"OK"`)
	require.Contains(t, calls[0], `"request_id"`)
	require.Contains(t, calls[1], `"grpc.code":"PermissionDenied"`)
	require.NotContains(t, b.logs.String(), "Bearer")
	require.NotContains(t, b.logs.String(), own, "no bodies")
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	b := run(t, func(s *setup) {
		s.cfg.DefaultDeadline, s.cfg.MaxDeadline, s.cfg.StreamDeadline = time.Minute, 2*time.Minute, 3*time.Minute
		s.client.Token = authn.StaticToken("member")
		s.handler = func(ctx context.Context, _ string, _ *dynamicpb.Message) (*dynamicpb.Message, error) {
			deadline, _ := ctx.Deadline()
			return testsvc.New(testsvc.Name(time.Until(deadline).Round(time.Minute).String())), nil
		}
	})
	// A bare connection: ours gives every call a deadline itself.
	conn, err := grpc.NewClient(b.Addr(), insecureOption())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	left := func(ctx context.Context) string {
		resp, err := testsvc.Call(ctx, conn, "Public", testsvc.New())
		require.NoError(t, err)
		return testsvc.NameOf(resp)
	}
	require.Equal(t, "1m0s", left(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	require.Equal(t, "2m0s", left(ctx))
	resp, err := b.watch(own)(t.Context())
	require.NoError(t, err)
	require.Equal(t, "3m0s", testsvc.NameOf(resp))
}

func TestServerRefusesToStartUnguarded(t *testing.T) {
	t.Parallel()
	closed := false
	s, err := server.New(localConfig(), server.Deps{Name: "things", TLS: plain, Verifier: known, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	testsvc.Register(s, testsvc.Unguarded, nil)
	s.OnClose("database", func(context.Context) error { closed = true; return nil })
	err = s.Run(t.Context())
	require.ErrorContains(t, err, testsvc.Unguarded+"/Get")
	require.True(t, closed)
}

func TestNewRefusesNonsense(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*server.Config, *server.Deps){
		"no name":                  func(_ *server.Config, d *server.Deps) { d.Name = "" },
		"no verifier":              func(_ *server.Config, d *server.Deps) { d.Verifier = nil },
		"no deadline":              func(c *server.Config, _ *server.Deps) { c.DefaultDeadline = 0 },
		"max below default":        func(c *server.Config, _ *server.Deps) { c.MaxDeadline = time.Second },
		"no message size":          func(c *server.Config, _ *server.Deps) { c.MaxRecvBytes = 0 },
		"negative wait":            func(c *server.Config, _ *server.Deps) { c.DrainWait = -1 },
		"no TLS, not by word":      func(_ *server.Config, d *server.Deps) { d.TLS = mtls.DefaultConfig() },
		"certificate without key":  func(_ *server.Config, d *server.Deps) { d.TLS = mtls.Config{CertFile: "x", CAFile: "x"} },
		"a certificate not there":  func(_ *server.Config, d *server.Deps) { d.TLS = mtls.Config{CertFile: "x", KeyFile: "y", CAFile: "z"} },
		"authority alone":          func(_ *server.Config, d *server.Deps) { d.TLS = mtls.Config{CAFile: "x"} },
		"an address not ours":      func(c *server.Config, _ *server.Deps) { c.Addr = "192.0.2.1:1" },
		"an ops address not ours":  func(c *server.Config, _ *server.Deps) { c.OpsAddr = "192.0.2.1:1" },
		"an address without sense": func(c *server.Config, _ *server.Deps) { c.Addr = "nonsense" },
	} {
		cfg, deps := localConfig(), server.Deps{Name: "things", TLS: plain, Verifier: known}
		change(&cfg, &deps)
		_, err := server.New(cfg, deps)
		require.Error(t, err, name)
	}
}

func TestReadinessFollowsChecks(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var broken error
	set := func(err error) { mu.Lock(); defer mu.Unlock(); broken = err }
	b := run(t, func(s *setup) {
		s.prepare = func(srv *server.Server) {
			srv.AddCheck("database", func(context.Context) error { mu.Lock(); defer mu.Unlock(); return broken })
		}
	})
	serving := func(want healthpb.HealthCheckResponse_ServingStatus) func() error {
		return func() error {
			resp, err := healthpb.NewHealthClient(b.conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
			if err == nil && resp.GetStatus() != want {
				err = errors.New(resp.GetStatus().String())
			}
			return err
		}
	}
	testkit.Eventually(t, 10*time.Second, serving(healthpb.HealthCheckResponse_SERVING))
	code, _ := b.get(t, "/readyz")
	require.Equal(t, http.StatusOK, code)
	set(errors.New("password=hunter2"))
	code, body := b.get(t, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Contains(t, body, "database")
	require.NotContains(t, body, "hunter2")
	testkit.Eventually(t, 10*time.Second, serving(healthpb.HealthCheckResponse_NOT_SERVING))
	code, _ = b.get(t, "/livez")
	require.Equal(t, http.StatusOK, code, "not being ready is no reason to be restarted")
	set(nil)
	testkit.Eventually(t, 10*time.Second, serving(healthpb.HealthCheckResponse_SERVING))
}

func TestOpsPort(t *testing.T) {
	t.Parallel()
	b := run(t, func(s *setup) {
		s.deps.DebugConfig = struct {
			URL  string `koanf:"url" secret:"true"`
			Name string `koanf:"name"`
		}{"postgresql://jo:hunter2@db", "things"}
	})
	_, err := testsvc.Call(t.Context(), b.conn, "Get", testsvc.New(testsvc.Name(own)))
	require.NoError(t, err)
	code, body := b.get(t, "/metrics")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, `grpc_server_handled_total{grpc_code="OK",grpc_method="Get",grpc_service="switchboard.testsvc.v1.Things",grpc_type="unary"} 1`)
	require.Contains(t, body, `switchboard_build_info{`)
	code, body = b.get(t, "/debug/config")
	require.Equal(t, http.StatusOK, code)
	require.JSONEq(t, `{"url":"(redacted)","name":"things"}`, body)
	code, _ = b.get(t, "/debug/pprof/goroutine?debug=1")
	require.Equal(t, http.StatusOK, code)
	code, _ = b.get(t, "/elsewhere")
	require.Equal(t, http.StatusNotFound, code)
}
