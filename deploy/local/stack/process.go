package stack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"go.opentelemetry.io/otel/trace"

	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
)

// Spec says which replica of which service, or that the gateway, is to be started.
type Spec struct {
	// Service is the service's name or Gateway, Replica its number from 0.
	Service string
	Replica int
	// Config points to the service's Config. Its addresses have port 0 for the first start of a replica.
	Config any
	// Clock, Faults, TracerProvider and Log are for services in this process.
	Clock          clock.Clock
	Faults         faults.Injector
	TracerProvider trace.TracerProvider
	Log            *slog.Logger
	// Listener is used instead of the address, by a gateway in this process.
	Listener net.Listener
}

// Launcher starts services and the gateway.
type Launcher interface {
	// Launch starts a replica and returns once its addresses are known; it may not answer yet. ctx bounds the start only.
	Launch(ctx context.Context, spec Spec) (Process, error)
}

// Process is a replica that runs, in this process or in one of its own.
type Process interface {
	// Addr and OpsAddr are where it serves, host:port.
	Addr() string
	OpsAddr() string
	// Stop ends it in good order, or without order when ctx ends first, and waits.
	Stop(ctx context.Context) error
	// Kill ends it at once, as a crash would, and waits. It fails where that is not possible.
	Kill() error
	// Done is closed when it has ended, however.
	Done() <-chan struct{}
	// Err says why it ended; nil for an end in good order. It may be asked once Done is closed.
	Err() error
}

// Runner is a service as its composition root makes it.
type Runner interface {
	Run(ctx context.Context) error
	Addr() string
	OpsAddr() string
}

// InProcess starts services as goroutines of this process.
type InProcess struct{}

// Launch implements Launcher.
func (InProcess) Launch(ctx context.Context, spec Spec) (Process, error) {
	run, err := Build(ctx, spec)
	if err != nil {
		return nil, err
	}
	return newRoutine(ctx, run), nil
}

// routine is a service that runs as a goroutine.
type routine struct {
	Runner
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// newRoutine runs a service until it is stopped; the context that bounds its start does not end it.
func newRoutine(ctx context.Context, run Runner) *routine {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &routine{Runner: run, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = run.Run(ctx)
	}()
	return r
}

// Stop implements Process.
func (r *routine) Stop(ctx context.Context) error {
	r.cancel()
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return fmt.Errorf("it does not end: %w", ctx.Err())
	}
}

// Kill implements Process.
func (r *routine) Kill() error {
	return errors.New("a service in this process cannot be killed without it; start the services as processes of their own")
}

// Done implements Process.
func (r *routine) Done() <-chan struct{} { return r.done }

// Err implements Process.
func (r *routine) Err() error { return r.err }
