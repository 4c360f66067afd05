package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

const (
	// startTimeout bounds the start, a database download and first-time initialisation included.
	startTimeout = 3 * time.Minute
	// stopTimeout bounds the stop. What has not ended by then is given up.
	stopTimeout = 30 * time.Second
)

// flags are those that all commands share.
type flags struct {
	databaseURL string
	logLevel    string
}

func (f *flags) register(cmd *cobra.Command, logLevel string) {
	cmd.Flags().StringVar(&f.databaseURL, "database-url", "",
		"use this database server (postgres://…) instead of starting one; its user must be able to create databases")
	cmd.Flags().StringVar(&f.logLevel, "log-level", logLevel, "what the services log to standard error: debug, info, warn or error")
}

// logger writes for people who watch.
func (f *flags) logger() (*slog.Logger, error) {
	return telemetry.NewLogger(os.Stderr, telemetry.Config{LogFormat: "text", LogLevel: f.logLevel})
}

// start starts the stack and says what it runs on.
func (f *flags) start(ctx context.Context, out io.Writer, opts stack.Options) (*stack.Stack, error) {
	log, err := f.logger()
	if err != nil {
		return nil, err
	}
	opts.DatabaseURL, opts.Log = f.databaseURL, log
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	begun := time.Now()
	s, err := stack.Start(ctx, opts)
	if err != nil {
		return nil, err
	}
	_, _ = fmt.Fprintf(out, "database  %s (%s)\netcd      %s\n", s.Info().Database, s.DatabaseSource(), s.Info().Etcd)
	_, _ = fmt.Fprintf(out, "up in %.1f s\n\n", time.Since(begun).Seconds())
	return s, nil
}

// stop ends the stack in good order.
func stop(s *stack.Stack) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		return fmt.Errorf("stopping: %w", err)
	}
	return nil
}

// untilStopped waits for Ctrl-C, or for a part of the stack that ends by itself.
func untilStopped(ctx context.Context, s *stack.Stack) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.Failed():
		return errors.Join(errors.New("a part of the stack has ended"), err)
	}
}
