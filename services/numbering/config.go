package numbering

import (
	"time"

	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/mtls"
	"github.com/switchboard-phone/switchboard/services/platform/server"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

// Config is the service's configuration.
type Config struct {
	Server   server.Config `koanf:"server"`
	TLS      mtls.Config   `koanf:"tls"`
	Database crdb.Config   `koanf:"database"`
	Auth     authn.Config  `koanf:"auth"`
	// License keeps the directory, which says what people may do.
	License   server.ClientConfig `koanf:"license"`
	Telemetry telemetry.Config    `koanf:"telemetry"`
	// AuditInterval is how often, on average, each replica looks through the books for contradictions; 0 for never.
	AuditInterval time.Duration `koanf:"audit_interval"`
}

// DefaultConfig returns the settings used where the configuration says nothing.
func DefaultConfig() Config {
	return Config{
		Server: server.DefaultConfig(), TLS: mtls.DefaultConfig(), Database: crdb.DefaultConfig(), Auth: authn.DefaultConfig(),
		License:       server.ClientConfig{Target: "dns:///license:8443"},
		Telemetry:     telemetry.DefaultConfig(),
		AuditInterval: 10 * time.Minute,
	}
}
