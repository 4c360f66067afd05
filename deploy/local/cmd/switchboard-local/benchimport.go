package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/switchboard-phone/switchboard/deploy/local/bench"
	"github.com/switchboard-phone/switchboard/deploy/local/serviceproc"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/localdb"
)

// leastRows is how many rows it takes to kill license in the middle.
const leastRows = 1000

func benchImportCommand() *cobra.Command {
	var (
		f      flags
		cfg    bench.ImportConfig
		file   string
		engine string
	)
	cmd := &cobra.Command{
		Use:   "bench-import",
		Short: "Measure and check imports through the gateway, with the services as processes of their own",
		Long: `Imports three files through the gateway: one with a tenth of the rows, one with all, and one with all during which license is
killed in the middle. One row in a hundred is bad, in ten ways. Prints rows a second and the peak memory of license, and ends with an error
where a row did not become what it should.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cfg.Rows < leastRows {
				return fmt.Errorf("--rows is %d, and has to be at least %d", cfg.Rows, leastRows)
			}
			engines := []crdb.Engine{crdb.CockroachDB, crdb.PostgreSQL}
			if f.databaseURL != "" {
				engines = []crdb.Engine{""}
			} else if engine != "" {
				engines = []crdb.Engine{crdb.Engine(engine)}
			}
			cfg.Out = cmd.OutOrStdout()
			var reports []*bench.ImportReport
			for _, e := range engines {
				report, err := f.benchImport(cmd.Context(), e, cfg)
				if errors.Is(err, localdb.ErrNoEngine) && len(engines) > 1 {
					_, _ = fmt.Fprintf(cfg.Out, "no %s here\n", e)
					continue
				}
				if err != nil {
					return err
				}
				reports = append(reports, report)
			}
			if len(reports) == 0 {
				return localdb.ErrNoEngine
			}
			return writeReport(file, reports)
		},
	}
	f.register(cmd, "error")
	cmd.Flags().IntVar(&cfg.Rows, "rows", 100_000, "rows of the large file")
	cmd.Flags().StringVar(&engine, "engine", "", "cockroachdb or postgresql; both where they are there if empty")
	cmd.Flags().StringVar(&file, "json", "", "file to write the result to, as JSON")
	return cmd
}

// benchImport measures on one engine.
func (f *flags) benchImport(ctx context.Context, engine crdb.Engine, cfg bench.ImportConfig) (_ *bench.ImportReport, err error) {
	dir, err := os.MkdirTemp("", "switchboard-processes-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for the processes: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var output io.Writer
	if f.logLevel != "error" {
		output = os.Stderr
	}
	s, err := f.start(ctx, cfg.Out, stack.Options{Engine: engine, Launcher: serviceproc.Launcher{Dir: dir, Output: output}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop(s)) }()
	report, err := bench.RunImport(ctx, s, cfg)
	if err != nil {
		return nil, err
	}
	report.Table(cfg.Out)
	return report, nil
}
