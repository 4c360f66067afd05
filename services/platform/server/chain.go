package server

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"

	"buf.build/go/protovalidate"
	grpcprom "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/mtls"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

// Order is the order of the interceptors, outermost first; spans are made ahead of all of them. Why so:
//   - recovery is the last resort against panics of what follows; those of handlers are caught by "errors" already, so that
//     metrics and logs see them as the errors they become;
//   - the request id is there before anything is logged;
//   - metrics and logs see the status that the caller gets, refusals included, so "errors" is inside of them;
//   - the deadline covers verification of the token too;
//   - access is decided once the caller is known, and before anything of the request is judged, so that a stranger learns
//     nothing, not even whether the request would have been valid.
var Order = []string{"recovery", "request-id", "metrics", "logging", "deadline", "errors", "authentication", "access", "validation"}

// link is one interceptor in both its forms.
type link struct {
	name   string
	unary  grpc.UnaryServerInterceptor
	stream grpc.StreamServerInterceptor
}

// chain builds the interceptors of s.
func (s *Server) chain(metrics *grpcprom.ServerMetrics, validator protovalidate.Validator) []link {
	recovered := recovery.WithRecoveryHandlerContext(func(ctx context.Context, p any) error { return s.panicked(ctx, p) })
	traced := grpcprom.WithExemplarFromContext(telemetry.Exemplar)
	guard := guard{verifier: s.deps.Verifier, directory: s.deps.Directory, policy: &s.policy}
	return []link{
		{"recovery", recovery.UnaryServerInterceptor(recovered), recovery.StreamServerInterceptor(recovered)},
		{"request-id", requestIDUnary(s.log), requestIDStream(s.log)},
		{"metrics", metrics.UnaryServerInterceptor(traced), metrics.StreamServerInterceptor(traced)},
		{"logging", s.logUnary, s.logStream},
		{"deadline", deadlineUnary(s.cfg), s.deadlineStream},
		{"errors", s.errorsUnary, s.errorsStream},
		{"authentication", guard.identifyUnary, guard.identifyStream},
		{"access", guard.admitUnary, guard.admitStream},
		{"validation", validateUnary(validator), validateStream(validator)},
	}
}

// install checks the order and turns the links into server options.
func install(links []link) ([]grpc.ServerOption, error) {
	var names []string
	var unary []grpc.UnaryServerInterceptor
	var stream []grpc.StreamServerInterceptor
	for _, l := range links {
		if l.unary == nil || l.stream == nil {
			return nil, fmt.Errorf("interceptor %s lacks one of its forms", l.name)
		}
		names, unary, stream = append(names, l.name), append(unary, l.unary), append(stream, l.stream)
	}
	if !slices.Equal(names, Order) {
		return nil, fmt.Errorf("interceptors are in the order %v instead of %v", names, Order)
	}
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(unary...), grpc.ChainStreamInterceptor(stream...)}, nil
}

// panicked logs a panic and returns what the caller sees of it.
func (s *Server) panicked(ctx context.Context, p any) error {
	s.log.ErrorContext(ctx, "panic", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	s.panics.Inc()
	return errs.Internal(ctx)
}

// errorsUnary is the boundary: panics and errors from inside become the status that the caller sees.
func (s *Server) errorsUnary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = s.panicked(ctx, p)
		}
		if err != nil {
			s.audit(ctx, err)
			resp, err = nil, errs.ToStatus(ctx, err).Err()
		}
	}()
	return handler(ctx, req)
}

func (s *Server) errorsStream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = s.panicked(ss.Context(), p)
		}
		if err != nil {
			s.audit(ss.Context(), err)
			err = errs.ToStatus(ss.Context(), err).Err()
		}
	}()
	return handler(srv, ss)
}

// audit tells of a call that was refused because of who made it. Nothing of a token or a body is told.
func (s *Server) audit(ctx context.Context, err error) {
	reason := errs.Reason(err)
	if reason != commonv1.Reason_PERMISSION_DENIED && reason != commonv1.Reason_UNAUTHENTICATED {
		return
	}
	method, _ := grpc.Method(ctx)
	s.refused.WithLabelValues(method, reason.String()).Inc()
	attrs := []any{"audit", true, "method", method, "reason", reason.String()}
	if c, ok := ctx.Value(callerKey{}).(*caller); ok {
		attrs = append(attrs, "caller", c.actor, "account", c.account)
	}
	if p, ok := peer.FromContext(ctx); ok {
		attrs = append(attrs, "address", p.Addr.String())
	}
	if name, ok := mtls.Peer(ctx); ok {
		attrs = append(attrs, "through", name)
	}
	s.log.WarnContext(ctx, "call refused", attrs...)
}

// callerKey holds a *caller that the outer interceptors make and the inner ones fill.
type callerKey struct{}

type caller struct{ actor, account string }

func noteCaller(ctx context.Context, id authn.Identity) {
	if c, ok := ctx.Value(callerKey{}).(*caller); ok {
		c.actor, c.account = id.Actor(), id.Account
	}
}

// deadlineUnary gives calls a deadline and cuts those that ask for too much time.
func deadlineUnary(cfg Config) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		limit := cfg.MaxDeadline
		if _, has := ctx.Deadline(); !has {
			limit = cfg.DefaultDeadline
		}
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return handler(ctx, req)
	}
}

// deadlineStream bounds a streaming call, and ends it when the server drains: it could hold the end up for long.
func (s *Server) deadlineStream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx, cancel := context.WithTimeout(ss.Context(), s.cfg.StreamDeadline)
	defer cancel()
	defer context.AfterFunc(s.streams, cancel)()
	err := handler(srv, &stream{ServerStream: ss, ctx: ctx})
	if err != nil && s.streams.Err() != nil && ss.Context().Err() == nil {
		return errs.New(commonv1.Reason_UNAVAILABLE, "the server is about to end; repeat the call").GRPCStatus().Err()
	}
	return err
}

// stream is a server stream with another context, and optionally a look at every message that arrives.
type stream struct {
	grpc.ServerStream
	ctx  context.Context
	recv func(m any) error
}

// Context implements grpc.ServerStream.
func (s *stream) Context() context.Context { return s.ctx }

// RecvMsg implements grpc.ServerStream.
func (s *stream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil || s.recv == nil {
		return err
	}
	return s.recv(m)
}

// requestContext takes the caller's request id, or makes one, and prepares the context for what follows.
func requestContext(ctx context.Context, log *slog.Logger) (context.Context, string) {
	id := incomingRequestID(ctx)
	if !telemetry.ValidRequestID(id) {
		id = telemetry.NewRequestID()
	}
	ctx = telemetry.WithCall(ctx, id, log)
	telemetry.MarkSpan(ctx)
	return context.WithValue(ctx, callerKey{}, &caller{actor: authn.Identity{}.Actor()}), id
}
