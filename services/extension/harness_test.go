package extension_test

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/metadata"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	extensionv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/extension/v1"
	"github.com/switchboard-phone/switchboard/services/extension"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/issuertest"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/peertest"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

// bundle is an account, a site of it, and the service.
type bundle struct {
	url           string
	issuer        *issuertest.Issuer
	peers         *peertest.Peers
	clock         *clock.Fake
	account, site string
	cfg           extension.Config
}

// setup prepares a service; etcd is its etcd's endpoints, none for no leasing.
func setup(t *testing.T, e testkit.Engine, etcd ...string) *bundle {
	t.Helper()
	b := &bundle{
		url: e.NewURL(t, extension.Migrations), issuer: issuertest.New(t), peers: peertest.New(t), clock: clock.NewFake(time.Now()), cfg: extension.DefaultConfig(),
	}
	b.account = "accounts/" + uuid.NewString()
	b.site = b.account + "/sites/" + uuid.NewString()
	b.cfg.Server.Addr, b.cfg.Server.OpsAddr, b.cfg.Server.DrainWait = "127.0.0.1:0", "127.0.0.1:0", 0
	b.cfg.TLS = b.peers.TLS("extension")
	b.cfg.Database.URL, b.cfg.Database.MaxConns = b.url, 8
	b.cfg.Auth.Issuer, b.cfg.Auth.JWKSURL = b.issuer.URL, b.issuer.URL
	b.cfg.Leasing.Enabled, b.cfg.Etcd.Endpoints = len(etcd) > 0, etcd
	b.cfg.Etcd.SessionTTL = 2 * time.Second
	b.cfg.CountEvery = 100 * time.Millisecond
	return b
}

// replica is one running service with clients to it.
type replica struct {
	alloc  extensionv1.AllocationServiceClient
	exts   extensionv1.ExtensionServiceClient
	ranges extensionv1.ExtensionRangeServiceClient
	ops    string
	stop   func()
}

func (b *bundle) start(t *testing.T) *replica {
	t.Helper()
	s, err := extension.New(t.Context(), b.cfg, extension.Options{Clock: b.clock, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	conn := b.peers.Dial(s.Addr(), "extension")
	r := &replica{
		alloc: extensionv1.NewAllocationServiceClient(conn), exts: extensionv1.NewExtensionServiceClient(conn),
		ranges: extensionv1.NewExtensionRangeServiceClient(conn), ops: "http://" + s.OpsAddr(),
	}
	r.stop = sync.OnceFunc(func() {
		require.NoError(t, conn.Close())
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(r.stop)
	return r
}

// as returns a context with a token of these claims.
func (b *bundle) as(t *testing.T, claims map[string]any) context.Context {
	t.Helper()
	return metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+b.issuer.Token(t, claims))
}

func (b *bundle) license(t *testing.T) context.Context {
	t.Helper()
	return peertest.As(t.Context(), "license")
}

func (b *bundle) admin(t *testing.T) context.Context {
	t.Helper()
	return b.as(t, map[string]any{"account": b.account[len("accounts/"):], "role": "ADMIN"})
}

func (b *bundle) operator(t *testing.T) context.Context {
	t.Helper()
	return b.as(t, map[string]any{"operator": true})
}

func (b *bundle) phoneUser() string { return b.account + "/phoneUsers/" + uuid.NewString() }

func (b *bundle) newRange(t *testing.T, r *replica, from, to string) *extensionv1.ExtensionRange {
	t.Helper()
	out, err := r.ranges.CreateExtensionRange(b.admin(t), &extensionv1.CreateExtensionRangeRequest{
		Parent: b.site, ExtensionRange: &extensionv1.ExtensionRange{From: from, To: to},
	})
	require.NoError(t, err)
	return out
}

// allocate asks for numbers for new owners ("" for any) and requires that they get some.
func (b *bundle) allocate(t *testing.T, r *replica, wishes ...string) []*extensionv1.Allocation {
	t.Helper()
	req := &extensionv1.AllocateExtensionsRequest{Site: b.site}
	for _, wish := range wishes {
		req.Allocations = append(req.Allocations, &extensionv1.Allocation{Owner: b.phoneUser(), Number: wish})
	}
	res, err := r.alloc.AllocateExtensions(b.license(t), req)
	require.NoError(t, err)
	require.Len(t, res.GetAllocations(), len(wishes))
	for i, a := range res.GetAllocations() {
		require.Equal(t, req.GetAllocations()[i].GetOwner(), a.GetOwner())
	}
	return res.GetAllocations()
}

// reasonIs requires a refusal as a caller sees it.
func reasonIs(t *testing.T, err error, want commonv1.Reason) *errs.Error {
	t.Helper()
	e, ok := errs.From(err)
	require.True(t, ok, "%v", err)
	require.Equal(t, want.String(), e.Reason().String(), "%v", err)
	return e
}

func fields(e *errs.Error) []string {
	var out []string
	for _, v := range e.Violations() {
		out = append(out, v.GetField())
	}
	return out
}
