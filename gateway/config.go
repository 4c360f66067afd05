package gateway

import (
	"errors"
	"fmt"
	"time"

	"github.com/switchboard-phone/switchboard/gateway/internal/transcode"
)

// BackendConfig says where the services are: gRPC targets such as "dns:///license:9090" or "127.0.0.1:9090".
type BackendConfig struct {
	License      string `koanf:"license"`
	Extension    string `koanf:"extension"`
	Numbering    string `koanf:"numbering"`
	Notification string `koanf:"notification"`
}

// HTTPConfig bounds what a connection may cost.
type HTTPConfig struct {
	// Address is where JSON is served, host:port.
	Address string `koanf:"address"`
	// MaxBody and MaxImportBody bound request bodies in bytes; the latter is for phoneUsers:import.
	MaxBody       int64 `koanf:"max_body"`
	MaxImportBody int64 `koanf:"max_import_body"`
	// MaxHeader bounds the headers of a request in bytes.
	MaxHeader int `koanf:"max_header"`
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
}

// importMethod is the one method that takes a large body.
const importMethod = "switchboard.license.v1.ImportService.ImportPhoneUsers"

func defaultHTTPConfig() HTTPConfig {
	return HTTPConfig{
		Address:           "127.0.0.1:8080",
		MaxBody:           4 << 20,
		MaxImportBody:     64 << 20,
		MaxHeader:         64 << 10,
		HeaderTimeout:     10 * time.Second,
		ReadTimeout:       30 * time.Second,
		ImportReadTimeout: 5 * time.Minute,
		WriteTimeout:      100 * time.Second,
		IdleTimeout:       2 * time.Minute,
		CallTimeout:       60 * time.Second,
		StreamTimeout:     time.Hour,
	}
}

func (c HTTPConfig) limits() transcode.Limits {
	return transcode.Limits{
		Body: c.MaxBody, LargeBody: c.MaxImportBody, LargeBodies: []string{importMethod}, LargeBodyTime: c.ImportReadTimeout,
		Call: c.CallTimeout, Stream: c.StreamTimeout, Write: c.WriteTimeout,
	}
}

func (c HTTPConfig) validate() error {
	if c.Address == "" {
		return errors.New("http.address is missing")
	}
	for name, ok := range map[string]bool{
		"http.max_body": c.MaxBody > 0, "http.max_import_body": c.MaxImportBody > 0, "http.max_header": c.MaxHeader > 0,
		"http.header_timeout": c.HeaderTimeout > 0, "http.read_timeout": c.ReadTimeout > 0,
		"http.import_read_timeout": c.ImportReadTimeout > 0, "http.write_timeout": c.WriteTimeout > 0,
		"http.idle_timeout": c.IdleTimeout > 0, "http.call_timeout": c.CallTimeout > 0, "http.stream_timeout": c.StreamTimeout > 0,
	} {
		if !ok {
			return fmt.Errorf("%s must be more than 0", name)
		}
	}
	if c.WriteTimeout <= c.ReadTimeout+c.CallTimeout {
		return errors.New("http.write_timeout must be more than http.read_timeout and http.call_timeout together, or slow answers would break off")
	}
	return nil
}
