// Package etcdx opens a client for etcd and keeps a session alive in it, without ever making its users wait while etcd is away.
package etcdx

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// Config says how to reach etcd.
type Config struct {
	// Endpoints are the members' client addresses, http(s)://host:port.
	Endpoints []string `koanf:"endpoints"`
	// CAFile turns on TLS with this authority. CertFile and KeyFile are our own certificate, by whose common name etcd knows
	// us where it asks for authentication: passwords would need etcd to be up when the client is made.
	CAFile   string `koanf:"ca_file"`
	CertFile string `koanf:"cert_file"`
	KeyFile  string `koanf:"key_file"`
	// DialTimeout bounds one attempt to connect.
	DialTimeout time.Duration `koanf:"dial_timeout"`
	// SessionTTL is how long etcd waits for a sign of life before a session and all its keys are gone. Whole seconds, at least 1.
	SessionTTL time.Duration `koanf:"session_ttl"`
}

// DefaultConfig returns the settings of everything but the endpoints.
func DefaultConfig() Config {
	return Config{DialTimeout: 2 * time.Second, SessionTTL: 10 * time.Second}
}

// Open returns a client. It connects when it is first used, so etcd need not be up. The caller closes it.
func Open(cfg Config) (*clientv3.Client, error) {
	if len(cfg.Endpoints) == 0 {
		return nil, errors.New("etcd: no endpoints are configured")
	}
	if cfg.DialTimeout <= 0 {
		cfg.DialTimeout = DefaultConfig().DialTimeout
	}
	t, err := cfg.tls()
	if err != nil {
		return nil, err
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: cfg.Endpoints, DialTimeout: cfg.DialTimeout, TLS: t, Logger: zap.NewNop(),
		DialKeepAliveTime: 5 * time.Second, DialKeepAliveTimeout: 3 * time.Second,
		// A member that is back shall be found soon.
		BackoffWaitBetween: 50 * time.Millisecond, BackoffJitterFraction: 0.2,
	})
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	return client, nil
}

func (c Config) tls() (*tls.Config, error) {
	if c.CAFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("etcd: %s holds no certificate", c.CAFile)
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	if c.CertFile != "" {
		t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			cert, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
			return &cert, err
		}
	}
	return t, nil
}
