package notification

import (
	"github.com/switchboard-phone/switchboard/services/notification/internal/sender"
	"github.com/switchboard-phone/switchboard/services/notification/internal/smtp"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/mtls"
	"github.com/switchboard-phone/switchboard/services/platform/server"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

// SMTPConfig says which mail server to use and how mails name their sender.
type SMTPConfig = smtp.Config

// SenderConfig says how many mails are sent at once, and when a mail is tried again.
type SenderConfig = sender.Config

// Config is all there is to configure.
type Config struct {
	// Server is how callers reach the service.
	Server server.Config `koanf:"server"`
	// TLS is who the service is, and whom it believes.
	TLS mtls.Config `koanf:"tls"`
	// Database is where messages are kept.
	Database crdb.Config `koanf:"database"`
	// Auth says whose tokens are taken.
	Auth authn.Config `koanf:"auth"`
	// License keeps the directory, which says what people may do.
	License server.ClientConfig `koanf:"license"`
	// Telemetry is logs and traces.
	Telemetry telemetry.Config `koanf:"telemetry"`
	// SMTP is the mail server. Its Address and From have no default.
	SMTP SMTPConfig `koanf:"smtp"`
	// Sender is how the queue is worked off.
	Sender SenderConfig `koanf:"sender"`
}

// maxRequest holds a batch of 1,000 messages with long links.
const maxRequest = 16 << 20

// DefaultConfig returns the settings used where nothing else is said.
func DefaultConfig() Config {
	c := Config{
		Server: server.DefaultConfig(), TLS: mtls.DefaultConfig(), Database: crdb.DefaultConfig(), Auth: authn.DefaultConfig(),
		License:   server.ClientConfig{Target: "dns:///license:8443"},
		Telemetry: telemetry.DefaultConfig(), SMTP: smtp.DefaultConfig(), Sender: sender.DefaultConfig(),
	}
	c.Server.MaxRecvBytes = maxRequest
	return c
}
