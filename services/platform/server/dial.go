package server

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	grpcprom "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
	"github.com/switchboard-phone/switchboard/services/platform/mtls"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

// ClientConfig is how to reach another service.
type ClientConfig struct {
	// Target is the service's address in gRPC's form, for example "dns:///extension:8443" or "127.0.0.1:8443".
	Target string `koanf:"target"`
	// Timeout is given to calls whose context has no deadline. Default 10 s.
	Timeout time.Duration `koanf:"timeout"`
	// MaxRecvBytes bounds an answer. Default 16 MiB.
	MaxRecvBytes int `koanf:"max_recv_bytes"`
}

// ClientOptions are the parts that a composition root hands over. All but the first two may be left out.
type ClientOptions struct {
	// Service is the name of the service that is called; it must prove to be that one.
	Service string
	// TLS is the identity of this process.
	TLS mtls.Config
	// Idempotent lists the methods ("/package.Service/Method", or "/package.Service/" for all of a service) that are repeated
	// after UNAVAILABLE, up to four times in all and within the call's deadline. Nothing else is.
	Idempotent []string
	// Token is shown with every call, for tests and tools.
	Token credentials.PerRPCCredentials
	// Logger is told when certificates are renewed. Default: slog.Default.
	Logger *slog.Logger
	// Registerer gets the metrics.
	Registerer prometheus.Registerer
	// TracerProvider makes spans of calls.
	TracerProvider trace.TracerProvider
	// Faults is asked around every unary call.
	Faults faults.Injector
	// Extra gRPC options, for what ClientConfig does not cover.
	Extra []grpc.DialOption
}

// reconnect is how soon an address that was lost is tried again. gRPC's own waits grow to two minutes, during which a service
// that has long come back would still be refused to callers.
var reconnect = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 3 * time.Second},
	MinConnectTimeout: 5 * time.Second,
}

// Dial returns a connection to another service. It connects when it is first used and spreads calls over all addresses of the
// target. Calls carry the request id of their context, and a deadline a little shorter than the context's (see Shave).
func Dial(cfg ClientConfig, opts ClientOptions) (*grpc.ClientConn, error) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.MaxRecvBytes <= 0 {
		cfg.MaxRecvBytes = 16 << 20
	}
	serviceConfig, err := retryConfig(opts.Idempotent)
	if err != nil {
		return nil, err
	}
	creds, err := mtls.Client(opts.TLS, opts.Service, opts.Logger)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", cfg.Target, err)
	}
	unary := []grpc.UnaryClientInterceptor{shaveUnary(cfg.Timeout), forwardUnary}
	stream := []grpc.StreamClientInterceptor{forwardStream}
	if r, ok := opts.Registerer.(*prometheus.Registry); opts.Registerer != nil && (!ok || r != nil) {
		m := register(opts.Registerer, grpcprom.NewClientMetrics(grpcprom.WithClientHandlingTimeHistogram()))
		unary, stream = append(unary, m.UnaryClientInterceptor()), append(stream, m.StreamClientInterceptor())
	}
	if opts.Faults != nil {
		unary = append(unary, faults.UnaryClientInterceptor(opts.Faults))
	}
	dial := []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(cfg.MaxRecvBytes)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 10 * time.Second}),
		grpc.WithConnectParams(reconnect),
		grpc.WithChainUnaryInterceptor(unary...), grpc.WithChainStreamInterceptor(stream...),
	}
	if opts.Token != nil {
		dial = append(dial, grpc.WithPerRPCCredentials(opts.Token))
	}
	if opts.TracerProvider != nil {
		dial = append(dial, grpc.WithStatsHandler(otelgrpc.NewClientHandler(
			otelgrpc.WithTracerProvider(opts.TracerProvider), otelgrpc.WithPropagators(telemetry.Propagator))))
	}
	conn, err := grpc.NewClient(cfg.Target, append(dial, opts.Extra...)...)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", cfg.Target, err)
	}
	return conn, nil
}

// retryConfig is gRPC's service config.
func retryConfig(idempotent []string) (string, error) {
	type name struct {
		Service string `json:"service"`
		Method  string `json:"method,omitempty"`
	}
	cfg := map[string]any{"loadBalancingConfig": []any{map[string]any{"round_robin": map[string]any{}}}}
	var names []name
	for _, full := range idempotent {
		service, method, ok := strings.Cut(strings.TrimPrefix(full, "/"), "/")
		if !ok || service == "" {
			return "", fmt.Errorf("%q is not a method name", full)
		}
		names = append(names, name{service, method})
	}
	if len(names) > 0 {
		cfg["methodConfig"] = []any{map[string]any{"name": names, "retryPolicy": map[string]any{
			"maxAttempts": 4, "initialBackoff": "0.05s", "maxBackoff": "1s", "backoffMultiplier": 3,
			"retryableStatusCodes": []string{"UNAVAILABLE"},
		}}}
	}
	b, err := json.Marshal(cfg)
	return string(b), err
}

const (
	// shaveLeast is what a call leaves to its caller at least, to deal with the answer or the lack of one.
	shaveLeast = 20 * time.Millisecond
	// shaveRefuse is the time below which a call is not made at all.
	shaveRefuse = 5 * time.Millisecond
)

// Shave returns a context for a call to another service. Its deadline lies before that of ctx by a twentieth of the time left,
// at least 20 ms, so that an answer DEADLINE_EXCEEDED still finds its caller there. It refuses with DEADLINE_EXCEEDED when
// next to nothing would be left. Without a deadline in ctx, timeout is the deadline.
func Shave(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		return ctx, cancel, nil
	}
	left := time.Until(deadline)
	left -= max(left/20, shaveLeast)
	if left < shaveRefuse {
		return nil, nil, errs.New(commonv1.Reason_DEADLINE_EXCEEDED, "too little time is left to call another service")
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	return ctx, cancel, nil
}

func shaveUnary(timeout time.Duration) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		ctx, cancel, err := Shave(ctx, timeout)
		if err != nil {
			return err
		}
		defer cancel()
		return invoker(ctx, method, req, reply, cc, opts...)
	}
}

// forward hands the request id on.
func forward(ctx context.Context) context.Context {
	if id := telemetry.RequestID(ctx); id != "" {
		return metadata.AppendToOutgoingContext(ctx, telemetry.RequestIDHeader, id)
	}
	return ctx
}

func forwardUnary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return invoker(forward(ctx), method, req, reply, cc, opts...)
}

func forwardStream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return streamer(forward(ctx), desc, cc, method, opts...)
}
