package serviceproc

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
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
	config, err := stack.DecodeConfig(what.Service, what.Config)
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})).With("service", what.Service)
	run, err := stack.Build(ctx, stack.Spec{
		Service: what.Service, Config: config, Clock: clock.System, Faults: newExecutioner(what.Control), Log: log,
	})
	if err != nil {
		return err
	}
	where, err := json.Marshal(hello{Addr: run.Addr(), OpsAddr: run.OpsAddr()})
	if err != nil {
		return fmt.Errorf("saying where it serves: %w", err)
	}
	if _, err := fmt.Fprintln(os.Stdout, string(where)); err != nil {
		return fmt.Errorf("saying where it serves: %w", err)
	}
	return run.Run(ctx)
}
