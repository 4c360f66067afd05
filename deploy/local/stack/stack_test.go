package stack_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/issuer"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

// start runs a stack that the test stops by the function returned, or that stops with the test.
func start(t *testing.T, opts stack.Options) (*stack.Stack, func()) {
	t.Helper()
	opts.Log = slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s, err := stack.Start(ctx, opts)
	require.NoError(t, err)
	stop := func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		require.NoError(t, s.Stop(ctx))
	}
	t.Cleanup(stop)
	return s, stop
}

func client(t *testing.T, s *stack.Stack, claims issuer.Claims) *gatewayclient.Client {
	t.Helper()
	token, err := s.Issuer().Token(claims)
	require.NoError(t, err)
	c := gatewayclient.New(s.Info().Gateway, 0)
	t.Cleanup(c.Close)
	return c.As(token)
}

// dataDir is a folder that a database server of another user may enter.
func dataDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	return filepath.Join(dir, "data")
}

func TestDataIsKeptFromRunToRun(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		dir := dataDir(t)
		s, stop := start(t, stack.Options{DataDir: dir, Engine: e.Kind()})
		var account gatewayclient.Account
		err := client(t, s, issuer.Claims{Operator: true}).Post(t.Context(), "/v1/accounts", gatewayclient.Account{DisplayName: "Kept", LicenseSeats: 5}, &account)
		require.NoError(t, err)
		owner := client(t, s, issuer.Claims{Subject: "owner", Account: account.Name, Role: "OWNER"})
		sites, err := gatewayclient.List[gatewayclient.Site](t.Context(), owner, "/v1/"+account.Name+"/sites", "sites", nil)
		require.NoError(t, err)
		require.NoError(t, owner.Post(t.Context(), "/v1/"+sites[0].Name+"/extensionRanges", gatewayclient.ExtensionRange{From: "1000", To: "1999"}, nil))
		users, err := owner.CreateUsers(t.Context(), account.Name, []gatewayclient.User{{Email: "ada@example.com"}, {Email: "bob@example.com"}})
		require.NoError(t, err)
		ada, err := owner.Assign(t.Context(), account.Name, gatewayclient.AssignRequest{Assignees: []string{users[0].Name}})
		require.NoError(t, err)
		testkit.Eventually(t, 20*time.Second, func() error { return haveMails(s, "ada@example.com", 1) })
		stop()

		s, _ = start(t, stack.Options{DataDir: dir})
		require.Contains(t, s.Info().Database, string(e.Kind()), "the folder stays with its engine")
		owner = client(t, s, issuer.Claims{Subject: "owner", Account: account.Name, Role: "OWNER"})
		var again gatewayclient.PhoneUser
		require.NoError(t, owner.Get(t.Context(), "/v1/"+ada[0].Name, &again))
		require.Equal(t, ada[0].ExtensionNumber, again.ExtensionNumber)
		require.NoError(t, haveMails(s, "ada@example.com", 1), "mails are kept, too")
		bob, err := owner.Assign(t.Context(), account.Name, gatewayclient.AssignRequest{Assignees: []string{users[1].Name}})
		require.NoError(t, err)
		require.NotEqual(t, ada[0].ExtensionNumber, bob[0].ExtensionNumber)
	})
}

func haveMails(s *stack.Stack, to string, n int) error {
	if got := len(s.Mail().Mails(to, 0)); got != n {
		return fmt.Errorf("%d mails have arrived for %s, not %d", got, to, n)
	}
	return nil
}

func TestReadyFileTellsWhereEverythingIs(t *testing.T) {
	t.Parallel()
	e := testkit.Engines(t)[0]
	s, _ := start(t, stack.Options{Database: e.Instance(), DatabasePrefix: "ready_"})
	path := filepath.Join(t.TempDir(), "ready.json")
	require.NoError(t, stack.WriteReadyFile(path, s.Info()))
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	var ready struct {
		Gateway, TokenURL, Mail, Database, Etcd string
		GRPC                                    map[string]string
	}
	require.NoError(t, json.Unmarshal(raw, &ready))
	require.Contains(t, ready.Database, string(e.Kind()))
	require.Regexp(t, `^http://127\.0\.0\.1:\d+$`, ready.Etcd)
	for _, name := range []string{"license", "extension", "numbering", "notification"} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", ready.GRPC[name])
		require.NoError(t, err, name)
		require.NoError(t, conn.Close())
	}

	token, err := gatewayclient.Token(t.Context(), ready.TokenURL, map[string]any{"operator": true})
	require.NoError(t, err)
	gateway := gatewayclient.New(ready.Gateway, 1)
	defer gateway.Close()
	require.NoError(t, gateway.As(token).Post(t.Context(), "/v1/accounts", gatewayclient.Account{DisplayName: "Ready", LicenseSeats: 1}, nil))
	mails := gatewayclient.New(ready.Mail, 1)
	defer mails.Close()
	var listed map[string]json.RawMessage
	require.NoError(t, mails.Get(t.Context(), "", &listed))
	require.JSONEq(t, `[]`, string(listed["messages"]))
}

func TestAPortThatIsTakenIsTold(t *testing.T) {
	t.Parallel()
	e := testkit.Engines(t)[0]
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = lis.Close() }()
	_, err = stack.Start(t.Context(), stack.Options{
		Database: e.Instance(), DatabasePrefix: "taken_", GatewayAddr: lis.Addr().String(), Log: slog.New(slog.DiscardHandler),
	})
	require.ErrorContains(t, err, lis.Addr().String())
}
