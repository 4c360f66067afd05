package telemetry

import (
	"context"
	"log/slog"

	"github.com/google/uuid"
)

// RequestIDHeader is the metadata key (gRPC) and header (HTTP) that carries a request id.
const RequestIDHeader = "x-request-id"

// maxRequestID bounds a request id taken from a caller, in bytes.
const maxRequestID = 128

// call is what a context knows of the call at hand.
type call struct {
	id  string
	log *slog.Logger
}

type callKey struct{}

func callOf(ctx context.Context) call {
	c, _ := ctx.Value(callKey{}).(*call)
	if c == nil {
		return call{}
	}
	return *c
}

// WithCall is WithRequestID and WithLogger.
func WithCall(ctx context.Context, id string, log *slog.Logger) context.Context {
	return context.WithValue(ctx, callKey{}, &call{id: id, log: log})
}

// WithRequestID returns a context that carries a request id, which the loggers of this package add to every line.
func WithRequestID(ctx context.Context, id string) context.Context {
	return WithCall(ctx, id, callOf(ctx).log)
}

// RequestID returns the request id of ctx, or "".
func RequestID(ctx context.Context) string { return callOf(ctx).id }

// NewRequestID returns a fresh request id.
func NewRequestID() string {
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.NewString()
	}
	return id.String()
}

// ValidRequestID says whether an id from a caller may be used: 1 to 128 visible ASCII characters.
func ValidRequestID(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for _, c := range []byte(id) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

// WithLogger returns a context that carries the logger to use for the call at hand.
func WithLogger(ctx context.Context, log *slog.Logger) context.Context {
	return WithCall(ctx, callOf(ctx).id, log)
}

// Logger returns the logger of ctx, or the process's default one.
func Logger(ctx context.Context) *slog.Logger {
	if log := callOf(ctx).log; log != nil {
		return log
	}
	return slog.Default()
}
