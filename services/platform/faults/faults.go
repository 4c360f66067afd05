// Package faults puts failures at named points of the code, so that tests can show what happens when a step fails, or when it
// was carried out and then reported as failed.
//
// A point is a short stable name: an operation of platform/crdb ("license.BeginAssign") or a call to another service
// ("rpc:/switchboard.extension.v1.ExtensionService/AllocateExtensions"). Injectors are handed over by a composition root only;
// there is no flag or environment variable that turns one on.
package faults

import (
	"context"

	"google.golang.org/grpc"
)

// Injector is asked around every named point. Implementations are safe for concurrent use.
type Injector interface {
	// Before runs ahead of the work. An error takes the place of the work, which is then not done at all.
	Before(ctx context.Context, point string) error
	// After runs once the work has been done with the result err. Its return value takes the place of err, so that an
	// injector that changes nothing returns err as it came. A nil err turned into an error is "carried out, then reported
	// as failed".
	After(ctx context.Context, point string, err error) error
}

// Before asks inj, which may be nil.
func Before(ctx context.Context, inj Injector, point string) error {
	if inj == nil {
		return nil
	}
	return inj.Before(ctx, point)
}

// After asks inj, which may be nil.
func After(ctx context.Context, inj Injector, point string, err error) error {
	if inj == nil {
		return err
	}
	return inj.After(ctx, point, err)
}

// RPCPoint names the point of calls to a gRPC method, given its full name ("/package.Service/Method").
func RPCPoint(fullMethod string) string { return "rpc:" + fullMethod }

// UnaryClientInterceptor asks inj around every unary call of a client connection, at the point RPCPoint(method). After sees a
// call that the server has carried out, so an error from there is a lost answer.
func UnaryClientInterceptor(inj Injector) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		point := RPCPoint(method)
		if err := Before(ctx, inj, point); err != nil {
			return err
		}
		return After(ctx, inj, point, invoker(ctx, method, req, reply, cc, opts...))
	}
}
