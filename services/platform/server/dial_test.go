package server_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/dynamicpb"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
	"github.com/switchboard-phone/switchboard/services/platform/internal/testsvc"
	"github.com/switchboard-phone/switchboard/services/platform/mtls"
	"github.com/switchboard-phone/switchboard/services/platform/server"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/peertest"
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
	_, err = server.Dial(server.ClientConfig{Target: b.Addr()}, server.ClientOptions{TLS: plain, Idempotent: []string{"nonsense"}})
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
	second, err := server.Dial(server.ClientConfig{Target: b.Addr()}, server.ClientOptions{TLS: plain, Registerer: reg})
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

// plain is for servers whose callers need no identity.
var plain = mtls.Config{Plaintext: true}

func TestServicesKnowEachOther(t *testing.T) {
	t.Parallel()
	peers := peertest.New(t)
	b := run(t, func(s *setup) { s.deps.TLS = peers.TLS("things") })
	dial := func(service string, tls mtls.Config, token credentials.PerRPCCredentials, method string) error {
		conn, err := server.Dial(server.ClientConfig{Target: b.Addr()}, server.ClientOptions{Service: service, TLS: tls, Token: token})
		require.NoError(t, err)
		defer func() { _ = conn.Close() }()
		_, err = testsvc.Call(t.Context(), conn, method, testsvc.New(testsvc.Name(own)))
		return err
	}
	license, noName := peers.TLS("license"), peers.TLS("license")
	noName.CertFile, noName.KeyFile = "", ""
	require.NoError(t, dial("things", license, nil, "Internal"))
	require.NoError(t, dial("things", license, authn.StaticToken("admin"), "Get"), "with a token it is that person's call")
	require.NoError(t, dial("things", noName, authn.StaticToken("admin"), "Get"), "people's tools have no certificate")
	for reason, err := range map[commonv1.Reason]error{
		commonv1.Reason_PERMISSION_DENIED: dial("things", license, authn.StaticToken("admin"), "Internal"),
		commonv1.Reason_UNAUTHENTICATED:   dial("things", noName, nil, "Internal"),
	} {
		require.Equal(t, reason, errs.Reason(err))
	}
	require.Equal(t, commonv1.Reason_PERMISSION_DENIED, errs.Reason(dial("things", peers.TLS("numbering"), nil, "Internal")), "not on the list")
	require.Equal(t, commonv1.Reason_PERMISSION_DENIED, errs.Reason(dial("things", license, nil, "Get")), "not on this list")
	for name, err := range map[string]error{
		"another service answers": dial("numbering", license, nil, "Internal"),
		"another authority":       dial("things", peertest.New(t).TLS("license"), nil, "Internal"),
		"no TLS":                  dial("things", plain, authn.StaticToken("admin"), "Get"),
	} {
		require.Equal(t, codes.Unavailable, status.Code(err), "%s: %v", name, err)
	}
}

func TestDialRefusesNonsense(t *testing.T) {
	t.Parallel()
	good := peertest.New(t).TLS("license")
	for name, opts := range map[string]server.ClientOptions{
		"nothing said":      {Service: "things"},
		"no service":        {TLS: good},
		"half a pair":       {Service: "things", TLS: mtls.Config{CertFile: good.CertFile, CAFile: good.CAFile}},
		"files not there":   {Service: "things", TLS: mtls.Config{CAFile: "/nowhere"}},
		"not a certificate": {Service: "things", TLS: mtls.Config{CAFile: good.KeyFile}},
		"plain with files":  {Service: "things", TLS: mtls.Config{CAFile: good.CAFile, Plaintext: true}},
	} {
		_, err := server.Dial(server.ClientConfig{Target: "127.0.0.1:1"}, opts)
		require.ErrorContains(t, err, "tls", name)
	}
}
