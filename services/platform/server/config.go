package server

import (
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/mtls"
)

// Config is how a server listens and within which bounds it works.
type Config struct {
	// Addr is where gRPC is served, host:port. Port 0 takes a free one.
	Addr string `koanf:"addr"`
	// OpsAddr is where metrics, health and debugging are served over HTTP, host:port. Keep it away from callers.
	OpsAddr string `koanf:"ops_addr"`
	// MaxRecvBytes bounds a request message.
	MaxRecvBytes int `koanf:"max_recv_bytes"`
	// MaxConcurrentStreams bounds the calls under way per connection.
	MaxConcurrentStreams uint32 `koanf:"max_concurrent_streams"`
	// MaxConnectionAge is how long a connection lives. Its end makes the caller look up the addresses again, so that replicas which
	// came later get their share; calls under way end in peace.
	MaxConnectionAge time.Duration `koanf:"max_connection_age"`
	// DefaultDeadline is given to calls that come without one, MaxDeadline cuts those that ask for more.
	DefaultDeadline time.Duration `koanf:"default_deadline"`
	MaxDeadline     time.Duration `koanf:"max_deadline"`
	// StreamDeadline bounds streaming calls instead of both.
	StreamDeadline time.Duration `koanf:"stream_deadline"`
	// DrainWait is how long the server goes on after it has said that it is not ready, so that callers turn away.
	DrainWait time.Duration `koanf:"drain_wait"`
	// DrainTimeout is how long calls under way may take to end before they are cut.
	DrainTimeout time.Duration `koanf:"drain_timeout"`
}

// DefaultConfig returns settings for a service in a cluster.
func DefaultConfig() Config {
	return Config{
		Addr: ":8443", OpsAddr: ":9090",
		MaxRecvBytes: 4 << 20, MaxConcurrentStreams: 1000, MaxConnectionAge: 5 * time.Minute,
		DefaultDeadline: 30 * time.Second, MaxDeadline: 2 * time.Minute, StreamDeadline: 15 * time.Minute,
		DrainWait: 5 * time.Second, DrainTimeout: 20 * time.Second,
	}
}

// Deps are the parts that a composition root hands over.
type Deps struct {
	// Name of the service, for metrics and logs. Required.
	Name string
	// TLS is the identity of the process; it names files, or says plaintext. Required.
	TLS mtls.Config
	// Verifier says who calls with a token. Required.
	Verifier authn.Verifier
	// Directory says which role a person has. Without it the role in the token stands.
	Directory authn.Directory
	// Logger gets one line per call. Default: slog.Default.
	Logger *slog.Logger
	// Registry holds the metrics, which the ops port shows. Default: one of its own.
	Registry *prometheus.Registry
	// TracerProvider makes spans of calls. Default: none.
	TracerProvider trace.TracerProvider
	// Listener and OpsListener are used instead of the addresses.
	Listener, OpsListener net.Listener
	// AccountCheckedByHandler: see authn.NewPolicy.
	AccountCheckedByHandler []string
	// DebugConfig is shown, redacted (see platform/config), at /debug/config.
	DebugConfig any
	// Extra gRPC options, for what Config does not cover.
	Extra []grpc.ServerOption
}

func (c Config) check() error {
	switch {
	case c.MaxRecvBytes <= 0, c.MaxConcurrentStreams == 0, c.MaxConnectionAge <= 0:
		return errors.New("server: max_recv_bytes, max_concurrent_streams and max_connection_age must be positive")
	case c.DefaultDeadline <= 0, c.MaxDeadline < c.DefaultDeadline, c.StreamDeadline <= 0:
		return errors.New("server: deadlines must be positive, and max_deadline at least default_deadline")
	case c.DrainWait < 0, c.DrainTimeout <= 0:
		return errors.New("server: drain_wait must not be negative and drain_timeout must be positive")
	}
	return nil
}

// streamWorkers is how many goroutines are kept for calls. What a call passes here needs a deep stack, and growing one for every
// call would cost a tenth of all the processor time of short calls. More calls at once get goroutines of their own.
const streamWorkers = 256

// options turns the configuration into that of gRPC.
func (c Config) options() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(c.MaxRecvBytes),
		grpc.MaxConcurrentStreams(c.MaxConcurrentStreams),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge: c.MaxConnectionAge, MaxConnectionAgeGrace: c.MaxDeadline, Time: time.Minute, Timeout: 20 * time.Second,
		}),
	}
}
