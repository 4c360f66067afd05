package extension

import (
	"fmt"
	"slices"
	"strings"
	"time"

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
	// CountEvery is how often the numbers left in all ranges are counted, for metrics.
	CountEvery time.Duration `koanf:"count_every"`
	// Countries are the countries, by ISO 3166-1 code, whose emergency and service numbers are reserved besides ReservedNumbers:
	// see EmergencyNumbersOf.
	Countries []string `koanf:"countries"`
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

// byCountry are the short codes for emergencies and for help that are given out by the numbering authority of a country and that
// people dial without thinking, besides those of EmergencyNumbers: North America by the N11 codes of the NANP and 988, Europe by
// the harmonised 116xxx numbers (2007/116/EC) and national ones.
var byCountry = map[string][]string{
	"US": {"211", "311", "411", "511", "611", "711", "811", "988"},
	"CA": {"211", "311", "411", "511", "611", "711", "811", "988"},
	"GB": {"101", "105", "111", "116123"},
	"IE": {"116000", "116006", "116111", "116117", "116123"},
	"DE": {"115", "116000", "116006", "116111", "116116", "116117", "116123", "19222"},
	"AT": {"122", "133", "140", "141", "142", "144", "147", "116000", "116117", "116123"},
	"CH": {"117", "143", "144", "145", "147", "1414"},
	"FR": {"15", "17", "18", "114", "115", "119", "191", "196", "116000", "116006", "116117", "3114"},
	"ES": {"016", "061", "062", "080", "085", "088", "091", "092", "116000", "116111"},
	"IT": {"113", "115", "117", "1515", "1522", "1530", "116000"},
	"NL": {"113", "0800", "116000", "116006", "116111", "116123"},
	"AU": {"106", "131114"},
	"NZ": {"105", "111"},
	"IN": {"100", "101", "102", "108", "1098"},
	"JP": {"171", "188"},
	"BR": {"190", "191", "192", "193", "194", "197", "198", "199"},
	"ZA": {"10111", "10177"},
}

// EmergencyNumbersOf returns the numbers that Config.Countries reserves for a country, and whether the country is known.
func EmergencyNumbersOf(country string) ([]string, bool) {
	numbers, ok := byCountry[strings.ToUpper(country)]
	return slices.Clone(numbers), ok
}

// DefaultConfig returns the settings used where nothing else is said.
func DefaultConfig() Config {
	return Config{
		Server: server.DefaultConfig(), TLS: mtls.DefaultConfig(), Database: crdb.DefaultConfig(), Auth: authn.DefaultConfig(),
		License:   server.ClientConfig{Target: "dns:///license:8443"},
		Telemetry: telemetry.DefaultConfig(), Leasing: LeasingConfig{Enabled: true}, Etcd: etcdx.DefaultConfig(),
		Allocator: allocator.DefaultConfig(), CountEvery: time.Minute, ReservedNumbers: EmergencyNumbers(),
	}
}

// reserved reads ReservedNumbers.
func (c Config) reserved() (number.Set, error) {
	texts := slices.Clone(c.ReservedNumbers)
	for _, country := range c.Countries {
		more, ok := EmergencyNumbersOf(country)
		if !ok {
			return number.Set{}, fmt.Errorf("countries: %q is none whose emergency numbers are known; name them in reserved_numbers", country)
		}
		texts = append(texts, more...)
	}
	ns := make([]number.Number, len(texts))
	for i, text := range texts {
		n, err := number.Parse(text)
		if err != nil {
			return number.Set{}, fmt.Errorf("reserved_numbers: %q: %w", text, err)
		}
		ns[i] = n
	}
	return number.NewSet(ns...), nil
}
