package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/switchboard-phone/switchboard/gateway"
	"github.com/switchboard-phone/switchboard/services/platform/localaddr"
)

// replica is one copy of a service, over its restarts.
type replica struct {
	spec    Spec
	process Process
	// ended tells that its end is expected: it was stopped or killed by us.
	ended bool
}

// startServices starts license after the services that it calls, and the gateways last.
func (s *Stack) startServices(ctx context.Context) error {
	fronts, err := s.gatewaySpecs(ctx)
	for _, front := range fronts {
		if front.Config != nil {
			s.info.Gateways = append(s.info.Gateways, "http://"+own[gateway.Config](front.Config).HTTP.Addr)
		}
	}
	if err == nil {
		s.info.Gateway = s.info.Gateways[0]
		err = s.startAll(ctx)
	}
	if err == nil {
		err = s.startGateways(ctx, fronts)
	}
	if err != nil {
		for _, front := range fronts {
			if front.Listener != nil {
				err = errors.Join(err, front.Listener.Close())
			}
		}
	}
	return err
}

func (s *Stack) startGateways(ctx context.Context, fronts []Spec) error {
	s.replicas[Gateway] = make([]*replica, len(fronts))
	for _, front := range fronts {
		s.wireGateway(own[gateway.Config](front.Config))
		if err := s.launch(ctx, front); err != nil {
			return err
		}
	}
	s.info.Ops[Gateway] = "http://" + s.Process(Gateway, 0).OpsAddr()
	return nil
}

func (s *Stack) startAll(ctx context.Context) error {
	for range s.replicaCount(License) {
		addr, err := localaddr.Choose()
		if err != nil {
			return err
		}
		s.licenseAddrs = append(s.licenseAddrs, addr)
	}
	for _, wave := range [][]string{{Extension, Numbering, Notification}, {License}} {
		var g errgroup.Group
		for _, name := range wave {
			s.replicas[name] = make([]*replica, s.replicaCount(name))
			for n := range s.replicas[name] {
				spec := s.spec(name, n)
				g.Go(func() error { return s.launch(ctx, spec) })
			}
		}
		if err := g.Wait(); err != nil {
			return err
		}
		for _, name := range wave {
			first := s.replicas[name][0].process
			s.info.GRPC[name], s.info.Ops[name] = first.Addr(), "http://"+first.OpsAddr()
		}
	}
	return nil
}

func (s *Stack) replicaCount(service string) int { return max(1, s.opts.Replicas[service]) }

// launch starts a replica for the first time.
func (s *Stack) launch(ctx context.Context, spec Spec) error {
	process, err := s.opts.Launcher.Launch(ctx, spec)
	if err != nil {
		return fmt.Errorf("starting %s: %w", spec.Service, err)
	}
	// Should it ever start again, then where its callers know it.
	addr, opsAddr := kinds[spec.Service].addresses(spec.Config)
	*addr, *opsAddr = process.Addr(), process.OpsAddr()
	spec.Listener = nil
	r := &replica{spec: spec, process: process}
	s.mu.Lock()
	s.replicas[spec.Service][spec.Replica] = r
	s.onStop(spec.Service, func(ctx context.Context) error { return s.end(ctx, r) })
	s.mu.Unlock()
	s.watchReplica(r, process)
	return nil
}

// end stops a replica for good.
func (s *Stack) end(ctx context.Context, r *replica) error {
	s.mu.Lock()
	r.ended = true
	process := r.process
	s.mu.Unlock()
	select {
	case <-process.Done():
		return nil // it was killed, or its end was told of before
	default:
		return process.Stop(ctx)
	}
}

func (s *Stack) watchReplica(r *replica, process Process) {
	s.watch(r.spec.Service, process, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return r.ended || r.process != process
	})
}

// watch tells when a process ends that nobody ended.
func (s *Stack) watch(name string, process Process, expected func() bool) {
	go func() {
		<-process.Done()
		if err := process.Err(); err != nil && !expected() {
			select {
			case s.failed <- fmt.Errorf("%s: %w", name, err):
			default:
			}
		}
	}()
}

// Process is the present process of a replica.
func (s *Stack) Process(service string, n int) Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replicas[service][n].process
}

// Replicas says how many there are of a service, or of the gateway.
func (s *Stack) Replicas(service string) int { return len(s.replicas[service]) }

// ExpectEnd says that a replica is about to end, by a crash that a test has arranged.
func (s *Stack) ExpectEnd(service string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replicas[service][n].ended = true
}

// Restart starts a replica that has ended again, at its old addresses, and waits until it answers.
func (s *Stack) Restart(ctx context.Context, service string, n int) error {
	s.mu.Lock()
	r := s.replicas[service][n]
	s.mu.Unlock()
	select {
	case <-r.process.Done():
	default:
		return fmt.Errorf("%s has not ended", service)
	}
	process, err := s.opts.Launcher.Launch(ctx, r.spec)
	if err != nil {
		return fmt.Errorf("starting %s again: %w", service, err)
	}
	s.mu.Lock()
	r.process, r.ended = process, false
	s.mu.Unlock()
	s.watchReplica(r, process)
	return awaitURL(ctx, "http://"+process.OpsAddr()+"/readyz")
}

// awaitReady waits until every part says that it is ready.
func (s *Stack) awaitReady(ctx context.Context) error {
	var g errgroup.Group
	for _, rs := range s.replicas {
		for _, r := range rs {
			g.Go(func() error { return awaitURL(ctx, "http://"+r.process.OpsAddr()+"/readyz") })
		}
	}
	g.Go(func() error { return awaitURL(ctx, s.info.Gateway+"/openapi.json") })
	done := make(chan error, 1)
	go func() { done <- g.Wait() }()
	select {
	case err := <-done:
		return err
	case err := <-s.failed:
		return err
	}
}

// prober asks for health only, so it keeps no connection.
var prober = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// awaitURL polls until url answers 200.
func awaitURL(ctx context.Context, url string) error {
	var last error
	for {
		if last = getURL(ctx, url); last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w (last: %w)", url, ctx.Err(), last)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func getURL(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := prober.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, text)
	}
	return nil
}
