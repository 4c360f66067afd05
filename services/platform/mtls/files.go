package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// lookAgain is how old what was read may become, in a connection's making, before the files are looked at again.
const lookAgain = time.Second

// material is what the files held when they were read together.
type material struct {
	cert *tls.Certificate // nil for a caller without one
	pool *x509.CertPool   // nil where no authority is named
}

// files keeps what it last read and could use. A renewal that is half done or wrong leaves that in force.
type files struct {
	cfg Config
	log *slog.Logger

	mu     sync.Mutex
	looked time.Time
	seen   []os.FileInfo
	now    material
}

// open reads the files for the first time; mistakes are told then.
func open(cfg Config, log *slog.Logger) (*files, error) {
	if log == nil {
		log = slog.Default()
	}
	f := &files{cfg: cfg, log: log}
	var err error
	if f.seen, err = f.look(); err != nil {
		return nil, err
	}
	if f.now, err = read(cfg); err != nil {
		return nil, err
	}
	f.looked = time.Now()
	return f, nil
}

func (f *files) look() ([]os.FileInfo, error) {
	var out []os.FileInfo
	for _, name := range []string{f.cfg.CertFile, f.cfg.KeyFile, f.cfg.CAFile} {
		if name == "" {
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
		out = append(out, info)
	}
	return out, nil
}

// current returns what is in force.
func (f *files) current() material {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.looked) < lookAgain {
		return f.now
	}
	f.looked = time.Now()
	seen, err := f.look()
	if err == nil && same(seen, f.seen) {
		return f.now
	}
	next := f.now
	if err == nil {
		next, err = read(f.cfg)
	}
	if err != nil {
		f.log.Warn("certificates cannot be read; those from before stay in force", "error", err)
		return f.now
	}
	f.seen, f.now = seen, next
	f.log.Info("certificates were renewed", "cert_file", f.cfg.CertFile, "ca_file", f.cfg.CAFile)
	return f.now
}

func same(a, b []os.FileInfo) bool {
	for i := range a {
		if !os.SameFile(a[i], b[i]) || !a[i].ModTime().Equal(b[i].ModTime()) || a[i].Size() != b[i].Size() {
			return false
		}
	}
	return true
}

func read(cfg Config) (material, error) {
	var m material
	if cfg.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(cfg.CertFile, cfg.KeyFile)
		if err != nil {
			return m, fmt.Errorf("tls: certificate: %w", err)
		}
		m.cert = &cert
	}
	if cfg.CAFile != "" {
		pem, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return m, fmt.Errorf("tls: certificate authority: %w", err)
		}
		m.pool = x509.NewCertPool()
		if !m.pool.AppendCertsFromPEM(pem) {
			return m, fmt.Errorf("tls: certificate authority: %s holds no certificate", cfg.CAFile)
		}
	}
	return m, nil
}

// Web returns the settings of an HTTPS server for callers who show no certificate. The files may be replaced while it runs.
func Web(certFile, keyFile string, log *slog.Logger) (*tls.Config, error) {
	if certFile == "" || keyFile == "" {
		return nil, errors.New("tls: a certificate and its key are required")
	}
	f, err := open(Config{CertFile: certFile, KeyFile: keyFile}, log)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.current().cert, nil },
	}, nil
}
