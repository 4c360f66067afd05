package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/switchboard-phone/switchboard/deploy/local/issuer"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/mtls"
)

// rpc is a method of the proto files and what its access option grants.
type rpc struct {
	protoreflect.MethodDescriptor
	access *commonv1.Access
}

// server is the name of the service that serves the method: the third part of its package.
func (m rpc) server() string { return strings.Split(string(m.FullName()), ".")[1] }

func (m rpc) path() string { return "/" + string(m.Parent().FullName()) + "/" + string(m.Name()) }

// grants writes an access option down for people.
func (m rpc) grants() string {
	var out []string
	for _, g := range []struct {
		name string
		is   bool
	}{{"public", m.access.GetPublic()}, {"operator", m.access.GetOperator()}} {
		if g.is {
			out = append(out, g.name)
		}
	}
	for _, r := range m.access.GetRoles() {
		out = append(out, r.String())
	}
	if m.access.GetOwn() {
		out = append(out, "own")
	}
	for _, s := range m.access.GetServices() {
		out = append(out, "service:"+s)
	}
	return strings.Join(out, " ")
}

func rpcs(t *testing.T) []rpc {
	t.Helper()
	var all []rpc
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		if !strings.HasPrefix(string(f.Package()), "switchboard.") {
			return true
		}
		for i := range f.Services().Len() {
			for j := range f.Services().Get(i).Methods().Len() {
				m := f.Services().Get(i).Methods().Get(j)
				access, _ := proto.GetExtension(m.Options(), commonv1.E_Access).(*commonv1.Access)
				require.NotNil(t, access, "%s has no access option", m.FullName())
				all = append(all, rpc{m, access})
			}
		}
		return true
	})
	slices.SortFunc(all, func(a, b rpc) int { return strings.Compare(string(a.FullName()), string(b.FullName())) })
	return all
}

const accessTable = "testdata/access.txt"

// TestAccessTable compares the access options with a table that was looked through: a method that is new, or admits others than
// before, fails until somebody has changed the table too. SWITCHBOARD_WRITE_ACCESS_TABLE=1 writes it.
func TestAccessTable(t *testing.T) {
	t.Parallel()
	var lines strings.Builder
	for _, m := range rpcs(t) {
		_, _ = fmt.Fprintf(&lines, "%s: %s\n", m.FullName(), m.grants())
	}
	if os.Getenv("SWITCHBOARD_WRITE_ACCESS_TABLE") != "" {
		require.NoError(t, os.WriteFile(accessTable, []byte(lines.String()), 0o600))
	}
	want, err := os.ReadFile(accessTable)
	require.NoError(t, err)
	require.Equal(t, string(want), lines.String())
}

// principal is a caller of the matrix.
type principal struct {
	name  string
	token string
	// service is whose certificate is shown; empty for none.
	service string
	// admitted says whether an access option admits the caller where the request names the caller's own account, or another.
	admitted func(a *commonv1.Access, own bool) bool
}

func role(r commonv1.Role) func(*commonv1.Access, bool) bool {
	return func(a *commonv1.Access, own bool) bool { return own && slices.Contains(a.GetRoles(), r) }
}

func principals(t *testing.T, tn *tenant) []principal {
	t.Helper()
	token := func(c issuer.Claims) string {
		text, err := tn.stack.Issuer().Token(c)
		require.NoError(t, err)
		return text
	}
	clerk := tn.users(1)[0]
	never := func(*commonv1.Access, bool) bool { return false }
	all := []principal{
		{name: "nobody", admitted: never},
		{name: "stranger", token: token(issuer.Claims{Subject: "x", Account: uuid.NewString(), Role: "OWNER"}), admitted: func(a *commonv1.Access, _ bool) bool {
			return len(a.GetRoles()) > 0 && len(a.GetAccountField()) == 0 // the handler looks whose it is, and there is none
		}},
		{name: "member", token: token(issuer.Claims{Subject: "m", Account: tn.account, Role: "MEMBER"}), admitted: role(commonv1.Role_MEMBER)},
		{name: "directory member", token: token(issuer.Claims{Subject: id(clerk.Name), Account: tn.account, Role: "OWNER"}), admitted: role(commonv1.Role_MEMBER)},
		{name: "no role", token: token(issuer.Claims{Subject: "n", Account: tn.account}), admitted: never},
		{name: "admin", token: token(issuer.Claims{Subject: "a", Account: tn.account, Role: "ADMIN"}), admitted: role(commonv1.Role_ADMIN)},
		{name: "owner", token: token(issuer.Claims{Subject: "o", Account: tn.account, Role: "OWNER"}), admitted: role(commonv1.Role_OWNER)},
		{name: "operator", token: token(issuer.Claims{Operator: true}), admitted: func(a *commonv1.Access, _ bool) bool { return a.GetOperator() }},
		{name: "license with a member's token", service: stack.License, token: token(issuer.Claims{Subject: "m", Account: tn.account, Role: "MEMBER"}), admitted: role(commonv1.Role_MEMBER)},
	}
	for _, service := range append(stack.ServiceNames(), stack.Gateway, "telephony", "nobody-knows") {
		all = append(all, principal{name: "service " + service, service: service, admitted: func(a *commonv1.Access, _ bool) bool {
			return slices.Contains(a.GetServices(), service)
		}})
	}
	return all
}

// request fills the fields by which the method finds its account with names in that account. Nothing that they name exists.
func (m rpc) request(t *testing.T, account string) *dynamicpb.Message {
	t.Helper()
	req := dynamicpb.NewMessage(m.Input())
	for _, path := range m.access.GetAccountField() {
		var at protoreflect.Message = req
		steps := strings.Split(path, ".")
		for i, step := range steps {
			f := at.Descriptor().Fields().ByName(protoreflect.Name(step))
			require.NotNil(t, f, "%s: %s", m.FullName(), path)
			name := account
			if step != "parent" {
				name += "/things/" + uuid.NewString()
			}
			switch {
			case i < len(steps)-1 && f.IsList():
				at = at.Mutable(f).List().AppendMutable().Message()
			case i < len(steps)-1:
				at = at.Mutable(f).Message()
			case f.IsList():
				at.Mutable(f).List().Append(protoreflect.ValueOfString(name))
			default:
				at.Set(f, protoreflect.ValueOfString(name))
			}
		}
	}
	return req
}

// call calls a method of whatever kind once.
func (m rpc) call(ctx context.Context, conn grpc.ClientConnInterface, req proto.Message) error {
	if !m.IsStreamingServer() {
		return conn.Invoke(ctx, m.path(), req, dynamicpb.NewMessage(m.Output()))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, m.path())
	if err != nil {
		return err
	}
	if err := errors.Join(s.SendMsg(req), s.CloseSend()); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err := s.RecvMsg(dynamicpb.NewMessage(m.Output())); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// dials opens connections by the identity that is shown and the service that is called.
type dials struct {
	*testing.T
	stack *stack.Stack
	conns map[[2]string]*grpc.ClientConn
}

func (d *dials) to(service, as string) *grpc.ClientConn {
	d.Helper()
	key := [2]string{service, as}
	if conn, ok := d.conns[key]; ok {
		return conn
	}
	cfg := mtls.Config{CAFile: d.stack.CA().CAFile(), TrustDomain: mtls.DefaultTrustDomain}
	if as != "" {
		cfg = d.stack.Identity(as)
		if cfg.CertFile == "" {
			var err error
			cfg, err = d.stack.CA().Issue(as)
			require.NoError(d, err)
		}
	}
	creds, err := mtls.Client(cfg, service, nil)
	require.NoError(d, err)
	conn, err := grpc.NewClient(d.stack.Info().GRPC[service], grpc.WithTransportCredentials(creds))
	require.NoError(d, err)
	d.Cleanup(func() { _ = conn.Close() })
	d.conns[key] = conn
	return conn
}

func withToken(ctx context.Context, token string) context.Context {
	if token == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

// TestEveryMethodEveryCaller calls every method of every service, past the gateway, as every kind of caller, for the caller's account
// and for another. Who is not admitted is refused before anything of the request is judged; who is admitted is not refused for that.
func TestEveryMethodEveryCaller(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn, other := newTenant(t, s, 5), newBareTenant(t, s, 1)
		d := &dials{T: t, stack: s, conns: map[[2]string]*grpc.ClientConn{}}
		calls := 0
		for _, m := range rpcs(t) {
			for _, p := range principals(t, tn) {
				for _, account := range []string{tn.account, other.account} {
					err := m.call(withToken(t.Context(), p.token), d.to(m.server(), p.service), m.request(t, account))
					calls++
					got, own := status.Code(err), account == tn.account || len(m.access.GetAccountField()) == 0
					what := fmt.Sprintf("%s calls %s for account own=%t: %v", p.name, m.FullName(), account == tn.account, err)
					switch {
					case m.access.GetPublic() || p.admitted(m.access, own):
						require.NotContains(t, []codes.Code{codes.PermissionDenied, codes.Unauthenticated, codes.Internal, codes.Unknown, codes.Unimplemented}, got, what)
					case p.name == "nobody":
						require.Equal(t, codes.Unauthenticated, got, what)
					default:
						require.Equal(t, codes.PermissionDenied, got, what)
					}
				}
			}
		}
		t.Logf("%d calls", calls)
		require.Greater(t, calls, 1500)
	})
}

// TestServicesThatAreNotOnTheList shows the two rules that matter most by name, and that a certificate of another authority, or none,
// opens nothing.
func TestServicesThatAreNotOnTheList(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		d := &dials{T: t, stack: s, conns: map[[2]string]*grpc.ClientConn{}}
		for _, m := range rpcs(t) {
			if m.Name() != "AllocateExtensions" && m.Name() != "EnqueueMessages" {
				continue
			}
			require.Equal(t, []string{stack.License}, m.access.GetServices())
			for _, who := range []string{stack.Numbering, stack.Extension, stack.Notification, stack.Gateway} {
				err := m.call(t.Context(), d.to(m.server(), who), m.request(t, ""))
				require.Equal(t, codes.PermissionDenied, status.Code(err), "%s: %v", who, err)
			}
			require.Equal(t, codes.Unauthenticated, status.Code(m.call(t.Context(), d.to(m.server(), ""), m.request(t, ""))))
		}
		plain, err := grpc.NewClient(s.Info().GRPC[stack.Extension], grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS13})))
		require.NoError(t, err)
		defer func() { _ = plain.Close() }()
		err = plain.Invoke(t.Context(), "/grpc.health.v1.Health/Check", dynamicpb.NewMessage(rpcs(t)[0].Input()), dynamicpb.NewMessage(rpcs(t)[0].Output()))
		require.Equal(t, codes.Unavailable, status.Code(err), "the local authority is not one that the world believes")
	})
}
