// switchboard-local runs the whole suite on this machine, in one process or as a cluster of many: for people who develop against it,
// and for the demonstration and the benchmark. See `make up`, `make cluster`, `make demo`, `make bench` and
// `make bench-import`.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/switchboard-phone/switchboard/deploy/local/serviceproc"
)

func main() {
	// The processes of a cluster are further runs of this executable.
	if code, mine := serviceproc.Main(); mine {
		os.Exit(code)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "switchboard-local:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "switchboard-local",
		Short:         "Run Switchboard on this machine",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(upCommand(), clusterCommand(), backupCommand(), restoreCommand(), demoCommand(), benchCommand(), benchImportCommand(), footprintCommand())
	return root
}
