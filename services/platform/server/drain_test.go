package server_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/dynamicpb"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/internal/testsvc"
	"github.com/switchboard-phone/switchboard/services/platform/server"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

// events is what happened, in order.
type events struct {
	mu   sync.Mutex
	list []string
}

func (e *events) add(s string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, s)
}

func (e *events) all() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.list...)
}

func TestDrainLetsCallsEndAndClosesInReverse(t *testing.T) {
	t.Parallel()
	var log events
	entered, release := make(chan struct{}), make(chan struct{})
	b := run(t, func(s *setup) {
		s.cfg.DrainWait = 300 * time.Millisecond
		s.handler = func(_ context.Context, method string, req *dynamicpb.Message) (*dynamicpb.Message, error) {
			if method == "Get" {
				close(entered)
				<-release
				log.add("call ended")
			}
			return req, nil
		}
		s.prepare = func(srv *server.Server) {
			srv.Go("worker", func(ctx context.Context) error { <-ctx.Done(); log.add("worker ended"); return ctx.Err() })
			srv.OnClose("pool", func(context.Context) error { log.add("pool closed"); return nil })
			srv.OnClose("leases", func(context.Context) error { log.add("leases given back"); return nil })
		}
	})
	call := make(chan error, 1)
	go func() { _, err := b.unary("Get", own)(context.Background()); call <- err }()
	<-entered

	stopped := make(chan error, 1)
	go func() { stopped <- b.stop() }()
	testkit.Eventually(t, 5*time.Second, func() error {
		if code, _ := b.get(t, "/readyz"); code != http.StatusServiceUnavailable {
			return errors.New("still ready")
		}
		return nil
	})
	resp, err := healthpb.NewHealthClient(b.conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
	require.NoError(t, err)
	require.Equal(t, healthpb.HealthCheckResponse_NOT_SERVING, resp.GetStatus(), "it says so…")
	_, err = b.unary("Public", "")(t.Context())
	require.NoError(t, err, "…and still takes calls of those who have not heard yet")

	testkit.Eventually(t, 5*time.Second, func() error {
		if _, err := b.unary("Public", "")(t.Context()); status.Code(err) != codes.Unavailable {
			return errors.New("it still takes new calls")
		}
		return nil
	})
	require.Empty(t, log.all(), "the call under way holds the end up")
	close(release)
	require.NoError(t, <-call, "and gets its answer")
	require.NoError(t, <-stopped)
	require.Equal(t, []string{"call ended", "worker ended", "leases given back", "pool closed"}, log.all())
}

func TestDrainCutsCallsThatDoNotEnd(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	b := run(t, func(s *setup) {
		s.cfg.DrainTimeout = 100 * time.Millisecond
		s.handler = func(ctx context.Context, _ string, _ *dynamicpb.Message) (*dynamicpb.Message, error) {
			close(entered)
			<-ctx.Done()
			return nil, ctx.Err()
		}
	})
	call := make(chan error, 1)
	go func() { _, err := b.unary("Get", own)(context.Background()); call <- err }()
	<-entered
	require.NoError(t, b.stop())
	require.Error(t, <-call)
}

func TestDrainEndsStreams(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	b := run(t, func(s *setup) {
		s.cfg.DrainTimeout = time.Hour
		s.client.Token = authn.StaticToken("member")
		s.handler = func(ctx context.Context, _ string, _ *dynamicpb.Message) (*dynamicpb.Message, error) {
			close(entered)
			<-ctx.Done()
			return nil, ctx.Err()
		}
	})
	call := make(chan error, 1)
	go func() { _, err := b.watch(own)(context.Background()); call <- err }()
	<-entered
	require.NoError(t, b.stop())
	require.Equal(t, commonv1.Reason_UNAVAILABLE, errs.Reason(<-call))
}

func TestEndBeforeTheBeginning(t *testing.T) {
	t.Parallel()
	s, err := server.New(localConfig(), server.Deps{Name: "things", TLS: plain, Verifier: known, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, s.Run(ctx))
}

func TestFailingWorkerEndsTheServer(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, work := range map[string]func(context.Context) error{
		"error": func(context.Context) error { return broken },
		"panic": func(context.Context) error { panic("oh") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := server.New(localConfig(), server.Deps{Name: "things", TLS: plain, Verifier: known, Logger: slog.New(slog.DiscardHandler), AccountCheckedByHandler: []string{testsvc.Full("Own")}})
			require.NoError(t, err)
			testsvc.Register(s, testsvc.Service, nil)
			closed := false
			s.OnClose("pool", func(context.Context) error { closed = true; return nil })
			s.Go("quiet", func(context.Context) error { return nil })
			s.Go("reconciler", work)
			err = s.Run(t.Context())
			require.ErrorContains(t, err, "reconciler")
			if name == "error" {
				require.ErrorIs(t, err, broken)
			}
			require.True(t, closed)
		})
	}
}

func TestCloseOfServerThatNeverRan(t *testing.T) {
	t.Parallel()
	s, err := server.New(localConfig(), server.Deps{Name: "things", TLS: plain, Verifier: known})
	require.NoError(t, err)
	broken := errors.New("broken")
	s.OnClose("pool", func(context.Context) error { return broken })
	require.ErrorIs(t, s.Close(), broken)
	again, err := server.New(server.Config{
		Addr: s.Addr(), OpsAddr: s.OpsAddr(), MaxRecvBytes: 1, MaxConcurrentStreams: 1, MaxConnectionAge: 1, DefaultDeadline: 1, MaxDeadline: 1, StreamDeadline: 1, DrainTimeout: 1,
	}, server.Deps{Name: "things", TLS: plain, Verifier: known})
	require.NoError(t, err, "its ports are free again")
	require.NoError(t, again.Close())
}
