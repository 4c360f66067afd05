package license

import (
	"time"

	"github.com/switchboard-phone/switchboard/services/license/internal/importing"
	"github.com/switchboard-phone/switchboard/services/license/internal/leaks"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
	"github.com/switchboard-phone/switchboard/services/license/internal/token"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/mtls"
	"github.com/switchboard-phone/switchboard/services/platform/server"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

// Config is the service's configuration.
type Config struct {
	Server    server.Config    `koanf:"server"`
	TLS       mtls.Config      `koanf:"tls"`
	Database  crdb.Config      `koanf:"database"`
	Auth      authn.Config     `koanf:"auth"`
	Telemetry telemetry.Config `koanf:"telemetry"`
	// Extension, Numbering and Notification are the services that are called.
	Extension    server.ClientConfig `koanf:"extension"`
	Numbering    server.ClientConfig `koanf:"numbering"`
	Notification server.ClientConfig `koanf:"notification"`
	// Provisioning bounds the operations on phone users.
	Provisioning provisioning.Config `koanf:"provisioning"`
	// Leaks says when extensions without a phone user are looked for.
	Leaks leaks.Config `koanf:"leaks"`
	// Import bounds imports.
	Import importing.Config `koanf:"import"`
	// LinkTokens are the tokens in the links of mails.
	LinkTokens token.Config `koanf:"link_tokens"`
}

// maxImportBytes is how large an import may be on the wire: 32 MiB of CSV, in base64 when it comes as JSON.
const maxImportBytes = 48 << 20

// DefaultConfig returns the settings used where the configuration says nothing.
func DefaultConfig() Config {
	c := Config{
		Server: server.DefaultConfig(), TLS: mtls.DefaultConfig(), Database: crdb.DefaultConfig(), Auth: authn.DefaultConfig(),
		Telemetry: telemetry.DefaultConfig(), Provisioning: provisioning.DefaultConfig(), LinkTokens: token.DefaultConfig(),
		Import: importing.DefaultConfig(), Leaks: leaks.DefaultConfig(),
		Extension:    server.ClientConfig{Target: "dns:///extension:8443", Timeout: 10 * time.Second},
		Numbering:    server.ClientConfig{Target: "dns:///numbering:8443", Timeout: 10 * time.Second},
		Notification: server.ClientConfig{Target: "dns:///notification:8443", Timeout: 10 * time.Second},
	}
	c.Server.MaxRecvBytes = maxImportBytes
	return c
}
