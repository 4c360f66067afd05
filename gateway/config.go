package gateway

import (
	"errors"
	"fmt"
	"time"

	"github.com/switchboard-phone/switchboard/gateway/internal/guard"
	"github.com/switchboard-phone/switchboard/gateway/internal/transcode"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/mtls"
	"github.com/switchboard-phone/switchboard/services/platform/server"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

// Config is how the gateway listens and within which bounds it works.
type Config struct {
	HTTP HTTPConfig `koanf:"http"`
	// TLS is who the gateway is towards the services behind. It has no rights of its own there: what counts is the token of its caller.
	TLS mtls.Config `koanf:"tls"`
	// Auth says whose tokens are taken. The services verify them again.
	Auth authn.Config `koanf:"auth"`
	// The services behind.
	License      server.ClientConfig `koanf:"license"`
	Extension    server.ClientConfig `koanf:"extension"`
	Numbering    server.ClientConfig `koanf:"numbering"`
	Notification server.ClientConfig `koanf:"notification"`
	Portal       PortalConfig        `koanf:"portal"`
	Telemetry    telemetry.Config    `koanf:"telemetry"`
}

// HTTPConfig bounds what a caller may cost.
type HTTPConfig struct {
	// Addr is where JSON is served, host:port. Port 0 takes a free one.
	Addr string `koanf:"addr"`
	// OpsAddr is where metrics, health and debugging are served, host:port. Keep it away from callers.
	OpsAddr string `koanf:"ops_addr"`
	// TLSCertFile and TLSKeyFile are for HTTPS, with HTTP/2. They may be replaced while the gateway runs.
	TLSCertFile string `koanf:"tls_cert_file"`
	TLSKeyFile  string `koanf:"tls_key_file"`
	// Plaintext speaks HTTP without TLS: on loopback, or behind a proxy that ends TLS on the same machine or network.
	Plaintext bool `koanf:"plaintext"`
	// CORSOrigins are the origins of other sites ("https://admin.example.com") whose pages may call. The portal needs none.
	CORSOrigins []string `koanf:"cors_origins"`
	// HSTSMaxAge is for how long browsers shall come by HTTPS only; 0 says nothing of it. Browsers pass it over on plain HTTP.
	HSTSMaxAge time.Duration `koanf:"hsts_max_age"`
	// MaxConnections bounds the open connections of callers; beyond it, those that have been idle for longest are closed. Each needs a
	// file descriptor.
	MaxConnections int `koanf:"max_connections"`
	// CallerRate and CallerBurst bound the calls of one caller: so many a second on average, and at once. A caller is a person, or where a
	// call needs no token a network address. AccountRate and AccountBurst bound those of all people of an account together. Each
	// gateway counts for itself. A rate of 0 is no limit.
	CallerRate   float64 `koanf:"caller_rate"`
	CallerBurst  int     `koanf:"caller_burst"`
	AccountRate  float64 `koanf:"account_rate"`
	AccountBurst int     `koanf:"account_burst"`
	// MaxBodyBytes and MaxImportBodyBytes bound request bodies; the latter is for phoneUsers:import.
	MaxBodyBytes       int64 `koanf:"max_body_bytes"`
	MaxImportBodyBytes int64 `koanf:"max_import_body_bytes"`
	// MaxHeaderBytes bounds the headers of a request.
	MaxHeaderBytes int `koanf:"max_header_bytes"`
	// HeaderTimeout, ReadTimeout and ImportReadTimeout bound receiving the headers, a whole request, and that of an import.
	// WriteTimeout runs from the headers of a request to the end of its answer, and anew for every message of a stream.
	// IdleTimeout ends connections that nobody uses.
	HeaderTimeout     time.Duration `koanf:"header_timeout"`
	ReadTimeout       time.Duration `koanf:"read_timeout"`
	ImportReadTimeout time.Duration `koanf:"import_read_timeout"`
	WriteTimeout      time.Duration `koanf:"write_timeout"`
	IdleTimeout       time.Duration `koanf:"idle_timeout"`
	// CallTimeout is how long a service may take to answer, StreamTimeout how long a stream may last.
	CallTimeout   time.Duration `koanf:"call_timeout"`
	StreamTimeout time.Duration `koanf:"stream_timeout"`
	// DrainWait is how long the gateway goes on after it has said that it is not ready, so that callers turn away.
	DrainWait time.Duration `koanf:"drain_wait"`
	// DrainTimeout is how long requests under way may take to end before they are cut.
	DrainTimeout time.Duration `koanf:"drain_timeout"`
}

// importMethod is the one method that takes a large body.
const importMethod = "switchboard.license.v1.ImportService.ImportPhoneUsers"

// DefaultConfig returns settings for a cluster. The services' targets are left to say.
func DefaultConfig() Config {
	return Config{
		TLS: mtls.DefaultConfig(), Auth: authn.DefaultConfig(),
		HTTP: HTTPConfig{
			Addr: ":8080", OpsAddr: ":9090",
			HSTSMaxAge: 365 * 24 * time.Hour, MaxConnections: 20_000,
			CallerRate: 50, CallerBurst: 200, AccountRate: 200, AccountBurst: 800,
			MaxBodyBytes: 4 << 20, MaxImportBodyBytes: 64 << 20, MaxHeaderBytes: 64 << 10,
			HeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, ImportReadTimeout: 5 * time.Minute,
			WriteTimeout: 100 * time.Second, IdleTimeout: 2 * time.Minute,
			CallTimeout: time.Minute, StreamTimeout: 15 * time.Minute,
			DrainWait: 5 * time.Second, DrainTimeout: 20 * time.Second,
		},
		Portal:    PortalConfig{ClientID: "switchboard-portal", Scope: "openid profile email"},
		Telemetry: telemetry.DefaultConfig(),
	}
}

func (c HTTPConfig) caller() guard.Limit {
	return guard.Limit{Rate: c.CallerRate, Burst: c.CallerBurst}
}
func (c HTTPConfig) account() guard.Limit {
	return guard.Limit{Rate: c.AccountRate, Burst: c.AccountBurst}
}

func (c HTTPConfig) limits() transcode.Limits {
	return transcode.Limits{
		Body: c.MaxBodyBytes, LargeBody: c.MaxImportBodyBytes, LargeBodies: []string{importMethod}, LargeBodyTime: c.ImportReadTimeout,
		Call: c.CallTimeout, Stream: c.StreamTimeout, Write: c.WriteTimeout,
	}
}

func (c Config) check() error {
	for _, backend := range []struct{ name, target string }{
		{"license", c.License.Target}, {"extension", c.Extension.Target},
		{"numbering", c.Numbering.Target}, {"notification", c.Notification.Target},
	} {
		if backend.target == "" {
			return fmt.Errorf("gateway: %s.target is missing", backend.name)
		}
	}
	if err := c.Portal.check(); err != nil {
		return err
	}
	return c.HTTP.check()
}

func (c HTTPConfig) check() error {
	switch {
	case c.MaxBodyBytes <= 0, c.MaxImportBodyBytes < c.MaxBodyBytes, c.MaxHeaderBytes <= 0:
		return errors.New("gateway: max_body_bytes and max_header_bytes must be positive, and max_import_body_bytes at least max_body_bytes")
	case min(c.HeaderTimeout, c.ReadTimeout, c.ImportReadTimeout, c.IdleTimeout, c.CallTimeout, c.StreamTimeout) <= 0:
		return errors.New("gateway: timeouts must be positive")
	case c.WriteTimeout <= c.ReadTimeout+c.CallTimeout:
		return errors.New("gateway: write_timeout must be more than read_timeout and call_timeout together, or slow answers would break off")
	case c.MaxConnections < 1, c.HSTSMaxAge < 0, c.caller().Check() != nil, c.account().Check() != nil:
		return errors.New("gateway: max_connections must be positive, hsts_max_age not negative, and a rate above 0 needs a burst of at least 1")
	case c.DrainWait < 0, c.DrainTimeout <= 0:
		return errors.New("gateway: drain_wait must not be negative and drain_timeout must be positive")
	case (c.TLSCertFile == "") != (c.TLSKeyFile == ""), c.Plaintext == (c.TLSCertFile != ""):
		return errors.New("gateway: http.tls_cert_file and http.tls_key_file are required together, or http.plaintext=true without them")
	}
	return nil
}
