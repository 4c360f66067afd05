package lease_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/switchboard-phone/switchboard/services/extension/internal/lease"
	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/etcdx"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/etcdtest"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

// newLeases returns the leases of one replica, with a session, and the client it uses.
func newLeases(t *testing.T, etcd *etcdtest.Server, holder string) (*lease.Etcd, *clientv3.Client) {
	t.Helper()
	client, err := etcdx.Open(etcdx.Config{Endpoints: etcd.Endpoints()})
	require.NoError(t, err)
	keeper := etcdx.NewKeeper(client, etcdx.KeeperOptions{TTL: 2 * time.Second})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = keeper.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		require.NoError(t, client.Close())
	})
	_, err = keeper.Wait(t.Context())
	require.NoError(t, err)
	return lease.New(client, keeper, holder, clock.System), client
}

// blocks returns count blocks of a new range.
func blocks(account uuid.UUID, count int) []lease.Block {
	span := number.Span{From: number.MustParse("00000"), To: number.MustParse("99999")}
	site, rng := uuid.New(), uuid.New()
	var out []lease.Block
	for i := range int64(count) {
		out = append(out, lease.Block{Account: account, Site: site, Range: rng, Index: i, Span: span.Block(i)})
	}
	return out
}

func TestTakeIsAllOrNone(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.New(t)
	ctx := t.Context()
	a, _ := newLeases(t, etcd, "a")
	b, _ := newLeases(t, etcd, "b")
	require.NotEqual(t, a.Epoch(), b.Epoch())
	all := blocks(uuid.New(), 20)

	taken, err := a.Take(ctx, a.Epoch(), all[17:19])
	require.NoError(t, err)
	require.Nil(t, taken)
	taken, err = b.Take(ctx, b.Epoch(), all[16:18])
	require.NoError(t, err)
	require.Equal(t, map[lease.Key]int64{all[17].Key(): a.Epoch(), all[18].Key(): a.Epoch()}, taken)
	taken, err = b.Take(ctx, b.Epoch(), all[:17])
	require.NoError(t, err)
	require.Nil(t, taken, "the refused one left nothing behind")

	_, err = a.Take(ctx, 12345, all[19:])
	require.Error(t, err, "there is no such session")
	_, err = a.Take(ctx, a.Epoch(), blocks(uuid.New(), 65))
	require.Error(t, err)

	// Only one's own can be given up.
	require.NoError(t, b.GiveUp(ctx, b.Epoch(), all))
	held, err := a.List(ctx, "", 100)
	require.NoError(t, err)
	require.Len(t, held, 2)
	require.Equal(t, all[17], held[0].Block)
	require.Equal(t, "a", held[0].Holder)
	require.WithinDuration(t, time.Now(), held[0].Expire, 5*time.Second)
}

func TestListPages(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.New(t)
	ctx := t.Context()
	a, client := newLeases(t, etcd, "a")
	var want []lease.Block
	for range 3 {
		bs := blocks(uuid.New(), 64)
		taken, err := a.Take(ctx, a.Epoch(), bs)
		require.NoError(t, err)
		require.Nil(t, taken)
		want = append(want, bs...)
	}
	_, err := client.Put(ctx, "/switchboard/extension/other", "not a block")
	require.NoError(t, err)
	var got []lease.Block
	after := ""
	for {
		page, err := a.List(ctx, after, 50)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		for _, h := range page {
			got = append(got, h.Block)
		}
		after = page[len(page)-1].Key
	}
	require.ElementsMatch(t, want, got)
	for i := 1; i < len(got); i++ {
		if got[i].Range == got[i-1].Range {
			require.Equal(t, got[i-1].Index+1, got[i].Index, "blocks are in order")
		}
	}
	require.NoError(t, a.GiveUp(ctx, a.Epoch(), got))
	page, err := a.List(ctx, "", 1)
	require.NoError(t, err)
	require.Empty(t, page)
}

func TestEpochEndsWithTheSession(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.New(t)
	ctx := t.Context()
	a, client := newLeases(t, etcd, "a")
	b, _ := newLeases(t, etcd, "b")
	all := blocks(uuid.New(), 1)
	_, err := a.Take(ctx, a.Epoch(), all)
	require.NoError(t, err)
	first := a.Epoch()
	_, err = client.Revoke(ctx, clientv3.LeaseID(first))
	require.NoError(t, err)
	taken, err := b.Take(ctx, b.Epoch(), all)
	require.NoError(t, err)
	require.Nil(t, taken, "the block is free as soon as etcd ends the session")
	testkit.Eventually(t, 10*time.Second, func() error {
		if now := a.Epoch(); now == 0 || now == first {
			return context.DeadlineExceeded
		}
		return nil
	})
	require.NoError(t, a.GiveUp(ctx, first, all), "of a session that is over")
	held, err := a.List(ctx, "", 10)
	require.NoError(t, err)
	require.Len(t, held, 1)
	require.Equal(t, "b", held[0].Holder)
}
