package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/switchboard-phone/switchboard/deploy/local/bench"
	"github.com/switchboard-phone/switchboard/deploy/local/serviceproc"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

func footprintCommand() *cobra.Command {
	var (
		f              flags
		cfg            bench.FootprintConfig
		programs, file string
	)
	cmd := &cobra.Command{
		Use:   "footprint",
		Short: "Measure start-up, memory, processor time and draining of the programs that are deployed",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.Out = cmd.OutOrStdout()
			report, err := f.footprint(cmd.Context(), programs, cfg)
			if err != nil {
				return err
			}
			report.Table(cfg.Out)
			return writeReport(file, report)
		},
	}
	f.register(cmd, "error")
	cmd.Flags().StringVar(&programs, "programs", ".build/bin", "folder of the programs")
	cmd.Flags().IntVar(&cfg.People, "people", 2000, "people to assign; a multiple of 200")
	cmd.Flags().DurationVar(&cfg.Settle, "settle", 10*time.Second, "how long to idle before memory is read")
	cmd.Flags().StringVar(&file, "json", "", "file to write the result to, as JSON")
	return cmd
}

func (f *flags) footprint(ctx context.Context, programs string, cfg bench.FootprintConfig) (_ *bench.FootprintReport, err error) {
	dir, err := os.MkdirTemp("", "switchboard-processes-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for the processes: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var output io.Writer
	if f.logLevel != "error" {
		output = os.Stderr
	}
	watch := &bench.Stopwatch{Launcher: serviceproc.Binaries{Programs: programs, Dir: dir, Output: output}}
	s, err := f.start(ctx, cfg.Out, stack.Options{Launcher: watch})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop(s)) }()
	return bench.RunFootprint(ctx, s, watch, cfg)
}
