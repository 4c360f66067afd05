// Package localetcd runs an etcd inside this process, for local use and for tests. Deployments use a cluster.
package localetcd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"go.etcd.io/etcd/api/v3/version"
	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// Options say how to run it.
type Options struct {
	// DataDir keeps the data from run to run; it is created. Empty: a temporary folder that Stop removes, without fsync.
	DataDir string
	// Addr is the address to listen on, host:port. Default: a free port of 127.0.0.1.
	Addr string
	// Member makes it one of a cluster. Default: it is alone.
	Member *Member
	// Log is told of the start. Default: nobody is.
	Log *slog.Logger `json:"-"`
}

// Member is one member of a cluster. All of them are given the same Peers, and DataDir and Addr of their own.
type Member struct {
	// Name is this member's.
	Name string
	// Peers are the addresses, host:port, at which the members talk to each other, by name.
	Peers map[string]string
}

// Instance is a running etcd, or a member of one.
type Instance struct {
	// Endpoint is its address, http://host:port.
	Endpoint string
	// Version is etcd's version.
	Version string

	etcd    *embed.Etcd
	temp    string
	stopped sync.Once
	stopErr error
}

// Start runs an etcd and returns once it serves, or when ctx ends. The caller stops it.
func Start(ctx context.Context, opts Options) (*Instance, error) {
	inst := &Instance{Version: version.Version}
	dir := opts.DataDir
	if dir == "" {
		temp, err := os.MkdirTemp("", "switchboard-etcd-")
		if err != nil {
			return nil, fmt.Errorf("local etcd: %w", err)
		}
		inst.temp, dir = temp, temp
	}
	cfg := config(dir, opts)
	etcd, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("local etcd: %w", err), inst.remove())
	}
	inst.etcd = etcd
	select {
	case <-etcd.Server.ReadyNotify():
	case err := <-etcd.Err():
		return nil, errors.Join(fmt.Errorf("local etcd: %w", err), inst.Stop())
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("local etcd: %w", ctx.Err()), inst.Stop())
	}
	inst.Endpoint = "http://" + etcd.Clients[0].Addr().String()
	if opts.Log != nil {
		opts.Log.InfoContext(ctx, "etcd is up", "endpoint", inst.Endpoint, "version", inst.Version, "data", opts.DataDir)
	}
	return inst, nil
}

func config(dir string, opts Options) *embed.Config {
	addr := opts.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	client := url.URL{Scheme: "http", Host: addr}
	peer := url.URL{Scheme: "http", Host: "127.0.0.1:0"} // a lone member has no peers
	cfg := embed.NewConfig()
	cfg.Name, cfg.Dir = "local", filepath.Join(dir, "member")
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.TickMs, cfg.ElectionMs = 20, 200 // alone it need not wait long for the votes of others
	cfg.UnsafeNoFsync = opts.DataDir == ""
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	if opts.Member != nil {
		opts.Member.join(cfg)
	}
	return cfg
}

// join makes cfg that of a member.
func (m *Member) join(cfg *embed.Config) {
	peers := types.URLsMap{}
	for name, addr := range m.Peers {
		peers[name] = types.URLs{{Scheme: "http", Host: addr}}
	}
	cfg.Name = m.Name
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = peers[m.Name], peers[m.Name]
	cfg.InitialCluster = peers.String()
	// Members share a machine with much else: a busy moment of one must not look like its end.
	cfg.TickMs, cfg.ElectionMs = 100, 1000
}

// Halt ends the server, with its data in order, and leaves the connections of others to the end of this process: members keep theirs
// to each other open for ever, so that waiting for them takes long. Call nothing afterwards.
func (i *Instance) Halt() { i.etcd.Server.Stop() }

// Stop ends it and waits. It may be called more than once.
func (i *Instance) Stop() error {
	i.stopped.Do(func() {
		if i.etcd != nil {
			// The server first, which ends watches and lease streams: a graceful end would wait for their clients to go.
			i.etcd.Server.Stop()
			i.etcd.Close()
		}
		i.stopErr = i.remove()
	})
	return i.stopErr
}

func (i *Instance) remove() error {
	if i.temp == "" {
		return nil
	}
	if err := os.RemoveAll(i.temp); err != nil {
		return fmt.Errorf("local etcd: %w", err)
	}
	return nil
}
