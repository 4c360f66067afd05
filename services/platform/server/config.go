package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"github.com/switchboard-phone/switchboard/services/platform/authn"
)

// Config is how a server listens and within which bounds it works.
type Config struct {
	// Addr is where gRPC is served, host:port. Port 0 takes a free one.
	Addr string `koanf:"addr"`
	// OpsAddr is where metrics, health and debugging are served over HTTP, host:port. Keep it away from callers.
	OpsAddr string `koanf:"ops_addr"`
	// TLSCertFile and TLSKeyFile turn on TLS. Without them the server speaks plain text, for loopback and for meshes.
	TLSCertFile string `koanf:"tls_cert_file"`
	TLSKeyFile  string `koanf:"tls_key_file"`
	// ClientCAFile makes callers show a certificate of this authority (mutual TLS), on top of their token.
	ClientCAFile string `koanf:"client_ca_file"`
	// MaxRecvBytes bounds a request message.
	MaxRecvBytes int `koanf:"max_recv_bytes"`
	// MaxConcurrentStreams bounds the calls under way per connection.
	MaxConcurrentStreams uint32 `koanf:"max_concurrent_streams"`
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
		MaxRecvBytes: 4 << 20, MaxConcurrentStreams: 1000,
		DefaultDeadline: 30 * time.Second, MaxDeadline: 2 * time.Minute, StreamDeadline: 15 * time.Minute,
		DrainWait: 5 * time.Second, DrainTimeout: 20 * time.Second,
	}
}

// Deps are the parts that a composition root hands over.
type Deps struct {
	// Name of the service, for metrics and logs. Required.
	Name string
	// Verifier says who calls. Required.
	Verifier authn.Verifier
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
	case c.MaxRecvBytes <= 0, c.MaxConcurrentStreams == 0:
		return errors.New("server: max_recv_bytes and max_concurrent_streams must be positive")
	case c.DefaultDeadline <= 0, c.MaxDeadline < c.DefaultDeadline, c.StreamDeadline <= 0:
		return errors.New("server: deadlines must be positive, and max_deadline at least default_deadline")
	case c.DrainWait < 0, c.DrainTimeout <= 0:
		return errors.New("server: drain_wait must not be negative and drain_timeout must be positive")
	case (c.TLSCertFile == "") != (c.TLSKeyFile == ""), c.ClientCAFile != "" && c.TLSCertFile == "":
		return errors.New("server: tls_cert_file and tls_key_file go together, and client_ca_file needs both")
	}
	return nil
}

// options turns the configuration into that of gRPC.
func (c Config) options() ([]grpc.ServerOption, error) {
	opts := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(c.MaxRecvBytes),
		grpc.MaxConcurrentStreams(c.MaxConcurrentStreams),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		// Connections end now and then, so that load spreads over replicas that came later.
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge: 30 * time.Minute, MaxConnectionAgeGrace: c.MaxDeadline, Time: time.Minute, Timeout: 20 * time.Second,
		}),
	}
	creds, err := c.credentials()
	if err != nil {
		return nil, err
	}
	if creds != nil {
		opts = append(opts, grpc.Creds(creds))
	}
	return opts, nil
}

func (c Config) credentials() (credentials.TransportCredentials, error) {
	if c.TLSCertFile == "" {
		return nil, nil
	}
	t, err := TLSConfig(c.TLSCertFile, c.TLSKeyFile, c.ClientCAFile)
	if err != nil {
		return nil, err
	}
	return credentials.NewTLS(t), nil
}

// TLSConfig returns the settings of a TLS server with the certificate and key of these files, which may be replaced while it runs.
// With clientCAFile, callers must show a certificate of that authority.
func TLSConfig(certFile, keyFile, clientCAFile string) (*tls.Config, error) {
	// Read anew for every connection, since certificates are renewed in place. The first look is for mistakes.
	load := func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		cert, err := tls.LoadX509KeyPair(certFile, keyFile)
		return &cert, err
	}
	if _, err := load(nil); err != nil {
		return nil, fmt.Errorf("server certificate: %w", err)
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: load}
	if clientCAFile != "" {
		pool, err := readPool(clientCAFile)
		if err != nil {
			return nil, err
		}
		t.ClientCAs, t.ClientAuth = pool, tls.RequireAndVerifyClientCert
	}
	return t, nil
}

func readPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("certificate authority: %s holds no certificate", file)
	}
	return pool, nil
}
