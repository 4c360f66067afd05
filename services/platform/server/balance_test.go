package server_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/internal/testsvc"
	"github.com/switchboard-phone/switchboard/services/platform/server"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

// names is a name service whose answer changes, as that of a headless Service does. It is asked when a client is made and when a
// connection ends, as DNS is.
type names struct {
	*manual.Resolver
	mu    sync.Mutex
	addrs []string
	cc    resolver.ClientConn
}

func newNames(addrs ...string) *names {
	n := &names{Resolver: manual.NewBuilderWithScheme("names"), addrs: addrs}
	n.BuildCallback = func(_ resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) { n.cc = cc; n.answer() }
	n.ResolveNowCallback = func(resolver.ResolveNowOptions) { n.answer() }
	return n
}

func (n *names) answer() {
	n.mu.Lock()
	defer n.mu.Unlock()
	var state resolver.State
	for _, a := range n.addrs {
		state.Addresses = append(state.Addresses, resolver.Address{Addr: a})
	}
	_ = n.cc.UpdateState(state)
}

func (n *names) set(addrs ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.addrs = addrs
}

// TestClientsFindReplicasThatComeAndLeaveThoseThatGo has a client follow a service that is scaled out and whose first replica then
// ends. Nothing tells the client of the second replica but the age of its connection to the first.
func TestClientsFindReplicasThatComeAndLeaveThoseThatGo(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	served := map[string]int{}
	replica := func(name string) *bundle {
		return run(t, func(s *setup) {
			s.cfg.MaxConnectionAge = 50 * time.Millisecond
			s.handler = func(_ context.Context, _ string, req *dynamicpb.Message) (*dynamicpb.Message, error) {
				mu.Lock()
				defer mu.Unlock()
				served[name]++
				return req, nil
			}
		})
	}
	first, second := replica("first"), replica("second")
	addresses := newNames(first.Addr())
	conn, err := server.Dial(server.ClientConfig{Target: "names:///things"}, server.ClientOptions{
		TLS: plain, Token: authn.StaticToken("admin"), Idempotent: []string{testsvc.Full("Get")}, Extra: []grpc.DialOption{grpc.WithResolvers(addresses)},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	call := func() { // none may fail, whatever comes and goes
		_, err := testsvc.Call(t.Context(), conn, "Get", testsvc.New(testsvc.Name(own)))
		require.NoError(t, err)
	}
	share := func(name string) int {
		mu.Lock()
		defer mu.Unlock()
		return served[name]
	}
	call()
	require.Equal(t, 1, share("first"))

	addresses.set(first.Addr(), second.Addr())
	testkit.Eventually(t, 10*time.Second, func() error {
		call()
		if share("second") < 3 {
			return errors.New("the new replica gets nothing")
		}
		return nil
	})
	addresses.set(second.Addr())
	stopped := make(chan error, 1)
	go func() { stopped <- first.stop() }()
	for ended := false; !ended; {
		call()
		select {
		case err := <-stopped:
			require.NoError(t, err)
			ended = true
		default:
		}
	}
	before := share("first")
	call()
	require.Equal(t, before, share("first"))
}
