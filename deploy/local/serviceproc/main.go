package serviceproc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/localetcd"
)

// Main runs a service and answers true with an exit code when this process was started to be one; otherwise it answers false at
// once. It is the first thing that the main function of an executable does that uses Launcher.
func Main() (code int, mine bool) {
	file := os.Getenv(specEnv)
	if file == "" {
		return 0, false
	}
	if err := serve(file); err != nil {
		fmt.Fprintln(os.Stderr, "service process:", err)
		return 1, true
	}
	return 0, true
}

func serve(file string) error {
	raw, err := os.ReadFile(file) //nolint:gosec // whoever starts the process names the file
	if err != nil {
		return fmt.Errorf("reading what to run: %w", err)
	}
	var what spec
	if err := json.Unmarshal(raw, &what); err != nil {
		return fmt.Errorf("reading what to run: %w", err)
	}
	// Ctrl-C in a terminal reaches the whole family of processes; who started this one decides when it ends.
	signal.Ignore(os.Interrupt)
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	if what.Service == etcd {
		return serveEtcd(ctx, what.Config)
	}
	return serveService(ctx, what)
}

func serveService(ctx context.Context, what spec) error {
	config, err := stack.DecodeConfig(what.Service, what.Config)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})).With("service", what.Service)
	run, err := stack.Build(ctx, stack.Spec{
		Service: what.Service, Config: config, Clock: clock.System, Faults: newExecutioner(what.Control), Log: log,
	})
	if err != nil {
		return err
	}
	if err := say(hello{Addr: run.Addr(), OpsAddr: run.OpsAddr()}); err != nil {
		return err
	}
	return run.Run(ctx)
}

// serveEtcd is a member of etcd until ctx ends.
func serveEtcd(ctx context.Context, config json.RawMessage) error {
	var opts localetcd.Options
	if err := json.Unmarshal(config, &opts); err != nil {
		return fmt.Errorf("reading the settings of etcd: %w", err)
	}
	member, err := localetcd.Start(ctx, opts)
	if err != nil {
		return err
	}
	if err := say(hello{Addr: strings.TrimPrefix(member.Endpoint, "http://")}); err != nil {
		return errors.Join(err, member.Stop())
	}
	<-ctx.Done()
	member.Halt()
	return nil
}

// say tells the parent where the process serves.
func say(where hello) error {
	raw, err := json.Marshal(where)
	if err != nil {
		return fmt.Errorf("saying where it serves: %w", err)
	}
	if _, err := fmt.Fprintln(os.Stdout, string(raw)); err != nil {
		return fmt.Errorf("saying where it serves: %w", err)
	}
	return nil
}
