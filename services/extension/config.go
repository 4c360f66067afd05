package extension

import (
	"fmt"

	"github.com/switchboard-phone/switchboard/services/extension/internal/allocator"
	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/etcdx"
	"github.com/switchboard-phone/switchboard/services/platform/mtls"
	"github.com/switchboard-phone/switchboard/services/platform/server"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

// AllocatorConfig bounds what a replica holds and waits for when it gives out numbers.
type AllocatorConfig = allocator.Config

// Config is all there is to configure.
type Config struct {
	// Server is how callers reach the service.
	Server server.Config `koanf:"server"`
	// TLS is who the service is, and whom it believes.
	TLS mtls.Config `koanf:"tls"`
	// Database is where ranges and extensions are kept.
	Database crdb.Config `koanf:"database"`
	// Auth says whose tokens are taken.
	Auth authn.Config `koanf:"auth"`
	// License keeps the directory, which says what people may do.
	License server.ClientConfig `koanf:"license"`
	// Telemetry is logs and traces.
	Telemetry telemetry.Config `koanf:"telemetry"`
	// Leasing is whether blocks of ranges are leased.
	Leasing LeasingConfig `koanf:"leasing"`
	// Etcd is where leases are kept. Its endpoints have no default.
	Etcd etcdx.Config `koanf:"etcd"`
	// Allocator bounds what a replica holds and waits for.
	Allocator AllocatorConfig `koanf:"allocator"`
	// ReservedNumbers are never given out where a range covers them. They are in force for all accounts; replicas should agree.
	ReservedNumbers []string `koanf:"reserved_numbers"`
}

// LeasingConfig is about the leases of blocks.
type LeasingConfig struct {
	// Enabled false makes every number come straight from the database. Nothing else changes, and etcd is not needed.
	Enabled bool `koanf:"enabled"`
	// Holder names this replica in the leases. Default: the host's name, and a suffix made up at the start.
	Holder string `koanf:"holder"`
}

// EmergencyNumbers are the numbers that a mobile phone takes for emergency calls whatever its network says (3GPP TS 22.101,
// clause 10.1): 112 and 911, and without a SIM card also 000, 08, 110, 118, 119 and 999. Desk phones and people's habits
// follow them, so that an extension of that number would be a danger.
func EmergencyNumbers() []string {
	return []string{"112", "911", "000", "08", "110", "118", "119", "999"}
}

// DefaultConfig returns the settings used where nothing else is said.
func DefaultConfig() Config {
	return Config{
		Server: server.DefaultConfig(), TLS: mtls.DefaultConfig(), Database: crdb.DefaultConfig(), Auth: authn.DefaultConfig(),
		License:   server.ClientConfig{Target: "dns:///license:8443"},
		Telemetry: telemetry.DefaultConfig(), Leasing: LeasingConfig{Enabled: true}, Etcd: etcdx.DefaultConfig(),
		Allocator: allocator.DefaultConfig(), ReservedNumbers: EmergencyNumbers(),
	}
}

// reserved reads ReservedNumbers.
func (c Config) reserved() (number.Set, error) {
	ns := make([]number.Number, len(c.ReservedNumbers))
	for i, text := range c.ReservedNumbers {
		n, err := number.Parse(text)
		if err != nil {
			return number.Set{}, fmt.Errorf("reserved_numbers: %q: %w", text, err)
		}
		ns[i] = n
	}
	return number.NewSet(ns...), nil
}
