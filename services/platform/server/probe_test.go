package server_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/switchboard-phone/switchboard/services/platform/server"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

// TestProbes asks as a kubelet does: over gRPC, without TLS and without a token, on the port that has the metrics, too.
func TestProbes(t *testing.T) {
	t.Parallel()
	broken := make(chan error, 1)
	entered, release := make(chan struct{}), make(chan struct{})
	b := run(t, func(s *setup) {
		s.handler = func(_ context.Context, _ string, req *dynamicpb.Message) (*dynamicpb.Message, error) {
			close(entered)
			<-release
			return req, nil
		}
		s.prepare = func(srv *server.Server) {
			srv.AddCheck("database", func(context.Context) error { err := <-broken; broken <- err; return err })
		}
	})
	broken <- nil
	conn, err := grpc.NewClient(b.OpsAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	probe := func(service string) healthpb.HealthCheckResponse_ServingStatus {
		resp, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
		require.NoError(t, err)
		return resp.GetStatus()
	}
	const yes, no = healthpb.HealthCheckResponse_SERVING, healthpb.HealthCheckResponse_NOT_SERVING
	testkit.Eventually(t, 10*time.Second, func() error {
		if probe(server.Readiness) != yes {
			return errors.New("not ready")
		}
		return nil
	})
	require.Equal(t, yes, probe(server.Liveness))
	_, err = healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{Service: "misspelt"})
	require.Equal(t, codes.NotFound, status.Code(err))

	<-broken
	broken <- errors.New("the database is away")
	require.Equal(t, no, probe(server.Readiness))
	require.Equal(t, yes, probe(server.Liveness), "not being ready is no reason to be restarted")
	<-broken
	broken <- nil
	require.Equal(t, yes, probe(server.Readiness))

	call := make(chan error, 1)
	go func() { _, err := b.unary("Get", own)(context.Background()); call <- err }()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- b.stop() }()
	testkit.Eventually(t, 10*time.Second, func() error {
		if probe(server.Readiness) != no {
			return errors.New("it does not say that it drains")
		}
		return nil
	})
	require.Equal(t, yes, probe(server.Liveness), "what drains is not to be killed")
	close(release)
	require.NoError(t, <-call)
	require.NoError(t, <-stopped)
}
