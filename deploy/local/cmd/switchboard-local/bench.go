package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/switchboard-phone/switchboard/deploy/local/bench"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

func benchCommand() *cobra.Command {
	var (
		f    flags
		cfg  bench.Config
		file string
	)
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure assigning through the gateway against the bare database",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			out := cmd.OutOrStdout()
			s, err := f.start(cmd.Context(), out, stack.Options{})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, stop(s)) }()
			cfg.Out = out
			report, err := bench.Run(cmd.Context(), s, cfg)
			if err != nil {
				return err
			}
			if err := report.Table(out); err != nil {
				return err
			}
			return writeReport(file, report)
		},
	}
	f.register(cmd, "error")
	cmd.Flags().IntVar(&cfg.Batched, "batched", 3000, "people to assign in batches of 100, each round")
	cmd.Flags().IntVar(&cfg.Single, "single", 2000, "people to assign one by one, each round")
	cmd.Flags().IntVar(&cfg.Clients, "clients", 32, "callers that assign one by one at the same time")
	cmd.Flags().IntVar(&cfg.Rounds, "rounds", 3, "how often each case is measured; the median counts")
	cmd.Flags().StringVar(&file, "json", "", "file to write the result to, as JSON")
	return cmd
}

func writeReport(file string, report any) error {
	if file == "" {
		return nil
	}
	raw, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the report: %w", err)
	}
	if err := os.WriteFile(file, append(raw, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}
