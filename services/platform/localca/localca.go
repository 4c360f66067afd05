// Package localca is a certificate authority for one machine: it makes the certificates by which services know each other, as a
// platform would issue them. Its key lies beside them in a folder; it belongs to the local stack and to tests, and no service
// links it.
package localca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/switchboard-phone/switchboard/services/platform/mtls"
)

const (
	authority = "ca"
	caLife    = 10 * 365 * 24 * time.Hour
	leafLife  = 365 * 24 * time.Hour
	// backdate lets clocks differ a little.
	backdate = time.Hour
)

// CA issues certificates into a folder.
type CA struct {
	dir, domain string
	cert        *x509.Certificate
	key         crypto.Signer
}

// Open uses the authority in dir, or makes one: ca.crt and ca.key. The folder must be there; keep it from others. domain is the
// trust domain, empty for mtls.DefaultTrustDomain.
func Open(dir, domain string) (*CA, error) {
	if domain == "" {
		domain = mtls.DefaultTrustDomain
	}
	c := &CA{dir: dir, domain: domain}
	pair, err := tls.LoadX509KeyPair(c.path(authority+".crt"), c.path(authority+".key"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c, c.create()
	case err != nil:
		return nil, fmt.Errorf("local authority: %w", err)
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, errors.New("local authority: its key cannot sign")
	}
	c.cert, c.key = pair.Leaf, key
	return c, nil
}

func (c *CA) path(name string) string { return filepath.Join(c.dir, name) }

func (c *CA) create() error {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Switchboard local authority"}, NotAfter: time.Now().Add(caLife),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	cert, key, err := c.write(authority, template)
	if err != nil {
		return err
	}
	c.cert, c.key = cert, key
	return nil
}

// CAFile is the path of the authority's own certificate.
func (c *CA) CAFile() string { return c.path(authority + ".crt") }

// Issue makes a certificate for a service, at <name>.crt and <name>.key in the folder, in place of an earlier one, and returns the
// settings that use it. hosts are further host names under which people's tools reach it, beside its name and this machine.
func (c *CA) Issue(service string, hosts ...string) (mtls.Config, error) {
	_, _, err := c.write(service, &x509.Certificate{
		Subject: pkix.Name{CommonName: service}, NotAfter: time.Now().Add(leafLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		URIs:        []*url.URL{mtls.ID(c.domain, service)},
		DNSNames:    append([]string{service, "localhost"}, hosts...), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	})
	if err != nil {
		return mtls.Config{}, err
	}
	return mtls.Config{
		CertFile: c.path(service + ".crt"), KeyFile: c.path(service + ".key"), CAFile: c.CAFile(), TrustDomain: c.domain,
	}, nil
}

// write makes a key and a certificate for it, signed by the authority or, for the authority itself, by that key.
func (c *CA) write(name string, template *x509.Certificate) (*x509.Certificate, crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate of %s: %w", name, err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, nil, fmt.Errorf("certificate of %s: %w", name, err)
	}
	template.NotBefore = time.Now().Add(-backdate)
	parent, signer := c.cert, c.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate of %s: %w", name, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate of %s: %w", name, err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate of %s: %w", name, err)
	}
	for _, block := range []struct {
		file string
		pem  pem.Block
		mode fs.FileMode
	}{
		{name + ".key", pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}, 0o600},
		{name + ".crt", pem.Block{Type: "CERTIFICATE", Bytes: der}, 0o644},
	} {
		if err := replace(c.path(block.file), pem.EncodeToMemory(&block.pem), block.mode); err != nil {
			return nil, nil, fmt.Errorf("certificate of %s: %w", name, err)
		}
	}
	return cert, key, nil
}

// replace writes a file in one step, so that nobody reads half of it.
func replace(path string, data []byte, mode fs.FileMode) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, data, mode); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
