package server

import (
	"context"
	"log/slog"
	"sync/atomic"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/mtls"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

func incomingRequestID(ctx context.Context) string {
	return first(metadata.ValueFromIncomingContext(ctx, telemetry.RequestIDHeader))
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func requestIDUnary(log *slog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		ctx, id := requestContext(ctx, log)
		resp, err := handler(ctx, req)
		// An error goes out as trailers only: a client does not repeat a call once it has seen headers.
		send := grpc.SetHeader
		if err != nil {
			send = grpc.SetTrailer
		}
		_ = send(ctx, metadata.Pairs(telemetry.RequestIDHeader, id))
		return resp, err
	}
}

func requestIDStream(log *slog.Logger) grpc.StreamServerInterceptor {
	return func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		ctx, id := requestContext(ss.Context(), log)
		_ = ss.SetHeader(metadata.Pairs(telemetry.RequestIDHeader, id))
		return handler(srv, &stream{ServerStream: ss, ctx: ctx})
	}
}

// guard finds out who calls and lets in who may. The policy is there once all services are registered.
type guard struct {
	verifier  authn.Verifier
	directory authn.Directory
	policy    *atomic.Pointer[authn.Policy]
}

// identify puts the caller into the context: by the token, or without one by the certificate of a service. A service that passes
// a person's token on (the gateway) acts as that person, with no rights of its own. Public methods may be called with any token
// or none: whoever opens a link out of a mail may happen to have one that is out of date.
func (g guard) identify(ctx context.Context, method string) (context.Context, error) {
	header := first(metadata.ValueFromIncomingContext(ctx, "authorization"))
	if g.policy.Load().Public(method) {
		return ctx, nil
	}
	if header == "" {
		service, ok := mtls.Peer(ctx)
		if !ok {
			return ctx, nil
		}
		id := authn.Identity{Service: service}
		noteCaller(ctx, id)
		return authn.NewContext(ctx, id), nil
	}
	token, err := authn.Bearer(header)
	if err != nil {
		return nil, err
	}
	id, err := g.verifier.Verify(ctx, token)
	if err != nil {
		return nil, err
	}
	noteCaller(ctx, id)
	if id, err = authn.Place(ctx, g.directory, id); err != nil {
		return nil, err
	}
	return authn.NewContext(ctx, id), nil
}

func (g guard) identifyUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	ctx, err := g.identify(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

func (g guard) identifyStream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx, err := g.identify(ss.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	return handler(srv, &stream{ServerStream: ss, ctx: ctx})
}

func (g guard) admit(ctx context.Context, method string, req any) error {
	msg, ok := req.(proto.Message)
	if !ok {
		return errs.New(commonv1.Reason_INTERNAL, "internal error")
	}
	return g.policy.Load().Authorize(ctx, method, msg)
}

func (g guard) admitUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	err := g.admit(ctx, info.FullMethod, req)
	if err == nil {
		return handler(ctx, req)
	}
	msg, _ := req.(proto.Message)
	user, ok := g.policy.Load().Own(ctx, info.FullMethod, msg)
	if !ok {
		return nil, err
	}
	ctx, asked := authn.WithOwn(ctx, user)
	resp, handlerErr := handler(ctx, req)
	if handlerErr == nil && !asked() {
		return nil, err // the handler told without looking whose it is
	}
	return resp, handlerErr
}

// admitStream looks at every message that arrives: a server-streaming method gets its one request that way.
func (g guard) admitStream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx := ss.Context()
	return handler(srv, &stream{ServerStream: ss, ctx: ctx, recv: func(m any) error { return g.admit(ctx, info.FullMethod, m) }})
}

func validateUnary(v protovalidate.Validator) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		if err := validate(v, req); err != nil {
			return nil, err
		}
		return handler(ctx, req)
	}
}

func validateStream(v protovalidate.Validator) grpc.StreamServerInterceptor {
	return func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		return handler(srv, &stream{ServerStream: ss, ctx: ss.Context(), recv: func(m any) error { return validate(v, m) }})
	}
}

func validate(v protovalidate.Validator, req any) error {
	msg, ok := req.(proto.Message)
	if !ok {
		return nil
	}
	if err := v.Validate(msg); err != nil {
		return err
	}
	if field := fieldWithNUL(msg.ProtoReflect()); field != "" {
		return errs.New(commonv1.Reason_FIELD_INVALID, "%s: has a NUL character", field).Violation(field, "has a NUL character")
	}
	return nil
}
