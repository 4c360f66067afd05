package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// The lines are those of go-grpc-middleware, whose own interceptor builds and searches a list of fields several times a call:
// an eighth of the processor time of a short one.

// The keys of go-grpc-middleware.
const (
	keyService = "grpc.service"
	keyMethod  = "grpc.method"
	keyPeer    = "peer.address"
	keyCode    = "grpc.code"
	keyError   = "grpc.error"
	keyTime    = "grpc.time_ms"
)

// logUnary writes a line for every call once it has ended.
func (s *Server) logUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	start := time.Now()
	resp, err := handler(ctx, req)
	s.logCall(ctx, info.FullMethod, start, err)
	return resp, err
}

func (s *Server) logStream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	start := time.Now()
	err := handler(srv, ss)
	s.logCall(ss.Context(), info.FullMethod, start, err)
	return err
}

// loggers returns one for each method, which has written service and method beforehand.
func (s *Server) loggers() map[string]*slog.Logger {
	out := map[string]*slog.Logger{}
	for service, info := range s.grpc.GetServiceInfo() {
		for _, m := range info.Methods {
			out["/"+service+"/"+m.Name] = s.log.With(keyService, service, keyMethod, m.Name) //nolint:sloglint // keys of go-grpc-middleware
		}
	}
	return out
}

// logCall writes the line of a call. Health checks would drown the rest, so they are told at level debug.
func (s *Server) logCall(ctx context.Context, method string, start time.Time, err error) {
	code := status.Code(err)
	level := slog.Level(logging.DefaultServerCodeToLevel(code))
	if isHealth(method) {
		level = slog.LevelDebug
	}
	if !s.log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 5)
	if p, ok := peer.FromContext(ctx); ok {
		attrs = append(attrs, slog.String(keyPeer, p.Addr.String())) //nolint:sloglint // a key of go-grpc-middleware
	}
	attrs = append(attrs, slog.String(keyCode, code.String())) //nolint:sloglint // a key of go-grpc-middleware
	if err != nil {
		attrs = append(attrs, slog.String(keyError, err.Error())) //nolint:sloglint // a key of go-grpc-middleware
	}
	if c, ok := ctx.Value(callerKey{}).(*caller); ok {
		attrs = append(attrs, slog.String("caller", c.actor))
	}
	attrs = append(attrs, slog.Float64(keyTime, float64(time.Since(start).Microseconds())/1000)) //nolint:sloglint // a key of go-grpc-middleware
	s.calls[method].LogAttrs(ctx, level, "finished call", attrs...)
}
