package server

import (
	"context"
	"net/http"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// The services that the ops port knows by the gRPC health protocol (grpc.health.v1), for probes of a cluster: they can do no TLS, which the
// port of callers requires.
const (
	// Liveness is SERVING as long as the process answers, whatever its dependencies do: being restarted would not bring those back.
	Liveness = "liveness"
	// Readiness is SERVING while the server takes calls and its checks agree; see Ready.
	Readiness = "readiness"
)

// probes implements grpc.health.v1.
type probes struct {
	healthpb.UnimplementedHealthServer

	ready func(context.Context) error
}

// Check implements healthpb.HealthServer.
func (p probes) Check(ctx context.Context, req *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	answer := &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}
	switch req.GetService() {
	case Liveness:
	case Readiness:
		if p.ready(ctx) != nil {
			answer.Status = healthpb.HealthCheckResponse_NOT_SERVING
		}
	default:
		return nil, status.Errorf(codes.NotFound, "%s and %s are known here", Liveness, Readiness)
	}
	return answer, nil
}

// withProbes answers probes, and leaves all else to next. It needs a server that takes HTTP/2 without TLS: see opsProtocols.
func withProbes(next http.Handler, ready func(context.Context) error) http.Handler {
	g := grpc.NewServer()
	healthpb.RegisterHealthServer(g, probes{ready: ready})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
			g.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// opsProtocols are those of the ops port: HTTP for people and Prometheus, HTTP/2 for gRPC, both without TLS.
func opsProtocols() *http.Protocols {
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	return &p
}
