// Package mtls is how services know each other: by certificates that name a service, verified on both ends of a connection.
//
// The name is a URI in the certificate, in the form of SPIFFE: spiffe://switchboard/service/license. Host names play no part, so
// that addresses may change. Files are looked at again while the process runs, so that certificates, keys and authorities are
// renewed in place.
package mtls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"
)

// Config is a process's identity and whom it trusts.
type Config struct {
	// CertFile and KeyFile hold the process's own certificate (with intermediates) and its key, in PEM.
	CertFile string `koanf:"cert_file"`
	KeyFile  string `koanf:"key_file"`
	// CAFile holds the authorities whose certificates are believed, in PEM.
	CAFile string `koanf:"ca_file"`
	// TrustDomain is the host part of the names.
	TrustDomain string `koanf:"trust_domain"`
	// Plaintext speaks without TLS. No service has an identity then, so that calls between services are refused: it is for tests of
	// one service and for looking around.
	Plaintext bool `koanf:"plaintext"`
}

// DefaultTrustDomain is used where Config says nothing.
const DefaultTrustDomain = "switchboard"

// DefaultConfig returns settings that name no files, which a process has to.
func DefaultConfig() Config { return Config{TrustDomain: DefaultTrustDomain} }

func (c Config) check(server bool) error {
	switch {
	case c.Plaintext && (c.CertFile != "" || c.KeyFile != "" || c.CAFile != ""):
		return errors.New("tls: plaintext and files exclude each other")
	case c.Plaintext:
		return nil
	case (c.CertFile == "") != (c.KeyFile == ""):
		return errors.New("tls: cert_file and key_file go together")
	case c.CAFile == "", server && c.CertFile == "":
		return errors.New("tls: cert_file, key_file and ca_file are required; plaintext=true does without, and without calls between services")
	}
	return nil
}

// Server returns the credentials of a server. Callers may show a certificate or not, since people's tools come with a token alone;
// one that is shown must be of CAFile and name a service.
func Server(cfg Config, log *slog.Logger) (credentials.TransportCredentials, error) {
	if err := cfg.check(true); err != nil {
		return nil, err
	}
	if cfg.Plaintext {
		return insecure.NewCredentials(), nil
	}
	files, err := open(cfg, log)
	if err != nil {
		return nil, err
	}
	forClient := func(*tls.ClientHelloInfo) (*tls.Config, error) {
		now := files.current()
		return &tls.Config{
			MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"}, Certificates: []tls.Certificate{*now.cert},
			ClientCAs: now.pool, ClientAuth: tls.VerifyClientCertIfGiven,
			// A resumed session would be believed by an authority that may be gone.
			SessionTicketsDisabled: true,
			VerifyConnection: func(state tls.ConnectionState) error {
				if len(state.PeerCertificates) == 0 {
					return nil
				}
				_, err := serviceOf(state.PeerCertificates[0], cfg.TrustDomain)
				return err
			},
		}, nil
	}
	return credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"}, GetConfigForClient: forClient}), nil
}

// Client returns the credentials for calls of the service with the name. The server must prove to be that service; our own
// certificate is shown where Config has one.
func Client(cfg Config, service string, log *slog.Logger) (credentials.TransportCredentials, error) {
	if err := cfg.check(false); err != nil {
		return nil, err
	}
	if cfg.Plaintext {
		return insecure.NewCredentials(), nil
	}
	if !validName.MatchString(service) {
		return nil, fmt.Errorf("tls: %q is not the name of a service", service)
	}
	files, err := open(cfg, log)
	if err != nil {
		return nil, err
	}
	return credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS13,
		// The host's name is not looked at: VerifyConnection verifies the chain, and that it leads to the service that is wanted.
		InsecureSkipVerify: true, //nolint:gosec // see VerifyConnection
		VerifyConnection: func(state tls.ConnectionState) error {
			return verifyServer(state.PeerCertificates, files.current().pool, cfg.TrustDomain, service)
		},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if cert := files.current().cert; cert != nil {
				return cert, nil
			}
			return &tls.Certificate{}, nil
		},
	}), nil
}

func verifyServer(chain []*x509.Certificate, roots *x509.CertPool, domain, service string) error {
	if len(chain) == 0 {
		return errors.New("the server has no certificate")
	}
	opts := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, cert := range chain[1:] {
		opts.Intermediates.AddCert(cert)
	}
	if _, err := chain[0].Verify(opts); err != nil {
		return err
	}
	name, err := serviceOf(chain[0], domain)
	if err == nil && name != service {
		err = fmt.Errorf("the server is the service %q instead of %q", name, service)
	}
	return err
}

// Peer returns the name of the service that calls, as its certificate says; false when the caller has shown none.
func Peer(ctx context.Context) (string, bool) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return "", false
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.VerifiedChains) == 0 {
		return "", false
	}
	cert := info.State.VerifiedChains[0][0]
	if len(cert.URIs) != 1 {
		return "", false
	}
	// serviceOf was content with the rest when the connection was made.
	return strings.CutPrefix(cert.URIs[0].Path, pathPrefix)
}

// ID is the URI that names a service.
func ID(domain, service string) *url.URL {
	return &url.URL{Scheme: "spiffe", Host: domain, Path: pathPrefix + service}
}

const pathPrefix = "/service/"

var validName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// serviceOf reads the name out of a certificate that is known to be genuine.
func serviceOf(cert *x509.Certificate, domain string) (string, error) {
	if len(cert.URIs) != 1 {
		return "", fmt.Errorf("the certificate holds %d URIs instead of one that names its service", len(cert.URIs))
	}
	id := cert.URIs[0]
	name := strings.TrimPrefix(id.Path, pathPrefix)
	if !validName.MatchString(name) || id.String() != ID(domain, name).String() {
		return "", fmt.Errorf("the certificate's URI %q names no service of %s", id, domain)
	}
	return name, nil
}
