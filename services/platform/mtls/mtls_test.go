package mtls_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/switchboard-phone/switchboard/services/platform/localca"
	"github.com/switchboard-phone/switchboard/services/platform/mtls"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

// whoAmI answers every health check with the caller's name as a trailer-free error text.
type whoAmI struct {
	healthpb.UnimplementedHealthServer
}

func (whoAmI) Check(ctx context.Context, _ *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	name, ok := mtls.Peer(ctx)
	return nil, status.Errorf(codes.Aborted, "%s %t", name, ok)
}

func serve(t *testing.T, cfg mtls.Config) string {
	t.Helper()
	creds, err := mtls.Server(cfg, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	srv := grpc.NewServer(grpc.Creds(creds))
	healthpb.RegisterHealthServer(srv, whoAmI{})
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(lis) }()
	t.Cleanup(func() { srv.Stop(); require.NoError(t, <-done) })
	return lis.Addr().String()
}

// ask connects anew and returns what the server saw: "license true" or "false", or why there was no connection.
func ask(t *testing.T, addr, service string, cfg mtls.Config) (string, error) {
	t.Helper()
	creds, err := mtls.Client(cfg, service, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(creds))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err = healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	if status.Code(err) == codes.Aborted {
		return status.Convert(err).Message(), nil
	}
	return "", err
}

func authority(t *testing.T) *localca.CA {
	t.Helper()
	ca, err := localca.Open(t.TempDir(), "")
	require.NoError(t, err)
	return ca
}

func issue(t *testing.T, ca *localca.CA, service string) mtls.Config {
	t.Helper()
	cfg, err := ca.Issue(service)
	require.NoError(t, err)
	return cfg
}

func TestPeer(t *testing.T) {
	t.Parallel()
	ca := authority(t)
	addr := serve(t, issue(t, ca, "extension"))
	got, err := ask(t, addr, "extension", issue(t, ca, "license"))
	require.NoError(t, err)
	require.Equal(t, "license true", got)
	got, err = ask(t, addr, "extension", mtls.Config{CAFile: ca.CAFile(), TrustDomain: mtls.DefaultTrustDomain})
	require.NoError(t, err)
	require.Equal(t, " false", got, "no certificate, no name")

	_, err = ask(t, addr, "numbering", issue(t, ca, "license"))
	require.ErrorContains(t, err, "instead of")
	_, err = ask(t, addr, "extension", issue(t, authority(t), "license"))
	require.Error(t, err, "another authority's")
	elsewhere, err := localca.Open(t.TempDir(), "elsewhere")
	require.NoError(t, err)
	_, err = ask(t, serve(t, issue(t, elsewhere, "extension")), "extension",
		mtls.Config{CAFile: elsewhere.CAFile(), TrustDomain: mtls.DefaultTrustDomain})
	require.ErrorContains(t, err, "names no service of switchboard")
}

// TestCertificatesThatNameNoService are of the right authority, and yet nobody's.
func TestCertificatesThatNameNoService(t *testing.T) {
	t.Parallel()
	ca := authority(t)
	addr := serve(t, issue(t, ca, "extension"))
	for name, uris := range map[string][]string{
		"none":           nil,
		"two":            {"spiffe://switchboard/service/license", "spiffe://switchboard/service/extension"},
		"another domain": {"spiffe://elsewhere/service/license"},
		"another scheme": {"https://switchboard/service/license"},
		"not a service":  {"spiffe://switchboard/user/license"},
		"deeper":         {"spiffe://switchboard/service/license/x"},
		"empty":          {"spiffe://switchboard/service/"},
		"query":          {"spiffe://switchboard/service/license?x=1"},
		"upper case":     {"spiffe://switchboard/service/License"},
		"port":           {"spiffe://switchboard:443/service/license"},
		"user":           {"spiffe://a@switchboard/service/license"},
	} {
		cfg := forge(t, ca, time.Now().Add(time.Hour), uris...)
		_, err := ask(t, addr, "extension", cfg)
		require.Equal(t, codes.Unavailable, status.Code(err), "%s: %v", name, err)
	}
	_, err := ask(t, addr, "extension", forge(t, ca, time.Now().Add(-time.Minute), "spiffe://switchboard/service/license"))
	require.Equal(t, codes.Unavailable, status.Code(err), "out of date: %v", err)
	got, err := ask(t, addr, "extension", forge(t, ca, time.Now().Add(time.Hour), "spiffe://switchboard/service/license"))
	require.NoError(t, err)
	require.Equal(t, "license true", got, "so that it is the URI that the others are refused for")
}

// forge makes a certificate of the authority that its Issue would not.
func forge(t *testing.T, ca *localca.CA, until time.Time, uris ...string) mtls.Config {
	t.Helper()
	signer, err := tls.LoadX509KeyPair(ca.CAFile(), filepath.Join(filepath.Dir(ca.CAFile()), "ca.key"))
	require.NoError(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), NotBefore: time.Now().Add(-time.Hour), NotAfter: until, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, text := range uris {
		u, err := url.Parse(text)
		require.NoError(t, err)
		template.URIs = append(template.URIs, u)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer.Leaf, &key.PublicKey, signer.PrivateKey)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	dir := t.TempDir()
	cfg := mtls.Config{CertFile: filepath.Join(dir, "c"), KeyFile: filepath.Join(dir, "k"), CAFile: ca.CAFile(), TrustDomain: mtls.DefaultTrustDomain}
	require.NoError(t, os.WriteFile(cfg.CertFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(cfg.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	return cfg
}

// TestRenewal replaces the files of a server under way by those of another authority: certificate, key and trust all change, and
// nothing starts again. A half-done renewal changes nothing.
func TestRenewal(t *testing.T) {
	t.Parallel()
	old, next := authority(t), authority(t)
	dir := t.TempDir()
	inUse := func(cfg mtls.Config) mtls.Config {
		out := mtls.Config{CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key"), CAFile: filepath.Join(dir, "ca.crt"), TrustDomain: cfg.TrustDomain}
		for from, to := range map[string]string{cfg.CertFile: out.CertFile, cfg.KeyFile: out.KeyFile, cfg.CAFile: out.CAFile} {
			data, err := os.ReadFile(from)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(to, data, 0o600))
		}
		return out
	}
	cfg := inUse(issue(t, old, "extension"))
	addr := serve(t, cfg)
	before, after := issue(t, old, "license"), issue(t, next, "license")
	_, err := ask(t, addr, "extension", before)
	require.NoError(t, err)

	require.NoError(t, os.WriteFile(cfg.CertFile, []byte("half of"), 0o600))
	began := time.Now()
	testkit.Eventually(t, 10*time.Second, func() error {
		if _, err := ask(t, addr, "extension", before); err != nil {
			t.Fatalf("a half-done renewal broke what worked: %v", err)
		}
		if time.Since(began) < 1500*time.Millisecond {
			return errors.New("the files were not looked at again yet")
		}
		return nil
	})
	inUse(issue(t, next, "extension"))
	testkit.Eventually(t, 10*time.Second, func() error {
		got, err := ask(t, addr, "extension", after)
		if err == nil && got != "license true" {
			err = fmt.Errorf("saw %q", got)
		}
		return err
	})
	_, err = ask(t, addr, "extension", before)
	require.Error(t, err, "the old authority is not believed any more")
}

func TestAuthorityIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := localca.Open(dir, "")
	require.NoError(t, err)
	addr := serve(t, issue(t, first, "extension"))
	again, err := localca.Open(dir, "")
	require.NoError(t, err)
	_, err = ask(t, addr, "extension", issue(t, again, "license"))
	require.NoError(t, err)
	info, err := os.Stat(filepath.Join(dir, "license.key"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}
