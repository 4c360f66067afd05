package etcdx_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/switchboard-phone/switchboard/services/platform/etcdx"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/etcdtest"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

func open(t *testing.T, endpoints []string) *clientv3.Client {
	t.Helper()
	client, err := etcdx.Open(etcdx.Config{Endpoints: endpoints})
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// keep runs a keeper until the test ends or the function it returns is called.
func keep(t *testing.T, client *clientv3.Client, opts etcdx.KeeperOptions) (*etcdx.Keeper, func()) {
	t.Helper()
	opts.TTL = 2 * time.Second
	k := etcdx.NewKeeper(client, opts)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = k.Run(ctx) }()
	stop := func() { cancel(); <-done }
	t.Cleanup(stop)
	return k, stop
}

func wait(t *testing.T, k *etcdx.Keeper) *etcdx.Session {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s, err := k.Wait(ctx)
	require.NoError(t, err)
	return s
}

func TestKeysVanishAtOnceWhenTheSessionIsGivenBack(t *testing.T) {
	t.Parallel()
	srv := etcdtest.New(t)
	client := open(t, srv.Endpoints())
	k, stop := keep(t, client, etcdx.KeeperOptions{OnLost: func(*etcdx.Session) { t.Error("given back is not lost") }})
	s := wait(t, k)
	require.Same(t, s, k.Current())
	_, err := client.Put(t.Context(), "block", "mine", clientv3.WithLease(s.Lease()))
	require.NoError(t, err)
	stop()
	require.Nil(t, k.Current())
	<-s.Done()
	resp, err := client.Get(t.Context(), "block")
	require.NoError(t, err)
	require.Empty(t, resp.Kvs)
}

func TestSessionOutlivesItsTTL(t *testing.T) {
	t.Parallel()
	srv := etcdtest.New(t)
	client := open(t, srv.Endpoints())
	k, _ := keep(t, client, etcdx.KeeperOptions{})
	s := wait(t, k)
	renewed := func() error {
		resp, err := client.TimeToLive(t.Context(), s.Lease())
		if err == nil && resp.TTL < 1 {
			err = errors.New("the lease is running out")
		}
		return err
	}
	for end := time.Now().Add(4 * time.Second); time.Now().Before(end); {
		testkit.Eventually(t, 2*time.Second, renewed)
		select {
		case <-s.Done():
			t.Fatal("the session ended although etcd is up")
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func TestLostSessionIsReplaced(t *testing.T) {
	t.Parallel()
	srv := etcdtest.New(t)
	client := open(t, srv.Endpoints())
	events := make(chan string, 10)
	k, _ := keep(t, client, etcdx.KeeperOptions{
		OnGained: func(*etcdx.Session) { events <- "gained" }, OnLost: func(*etcdx.Session) { events <- "lost" },
	})
	first := wait(t, k)
	_, err := client.Revoke(t.Context(), first.Lease()) // as if it had expired
	require.NoError(t, err)
	<-first.Done()
	require.Equal(t, "gained", <-events)
	require.Equal(t, "lost", <-events)
	require.Equal(t, "gained", <-events)
	require.NotEqual(t, first.Lease(), wait(t, k).Lease())
}

func TestNobodyWaitsWhileEtcdIsAway(t *testing.T) {
	t.Parallel()
	srv := etcdtest.New(t)
	srv.Stop(t)
	client := open(t, srv.Endpoints())
	lost := make(chan struct{}, 1)
	k, _ := keep(t, client, etcdx.KeeperOptions{OnLost: func(*etcdx.Session) { lost <- struct{}{} }})
	require.Nil(t, k.Current())
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := k.Wait(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	srv.Start(t)
	first := wait(t, k)
	srv.Stop(t)
	select {
	case <-lost:
	case <-time.After(30 * time.Second):
		t.Fatal("the session's end was not noticed")
	}
	<-first.Done()
	require.Nil(t, k.Current())
	srv.Start(t)
	require.NotEqual(t, first.Lease(), wait(t, k).Lease())
}

func TestStopWhileEtcdIsAwayIsQuick(t *testing.T) {
	t.Parallel()
	srv := etcdtest.New(t)
	client := open(t, srv.Endpoints())
	k, stop := keep(t, client, etcdx.KeeperOptions{})
	wait(t, k)
	srv.Stop(t)
	start := time.Now()
	stop()
	require.Less(t, time.Since(start), 10*time.Second)
}

func TestOpenRefusesMistakes(t *testing.T) {
	t.Parallel()
	_, err := etcdx.Open(etcdx.Config{})
	require.ErrorContains(t, err, "endpoints")
	_, err = etcdx.Open(etcdx.Config{Endpoints: []string{"http://127.0.0.1:1"}, CAFile: "/nowhere"})
	require.ErrorIs(t, err, os.ErrNotExist)
}
