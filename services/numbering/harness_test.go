package numbering_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/metadata"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	numberingv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/numbering/v1"
	"github.com/switchboard-phone/switchboard/services/numbering"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/issuertest"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/peertest"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

// replica is one running process of the service, with clients.
type replica struct {
	addr, ops   string
	packages    numberingv1.PackageServiceClient
	numbers     numberingv1.PhoneNumberServiceClient
	assignments numberingv1.AssignmentServiceClient
}

// bundle is a database with an account and a replica of the service on it.
type bundle struct {
	testing.TB
	replica
	url     string
	issuer  *issuertest.Issuer
	peers   *peertest.Peers
	clock   *clock.Fake
	faults  *faults.Script
	account uuid.UUID
	license context.Context // calls as the license service
	admin   context.Context // calls as an administrator of the account
}

func setup(t *testing.T, e testkit.Engine) *bundle {
	t.Helper()
	b := &bundle{
		TB: t, url: e.NewURL(t, numbering.Migrations), issuer: issuertest.New(t), peers: peertest.New(t), clock: clock.NewFake(time.Now()), faults: &faults.Script{},
		account: uuid.New(),
	}
	b.license = peertest.As(t.Context(), "license")
	b.admin = b.as(t, map[string]any{"account": b.account.String(), "role": "ADMIN"})
	b.replica = b.start(t)
	return b
}

// start runs one more replica until the end of the test.
func (b *bundle) start(t *testing.T) replica {
	t.Helper()
	cfg := numbering.DefaultConfig()
	cfg.Server.Addr, cfg.Server.OpsAddr, cfg.Server.DrainWait = "127.0.0.1:0", "127.0.0.1:0", 0
	cfg.TLS = b.peers.TLS("numbering")
	cfg.Database.URL, cfg.Database.MaxConns = b.url, 8
	cfg.Auth.Issuer, cfg.Auth.JWKSURL = b.issuer.URL, b.issuer.URL
	s, err := numbering.New(t.Context(), cfg, numbering.Options{Clock: b.clock, Faults: b.faults})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	conn := b.peers.Dial(s.Addr(), "numbering")
	t.Cleanup(func() {
		require.NoError(t, conn.Close())
		cancel()
		require.NoError(t, <-done)
	})
	return replica{
		addr: s.Addr(), ops: s.OpsAddr(), packages: numberingv1.NewPackageServiceClient(conn),
		numbers: numberingv1.NewPhoneNumberServiceClient(conn), assignments: numberingv1.NewAssignmentServiceClient(conn),
	}
}

// as returns a context with a token of these claims.
func (b *bundle) as(t *testing.T, claims map[string]any) context.Context {
	t.Helper()
	return metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+b.issuer.Token(t, claims))
}

func (b *bundle) parent() string { return "accounts/" + b.account.String() }

// owner returns the name of a new phone user.
func (b *bundle) owner() string { return b.parent() + "/phoneUsers/" + uuid.NewString() }

func (b *bundle) owners(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = b.owner()
	}
	return out
}

func (b *bundle) pkg(name string, seats int32) string {
	b.Helper()
	p, err := b.packages.CreatePackage(b.admin, &numberingv1.CreatePackageRequest{
		Parent: b.parent(), Package: &numberingv1.Package{DisplayName: name, Kind: "domestic", Seats: seats},
	})
	require.NoError(b, err)
	return p.GetName()
}

// numbered adds n direct numbers.
func (b *bundle) numbered(n int) []string {
	b.Helper()
	req, out := &numberingv1.BatchCreatePhoneNumbersRequest{Parent: b.parent()}, make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("+1555010%04d", i)
		req.PhoneNumbers = append(req.PhoneNumbers, &numberingv1.PhoneNumber{Number: out[i]})
	}
	_, err := b.numbers.BatchCreatePhoneNumbers(b.admin, req)
	require.NoError(b, err)
	return out
}

func want(owner string, numbers ...string) *numberingv1.Assignment {
	return &numberingv1.Assignment{Owner: owner, PhoneNumbers: numbers}
}

func (b *bundle) assign(pkg string, wants ...*numberingv1.Assignment) []*numberingv1.Assignment {
	b.Helper()
	resp, err := b.assignments.AssignPackages(b.license, &numberingv1.AssignPackagesRequest{Parent: b.parent(), Package: pkg, Assignments: wants})
	require.NoError(b, err)
	return resp.GetAssignments()
}

func (b *bundle) held(owners ...string) []*numberingv1.Assignment {
	b.Helper()
	resp, err := b.assignments.BatchGetAssignments(b.license, &numberingv1.BatchGetAssignmentsRequest{Parent: b.parent(), Owners: owners})
	require.NoError(b, err)
	return resp.GetAssignments()
}

func (b *bundle) assigned(pkg string) int {
	b.Helper()
	p, err := b.packages.GetPackage(b.admin, &numberingv1.GetPackageRequest{Name: pkg})
	require.NoError(b, err)
	return int(p.GetAssigned())
}

func (b *bundle) listed(filter, query string) []*numberingv1.PhoneNumber {
	b.Helper()
	resp, err := b.numbers.ListPhoneNumbers(b.admin, &numberingv1.ListPhoneNumbersRequest{Parent: b.parent(), Filter: filter, Query: query, PageSize: 1000})
	require.NoError(b, err)
	require.Len(b, resp.GetPhoneNumbers(), int(resp.GetTotalSize()))
	return resp.GetPhoneNumbers()
}

// refused checks why a call was refused and which fields it blames, and returns the metadata.
func refused(tb testing.TB, err error, reason commonv1.Reason, fields ...string) map[string]string {
	tb.Helper()
	e, ok := errs.From(err)
	require.True(tb, ok, "%v", err)
	require.Equal(tb, reason, e.Reason(), "%v", err)
	var blamed []string
	for _, v := range e.Violations() {
		require.NotEmpty(tb, v.GetDescription())
		blamed = append(blamed, v.GetField())
	}
	require.Equal(tb, fields, blamed)
	return e.Metadata()
}
