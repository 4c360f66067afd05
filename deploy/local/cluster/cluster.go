// Package cluster runs the suite as it runs in earnest, on one machine: every replica of every service, every member of etcd and every
// node of the database is a process of its own, which can be killed, paused, stopped and started again while callers go on.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/switchboard-phone/switchboard/deploy/local/serviceproc"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/localaddr"
	"github.com/switchboard-phone/switchboard/services/platform/localdb"
)

// How many there are of each.
const (
	etcdMembers   = 3
	databaseNodes = 3
)

// replicas says how many processes each service has.
var replicas = map[string]int{
	stack.Gateway: 2, stack.Extension: 3, stack.License: 2, stack.Numbering: 2, stack.Notification: 2,
}

// Names of what is no service.
const (
	Etcd     = "etcd"
	Database = "database"
	// Mail is the mail server. It lives in the process of the cluster itself and can only be paused: it then refuses every mail for now.
	Mail = "mail"
)

// Options say what to run.
type Options struct {
	// DataDir keeps the data from run to run; it is created. Empty keeps nothing.
	DataDir string
	// Engine restricts the choice of a database.
	Engine crdb.Engine
	// GatewayAddr is where the first gateway listens. Empty for a free port of 127.0.0.1.
	GatewayAddr string
	// PortalDir is the folder of the built portal. Empty: the gateways serve the API only.
	PortalDir string
	// Configure changes the settings of a replica before it starts. It gets a pointer to the service's Config.
	Configure func(service string, config any)
	// Log gets what the cluster itself logs. Default: slog.Default.
	Log *slog.Logger
	// Verbose passes on what the processes log, to standard error.
	Verbose bool
}

// Cluster is a cluster that runs. It is safe for concurrent use, but one command at a time reaches a process.
type Cluster struct {
	stack    *stack.Stack
	engine   crdb.Engine
	members  []*member
	mail     *mail
	launcher serviceproc.Launcher
	control  *control
	stops    []func(context.Context) error
}

// Up starts everything and returns once all of it answers. ctx bounds the start only. The caller stops the cluster.
func Up(ctx context.Context, opts Options) (_ *Cluster, err error) {
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	c := &Cluster{}
	defer func() {
		if err != nil {
			stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
			defer cancel()
			err = errors.Join(err, c.Stop(stopCtx))
		}
	}()
	dir, err := c.folder(opts)
	if err != nil {
		return nil, err
	}
	c.launcher = serviceproc.Launcher{Dir: filepath.Join(dir, "processes")}
	if opts.Verbose {
		c.launcher.Output = os.Stderr
	}
	ground, err := c.startGround(ctx, dir, opts)
	if err != nil {
		return nil, err
	}
	c.stack, err = stack.Start(ctx, stack.Options{
		DataDir: opts.DataDir, Database: ground.database, EtcdEndpoints: ground.etcd, GatewayAddr: opts.GatewayAddr,
		PortalDir: opts.PortalDir,
		Replicas:  replicas, Configure: opts.Configure, Launcher: c.launcher, Log: opts.Log,
	})
	if err != nil {
		return nil, err
	}
	c.stops = append(c.stops, c.stack.Stop)
	c.addServices()
	c.mail = &mail{sink: c.stack.Mail()}
	return c, c.startControl(filepath.Join(dir, "control.sock"))
}

// folder makes the folder for what the processes keep.
func (c *Cluster) folder(opts Options) (string, error) {
	if opts.DataDir != "" {
		dir, err := filepath.Abs(opts.DataDir)
		if err != nil {
			return "", fmt.Errorf("finding the data folder: %w", err)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", fmt.Errorf("making the data folder: %w", err)
		}
		return dir, nil
	}
	dir, err := os.MkdirTemp("", "switchboard-cluster-")
	if err != nil {
		return "", fmt.Errorf("making a folder for the cluster: %w", err)
	}
	c.stops = append(c.stops, func(context.Context) error { return os.RemoveAll(dir) })
	return dir, nil
}

// ground is what the services stand on.
type ground struct {
	database *localdb.Instance
	etcd     []string
}

func (c *Cluster) startGround(ctx context.Context, dir string, opts Options) (ground, error) {
	var (
		g     ground
		nodes []*localdb.Node
		etcds []*member
		both  errgroup.Group
	)
	both.Go(func() (err error) {
		var data string
		if opts.DataDir != "" {
			data = filepath.Join(dir, "database")
		}
		g.database, nodes, err = localdb.StartNodes(ctx, localdb.Options{DataDir: data, Engine: opts.Engine, Log: opts.Log}, databaseNodes)
		return err
	})
	both.Go(func() (err error) {
		etcds, g.etcd, err = c.startEtcd(ctx, dir)
		return err
	})
	err := both.Wait()
	if g.database != nil {
		c.engine = g.database.Engine
		c.stops = append(c.stops, func(context.Context) error { return g.database.Stop() })
	}
	for _, m := range etcds {
		c.stops = append(c.stops, m.end)
	}
	c.members = append(c.members, etcds...)
	for i, n := range nodes {
		c.members = append(c.members, &member{name: fmt.Sprintf("%s-%d", Database, i), addr: n.Addr, process: node{n}})
	}
	return g, err
}

// addServices adds the replicas of the services in the order in which they are best restarted: who is called before who calls.
func (c *Cluster) addServices() {
	for _, service := range []string{stack.Extension, stack.Numbering, stack.Notification, stack.License, stack.Gateway} {
		for n := range c.stack.Replicas(service) {
			c.members = append(c.members, &member{
				name: fmt.Sprintf("%s-%d", service, n), addr: c.stack.Process(service, n).Addr(), process: &replica{c.stack, service, n},
			})
		}
	}
}

// Stop ends everything in order. ctx bounds it.
func (c *Cluster) Stop(ctx context.Context) error {
	var all []error
	for _, m := range c.members {
		// A paused process cannot end in order.
		if m.isPaused() {
			all = append(all, m.do(ctx, Resume))
		}
	}
	if c.control != nil {
		all = append(all, c.control.stop(ctx))
	}
	for _, end := range slices.Backward(c.stops) {
		all = append(all, end(ctx))
	}
	return errors.Join(all...)
}

// Stack is the suite that runs in the processes.
func (c *Cluster) Stack() *stack.Stack { return c.stack }

// Engine is the kind of database that it runs on.
func (c *Cluster) Engine() crdb.Engine { return c.engine }

// Info says where everything is.
func (c *Cluster) Info() stack.Info {
	info := c.stack.Info()
	info.Control = c.control.path
	return info
}

// Names lists the processes, those whose names begin with one of the prefixes when there are any.
func (c *Cluster) Names(prefixes ...string) []string {
	var names []string
	for _, m := range c.members {
		if len(prefixes) == 0 || slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(m.name, p) }) {
			names = append(names, m.name)
		}
	}
	return names
}

// Do carries out an action on a process, or on Mail, and waits until it is done: for an ended process until it has ended, for a started
// one until it answers.
func (c *Cluster) Do(ctx context.Context, action Action, name string) error {
	if name == Mail {
		return c.mail.do(action)
	}
	for _, m := range c.members {
		if m.name == name {
			if err := m.do(ctx, action); err != nil {
				return fmt.Errorf("%s %s: %w", action, name, err)
			}
			return nil
		}
	}
	return fmt.Errorf("there is no process %q: %s", name, strings.Join(append(c.Names(), Mail), ", "))
}

// Roll restarts the processes with these names (see Names; all without any), one after the other: the next once the one before answers
// again. That is how a new version is rolled out. progress is told of each.
func (c *Cluster) Roll(ctx context.Context, progress func(name string, took time.Duration), prefixes ...string) error {
	for _, name := range c.Names(prefixes...) {
		begun := time.Now()
		if err := c.Do(ctx, Restart, name); err != nil {
			return err
		}
		if progress != nil {
			progress(name, time.Since(begun))
		}
	}
	return nil
}

// Status says how each process is.
func (c *Cluster) Status() []Status {
	out := make([]Status, 0, len(c.members)+1)
	for _, m := range c.members {
		out = append(out, m.status())
	}
	return append(out, c.mail.status())
}

// choosePorts finds n free ports that stay free; see package localaddr.
func choosePorts(n int) ([]string, error) {
	addrs := make([]string, n)
	for i := range addrs {
		addr, err := localaddr.Choose()
		if err != nil {
			return nil, err
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return nil, fmt.Errorf("choosing a port: %w", err)
		}
		addrs[i] = addr
	}
	return addrs, nil
}
