package lincheck

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/switchboard-phone/switchboard/services/extension"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
	"github.com/switchboard-phone/switchboard/services/platform/mtls"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/issuertest"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/peertest"
)

// honestEnv makes a replica report its writes as they were.
const honestEnv = "LINCHECK_HONEST"

// replicaEnv makes this test binary a replica with the configuration that it holds.
const replicaEnv = "LINCHECK_REPLICA"

func TestMain(m *testing.M) {
	if raw := os.Getenv(replicaEnv); raw != "" {
		if err := serve(raw); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(testkit.Main(m))
}

var errLost = errors.New("carried out, and reported as failed")

// serve is the replica. A few of its writes are carried out and reported as failed.
func serve(raw string) error {
	cfg := extension.DefaultConfig()
	if err := json.Unmarshal([]byte(raw), &cfg); err != nil {
		return err
	}
	script := &faults.Script{}
	for _, op := range []string{"extension.Allocate", "extension.AllocateChecked", "extension.Swap", "extension.Release"} {
		script.DoAfter(op, faults.Every, func(_ context.Context, err error) error {
			switch n := rand.IntN(60); {
			case os.Getenv(honestEnv) != "":
			case n == 0:
				return errors.Join(err, errLost)
			case n == 1:
				return &crdb.AmbiguousError{Op: op, Err: errors.Join(err, errLost)}
			}
			return err
		})
	}
	s, err := extension.New(context.Background(), cfg, extension.Options{Logger: slog.New(slog.DiscardHandler), Faults: script})
	if err != nil {
		return err
	}
	return s.Run(context.Background())
}

// sessionTTL is how long etcd believes in a replica that is silent.
const sessionTTL = time.Second

// replica is one process, with its own wires to the database and to etcd.
type replica struct {
	testing.TB
	cfg      string
	env      []string
	db, etcd *proxy
	conn     *grpc.ClientConn
	cmd      *exec.Cmd
}

func newReplica(tb testing.TB, databaseURL, etcd string, issuer *issuertest.Issuer, peers *peertest.Peers, env ...string) *replica {
	tb.Helper()
	u, err := url.Parse(databaseURL)
	require.NoError(tb, err)
	e, err := url.Parse(etcd)
	require.NoError(tb, err)
	r := &replica{TB: tb, env: env, db: newProxy(tb, u.Host), etcd: newProxy(tb, e.Host)}
	u.Host, e.Host = r.db.Addr().String(), r.etcd.Addr().String()
	cfg := extension.DefaultConfig()
	cfg.Server.Addr, cfg.Server.OpsAddr, cfg.Server.DrainWait = testkit.FreeAddr(tb), "127.0.0.1:0", 0
	cfg.TLS, cfg.Database.URL, cfg.Database.MaxConns = peers.TLS("extension"), u.String(), 6
	cfg.Auth.Issuer, cfg.Auth.JWKSURL = issuer.URL, issuer.URL
	cfg.Etcd.Endpoints, cfg.Etcd.SessionTTL = []string{e.String()}, sessionTTL
	raw, err := json.Marshal(cfg)
	require.NoError(tb, err)
	r.cfg = string(raw)
	creds, err := mtls.Client(peers.TLS("license"), "extension", nil)
	require.NoError(tb, err)
	quick := backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.5, MaxDelay: 300 * time.Millisecond}
	r.conn, err = grpc.NewClient(cfg.Server.Addr, grpc.WithTransportCredentials(creds),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: quick, MinConnectTimeout: time.Second}))
	require.NoError(tb, err)
	r.start()
	tb.Cleanup(func() {
		require.NoError(tb, r.conn.Close())
		r.kill()
	})
	return r
}

func (r *replica) start() {
	r.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$") // this very binary
	cmd.Env = append(append(os.Environ(), r.env...), replicaEnv+"="+r.cfg)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(r, cmd.Start())
	r.cmd = cmd
}

// kill ends the process as a power cut would.
func (r *replica) kill() {
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
}

func (r *replica) signal(s os.Signal) { require.NoError(r, r.cmd.Process.Signal(s)) }
