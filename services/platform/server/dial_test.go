package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/dynamicpb"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
	"github.com/switchboard-phone/switchboard/services/platform/internal/testsvc"
	"github.com/switchboard-phone/switchboard/services/platform/server"
)

func insecureOption() grpc.DialOption {
	return grpc.WithTransportCredentials(insecure.NewCredentials())
}

func TestOnlyIdempotentMethodsAreRepeated(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	b := run(t, func(s *setup) {
		s.client.Idempotent = []string{testsvc.Full("Get")}
		s.handler = func(context.Context, string, *dynamicpb.Message) (*dynamicpb.Message, error) {
			if calls.Add(1) < 3 {
				return nil, errs.New(commonv1.Reason_UNAVAILABLE, "not now")
			}
			return testsvc.New(), nil
		}
	})
	_, err := b.unary("Get", own)(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(3), calls.Load())
	calls.Store(0)
	_, err = testsvc.Call(t.Context(), b.conn, "Update", testsvc.New(testsvc.Thing(own)))
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.Equal(t, int64(1), calls.Load())
	_, err = server.Dial(server.ClientConfig{Target: b.Addr()}, server.ClientOptions{Idempotent: []string{"nonsense"}})
	require.Error(t, err)
}

func TestClientFaultsSeeTheWholeCall(t *testing.T) {
	t.Parallel()
	script, lost := &faults.Script{}, status.Error(codes.Unavailable, "answer lost")
	var calls atomic.Int64
	b := run(t, func(s *setup) {
		s.client.Faults = script
		s.handler = func(_ context.Context, _ string, req *dynamicpb.Message) (*dynamicpb.Message, error) {
			calls.Add(1)
			return req, nil
		}
	})
	point := faults.RPCPoint(testsvc.Full("Get"))
	script.FailBefore(point, 1, lost)
	script.FailAfter(point, 1, lost)
	_, err := b.unary("Get", own)(t.Context())
	require.ErrorIs(t, err, lost)
	require.Zero(t, calls.Load())
	_, err = b.unary("Get", own)(t.Context())
	require.ErrorIs(t, err, lost)
	require.Equal(t, int64(1), calls.Load(), "carried out, then reported as failed")
}

func TestShaveLeavesTimeForTheCaller(t *testing.T) {
	t.Parallel()
	left := func(have time.Duration) (time.Duration, error) {
		ctx, cancel := context.WithTimeout(t.Context(), have)
		defer cancel()
		shaved, cancelShaved, err := server.Shave(ctx, time.Hour)
		if err != nil {
			return 0, err
		}
		defer cancelShaved()
		parent, _ := ctx.Deadline()
		child, _ := shaved.Deadline()
		return parent.Sub(child), nil
	}
	cut, err := left(100 * time.Second)
	require.NoError(t, err)
	require.InDelta(t, 5, cut.Seconds(), 0.1, "a twentieth")
	cut, err = left(200 * time.Millisecond)
	require.NoError(t, err)
	require.InDelta(t, 0.02, cut.Seconds(), 0.005, "at least 20 ms")
	_, err = left(10 * time.Millisecond)
	require.Equal(t, commonv1.Reason_DEADLINE_EXCEEDED, errs.Reason(err))
	require.False(t, errs.Definitive(err))

	ctx, cancel, err := server.Shave(context.Background(), time.Hour)
	require.NoError(t, err)
	defer cancel()
	deadline, ok := ctx.Deadline()
	require.True(t, ok)
	require.InDelta(t, time.Hour.Seconds(), time.Until(deadline).Seconds(), 5)
}

func TestClientsShareMetrics(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	b := run(t, func(s *setup) { s.client.Registerer = reg })
	second, err := server.Dial(server.ClientConfig{Target: b.Addr()}, server.ClientOptions{Registerer: reg})
	require.NoError(t, err)
	defer func() { _ = second.Close() }()
	for _, conn := range []*grpc.ClientConn{b.conn, second} {
		_, err := testsvc.Call(t.Context(), conn, "Public", testsvc.New())
		require.NoError(t, err)
	}
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == "grpc_client_handled_total" {
			require.InDelta(t, 2, f.GetMetric()[0].GetCounter().GetValue(), 0)
			return
		}
	}
	t.Fatal("no metrics of calls")
}

func TestMutualTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := newAuthority(t, dir)
	ca.issue(t, "server")
	ca.issue(t, "client")
	b := run(t, func(s *setup) {
		s.cfg.TLSCertFile, s.cfg.TLSKeyFile, s.cfg.ClientCAFile = filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key"), filepath.Join(dir, "ca.crt")
	})
	dial := func(cfg server.ClientConfig) error {
		cfg.Target = b.Addr()
		conn, err := server.Dial(cfg, server.ClientOptions{Token: authn.StaticToken("admin")})
		require.NoError(t, err)
		defer func() { _ = conn.Close() }()
		_, err = testsvc.Call(t.Context(), conn, "Get", testsvc.New(testsvc.Name(own)))
		return err
	}
	require.NoError(t, dial(server.ClientConfig{CAFile: filepath.Join(dir, "ca.crt"), CertFile: filepath.Join(dir, "client.crt"), KeyFile: filepath.Join(dir, "client.key")}))
	require.Error(t, dial(server.ClientConfig{CAFile: filepath.Join(dir, "ca.crt")}), "no certificate")
	require.Error(t, dial(server.ClientConfig{}), "no TLS")
	_, err := server.Dial(server.ClientConfig{Target: b.Addr(), CAFile: filepath.Join(dir, "server.key")}, server.ClientOptions{})
	require.Error(t, err, "not a certificate")
}

// authority issues certificates for a test.
type authority struct {
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T, dir string) *authority {
	t.Helper()
	a := &authority{dir: dir}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	a.key, a.cert = a.write(t, "ca", tmpl)
	return a
}

func (a *authority) issue(t *testing.T, name string) {
	t.Helper()
	a.write(t, name, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
}

func (a *authority) write(t *testing.T, name string, tmpl *x509.Certificate) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = tmpl, key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	keyDER, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	for file, block := range map[string]*pem.Block{
		name + ".crt": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "EC PRIVATE KEY", Bytes: keyDER},
	} {
		require.NoError(t, os.WriteFile(filepath.Join(a.dir, file), pem.EncodeToMemory(block), 0o600))
	}
	return key, cert
}

func TestTokenFileOfClient(t *testing.T) {
	t.Parallel()
	b := run(t, nil)
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte("admin"), 0o600))
	conn, err := server.Dial(server.ClientConfig{Target: b.Addr(), TokenFile: file}, server.ClientOptions{})
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = testsvc.Call(t.Context(), conn, "Get", testsvc.New(testsvc.Name(own)))
	require.NoError(t, err)

	missing, err := server.Dial(server.ClientConfig{Target: b.Addr(), TokenFile: file + "-missing"}, server.ClientOptions{})
	require.NoError(t, err)
	defer func() { _ = missing.Close() }()
	_, err = testsvc.Call(t.Context(), missing, "Get", testsvc.New(testsvc.Name(own)))
	require.Error(t, err)
	require.Equal(t, codes.Unavailable, status.Code(err))
}
