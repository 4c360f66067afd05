// Package stack runs the whole suite on one machine: a database, etcd, the four services, the gateway, and what stands for the
// world outside (a mail sink and a token issuer). Everything talks over real loopback connections. `make up`, the demonstration, the
// benchmark and the end-to-end tests are all built on it.
package stack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/switchboard-phone/switchboard/deploy/local/issuer"
	"github.com/switchboard-phone/switchboard/deploy/local/mailsink"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
	"github.com/switchboard-phone/switchboard/services/platform/localca"
	"github.com/switchboard-phone/switchboard/services/platform/localdb"
	"github.com/switchboard-phone/switchboard/services/platform/mtls"
)

// Options say what to run. The zero value runs one replica of everything, on free ports, on the first database that localdb
// finds, and keeps nothing.
type Options struct {
	// DataDir keeps the data from run to run; it is created. Empty keeps nothing.
	DataDir string
	// DatabaseURL names a database server to use; see localdb.Options.
	DatabaseURL string
	// Engine restricts the choice of a database.
	Engine crdb.Engine
	// Database is a server that runs already. It goes on running after Stop.
	Database *localdb.Instance
	// EtcdEndpoints are the URLs of an etcd that runs already. It goes on running after Stop. Empty starts one.
	EtcdEndpoints []string
	// DatabasePrefix begins the names of the databases, so that several stacks can share a server. Lower-case letters, digits and _.
	DatabasePrefix string
	// GatewayAddr is where the gateway listens. Empty for a free port of 127.0.0.1.
	GatewayAddr string
	// PortalDir is the folder of the built portal. Empty: the gateway serves the API only.
	PortalDir string
	// Replicas says how many there are of a service, or of the gateway, by name; 1 where it says nothing. More than one gateway
	// takes a Launcher of processes.
	Replicas map[string]int
	// Configure changes the settings of a replica before it starts. It gets a pointer to the service's Config, or the
	// gateway's.
	Configure func(service string, config any)
	// Clock is what the services in this process take the time from. Default: the system's.
	Clock clock.Clock
	// Faults gives a replica its faults. Default: none. Only for services in this process.
	Faults func(service string, replica int) faults.Injector
	// TracerProvider makes the spans of the gateway and of the services in this process. Default: none.
	TracerProvider trace.TracerProvider
	// Launcher starts the services and the gateway. Default: in this process.
	Launcher Launcher
	// Log gets what the parts log. Default: slog.Default.
	Log *slog.Logger
}

// Stack is a suite that runs. It is safe for concurrent use.
type Stack struct {
	opts Options
	info Info

	database *localdb.Instance
	etcd     []string
	front    *front
	// runDir holds what services read from files: certificates and keys.
	runDir     string
	ca         *localca.CA
	identities map[string]mtls.Config
	// licenseAddrs are where the replicas of license will serve: others ask it, and start before it.
	licenseAddrs []string
	urls         map[string]string

	mu       sync.Mutex
	replicas map[string][]*replica
	failed   chan error

	// stops end what was started, last started first.
	stops []func(context.Context) error
	stop  sync.Once
}

// Start starts everything and returns once all of it answers. ctx bounds the start only. The caller stops the stack.
func Start(ctx context.Context, opts Options) (_ *Stack, err error) {
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	if opts.Clock == nil {
		opts.Clock = clock.System
	}
	if opts.Launcher == nil {
		opts.Launcher = InProcess{}
	}
	s := &Stack{
		opts: opts, replicas: map[string][]*replica{}, urls: map[string]string{}, identities: map[string]mtls.Config{},
		info: Info{GRPC: map[string]string{}, Ops: map[string]string{}},
		// One for each process, so that none waits to tell of its end.
		failed: make(chan error, 64),
	}
	defer func() {
		if err != nil {
			stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
			defer cancel()
			err = errors.Join(err, s.Stop(stopCtx))
		}
	}()
	if err := s.startGround(ctx); err != nil {
		return nil, err
	}
	if err := s.startServices(ctx); err != nil {
		return nil, err
	}
	return s, s.awaitReady(ctx)
}

// Stop ends everything in order: the gateway first, then the services, then what they stand on. ctx bounds it.
func (s *Stack) Stop(ctx context.Context) error {
	var all []error
	s.stop.Do(func() {
		for i := len(s.stops) - 1; i >= 0; i-- {
			all = append(all, s.stops[i](ctx))
		}
	})
	return errors.Join(all...)
}

// onStop adds something to end.
func (s *Stack) onStop(what string, end func(context.Context) error) {
	s.stops = append(s.stops, func(ctx context.Context) error {
		if err := end(ctx); err != nil {
			return fmt.Errorf("stopping %s: %w", what, err)
		}
		return nil
	})
}

// Info says where everything is.
func (s *Stack) Info() Info { return s.info }

// DatabaseSource says for people where the database came from.
func (s *Stack) DatabaseSource() string { return s.database.Source }

// Database is the database server.
func (s *Stack) Database() *localdb.Instance { return s.database }

// DatabaseURL is the URL with which a service opens its database.
func (s *Stack) DatabaseURL(service string) string { return s.urls[service] }

// Issuer makes tokens.
func (s *Stack) Issuer() *issuer.Issuer { return s.front.issuer }

// CA issues certificates that the services believe.
func (s *Stack) CA() *localca.CA { return s.ca }

// Identity is what a process uses that is the service of that name, or the gateway.
func (s *Stack) Identity(name string) mtls.Config { return s.identities[name] }

// Mail holds the mails that arrived.
func (s *Stack) Mail() *mailsink.Sink { return s.front.mail }

// Failed yields an error when a part that should be running has ended by itself.
func (s *Stack) Failed() <-chan error { return s.failed }

// makeRunDir makes the folder for certificates and keys, inside the data folder or a temporary one.
func (s *Stack) makeRunDir() error {
	if s.opts.DataDir != "" {
		return s.makeDataRunDir()
	}
	dir, err := os.MkdirTemp("", "switchboard-run-")
	if err != nil {
		return fmt.Errorf("making a folder for certificates and keys: %w", err)
	}
	s.runDir = dir
	s.onStop("temporary files", func(context.Context) error { return os.RemoveAll(dir) })
	return nil
}
