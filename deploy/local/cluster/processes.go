package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/emersion/go-smtp"
	"golang.org/x/sync/errgroup"

	"github.com/switchboard-phone/switchboard/deploy/local/mailsink"
	"github.com/switchboard-phone/switchboard/deploy/local/serviceproc"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/services/platform/etcdx"
	"github.com/switchboard-phone/switchboard/services/platform/localdb"
	"github.com/switchboard-phone/switchboard/services/platform/localetcd"
)

// replica is a replica of a service, or of the gateway.
type replica struct {
	stack   *stack.Stack
	service string
	n       int
}

// present is the replica's present process. Everything that starts in a cluster is one of serviceproc's.
func (r *replica) present() (*serviceproc.Process, error) {
	p, ok := r.stack.Process(r.service, r.n).(*serviceproc.Process)
	if !ok {
		return nil, errors.New("it has no process of its own")
	}
	return p, nil
}

// Start implements process.
func (r *replica) Start(ctx context.Context) error {
	if r.Running() {
		return nil
	}
	return r.stack.Restart(ctx, r.service, r.n)
}

// Stop implements process.
func (r *replica) Stop(ctx context.Context) error {
	r.stack.ExpectEnd(r.service, r.n)
	return r.stack.Process(r.service, r.n).Stop(ctx)
}

// Kill implements process.
func (r *replica) Kill() error {
	r.stack.ExpectEnd(r.service, r.n)
	return r.stack.Process(r.service, r.n).Kill()
}

// Signal implements process.
func (r *replica) Signal(sig syscall.Signal) error {
	p, err := r.present()
	if err != nil {
		return err
	}
	return p.Signal(sig)
}

// Running implements process.
func (r *replica) Running() bool { return runs(r.stack.Process(r.service, r.n).Done()) }

// PID implements process.
func (r *replica) PID() int {
	p, err := r.present()
	if err != nil {
		return 0
	}
	return p.PID()
}

func runs(done <-chan struct{}) bool {
	select {
	case <-done:
		return false
	default:
		return true
	}
}

// node is a node of the database. Its methods are those of localdb.Node.
type node struct{ *localdb.Node }

// etcdMember is a member of etcd.
type etcdMember struct {
	launcher serviceproc.Launcher
	n        int
	opts     localetcd.Options

	mu      sync.Mutex
	current *serviceproc.Process
}

// startEtcd starts all members at once: none of them answers before most of them do. What they hold is not kept from run to run, and
// need not be: leases only save the allocator looking into the database.
func (c *Cluster) startEtcd(ctx context.Context, dir string) ([]*member, []string, error) {
	if err := os.RemoveAll(filepath.Join(dir, Etcd)); err != nil {
		return nil, nil, fmt.Errorf("removing what etcd knew: %w", err)
	}
	ports, err := choosePorts(2 * etcdMembers)
	if err != nil {
		return nil, nil, err
	}
	peers := map[string]string{}
	for n := range etcdMembers {
		peers[strconv.Itoa(n)] = ports[n]
	}
	members, urls := make([]*member, etcdMembers), make([]string, etcdMembers)
	var g errgroup.Group
	for n := range etcdMembers {
		addr := ports[etcdMembers+n]
		e := &etcdMember{launcher: c.launcher, n: n, opts: localetcd.Options{
			DataDir: filepath.Join(dir, Etcd, strconv.Itoa(n)), Addr: addr,
			Member: &localetcd.Member{Name: strconv.Itoa(n), Peers: peers},
		}}
		members[n], urls[n] = &member{name: fmt.Sprintf("%s-%d", Etcd, n), addr: addr, process: e}, "http://"+addr
		g.Go(func() error { return e.Start(ctx) })
	}
	if err := g.Wait(); err != nil {
		return members, nil, fmt.Errorf("starting etcd: %w", err)
	}
	return members, urls, nil
}

func (e *etcdMember) process() *serviceproc.Process {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.current
}

// Start implements process.
func (e *etcdMember) Start(ctx context.Context) error {
	if e.Running() {
		return nil
	}
	p, err := e.launcher.LaunchEtcd(ctx, e.n, e.opts)
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.current = p
	e.mu.Unlock()
	return e.healthy(ctx)
}

// healthy waits until the member says that it serves, which takes a leader.
func (e *etcdMember) healthy(ctx context.Context) error {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.opts.Addr+"/health", nil) //nolint:gosec // an address of this machine that was chosen here
		if err != nil {
			return err
		}
		resp, err := client.Do(req) //nolint:gosec // see above
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(resp.Status)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for etcd: %w (last: %w)", ctx.Err(), err)
		case <-e.process().Done():
			return fmt.Errorf("etcd ended: %w", e.process().Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop implements process.
func (e *etcdMember) Stop(ctx context.Context) error { return e.process().Stop(ctx) }

// Kill implements process.
func (e *etcdMember) Kill() error { return e.process().Kill() }

// Signal implements process.
func (e *etcdMember) Signal(sig syscall.Signal) error { return e.process().Signal(sig) }

// Running implements process.
func (e *etcdMember) Running() bool {
	p := e.process()
	return p != nil && runs(p.Done())
}

// PID implements process.
func (e *etcdMember) PID() int { return e.process().PID() }

// mail is the mail server, which lives with the cluster.
type mail struct {
	sink *mailsink.Sink

	mu     sync.Mutex
	paused bool
}

func (m *mail) do(action Action) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch action {
	case Pause:
		m.sink.Refuse(func(string) error {
			return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "not now"}
		})
	case Resume:
		m.sink.Refuse(nil)
	case Kill, Stop, Start, Restart:
		return errors.New("the mail server can be paused and resumed")
	}
	m.paused = action == Pause
	return nil
}

func (m *mail) status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Status{Name: Mail, State: "running"}
	if m.paused {
		s.State = "paused"
	}
	return s
}

// EtcdLeader is the name of the member of etcd that leads.
func (c *Cluster) EtcdLeader(ctx context.Context) (string, error) {
	client, err := etcdx.Open(etcdx.Config{Endpoints: strings.Split(c.stack.Info().Etcd, ",")})
	if err != nil {
		return "", err
	}
	defer func() { _ = client.Close() }()
	for _, name := range c.Names(Etcd) {
		for _, m := range c.members {
			if m.name != name {
				continue
			}
			status, err := client.Status(ctx, m.addr)
			if err == nil && status.Leader == status.Header.GetMemberId() {
				return name, nil
			}
		}
	}
	return "", errors.New("etcd has no leader")
}
