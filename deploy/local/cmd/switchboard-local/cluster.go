package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/switchboard-phone/switchboard/deploy/local/cluster"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

// rollTimeout bounds starting one process again.
const rollTimeout = 10 * time.Minute

func clusterCommand() *cobra.Command {
	var (
		f                     flags
		addr, data, readyFile string
		portal                string
	)
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Run everything as processes of their own until Ctrl-C, and command them",
		Long: "Runs three members of etcd, the database (CockroachDB with three nodes where there is one, else PostgreSQL), two gateways, three\n" +
			"extension services and two of each other service, each as a process of its own. Callers inside spread over all replicas of a service.\n\n" +
			"The sub-commands speak to a cluster that runs, from another terminal, by its --data folder or --ready-file. Processes are named\n" +
			"by kind and number: etcd-0, database-2, extension-1, gateway-0 …; mail is the mail server, which can be paused: it then refuses\n" +
			"every mail for now.",
		Example: "  switchboard-local cluster status\n" +
			"  switchboard-local cluster kill license-0 && switchboard-local cluster start license-0\n" +
			"  switchboard-local cluster pause mail && sleep 60 && switchboard-local cluster resume mail\n" +
			"  switchboard-local cluster roll              # everything, as a rollout does\n" +
			"  switchboard-local cluster roll extension    # one service",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if err := os.Remove(readyFile); readyFile != "" && err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("removing the old ready file: %w", err)
			}
			return runCluster(cmd, f, cluster.Options{DataDir: data, GatewayAddr: addr, PortalDir: portal}, readyFile)
		},
	}
	f.register(cmd, "warn")
	_ = cmd.Flags().MarkHidden("database-url") // the nodes are part of the cluster
	cmd.Flags().StringVar(&addr, "addr", "127.0.0.1:8080", "address of the first gateway; port 0 for a free one")
	cmd.Flags().StringVar(&portal, "portal", "", "folder of the built portal; empty for the API alone")
	cmd.PersistentFlags().StringVar(&data, "data", ".switchboard-cluster", "folder for all data; empty keeps nothing")
	cmd.PersistentFlags().StringVar(&readyFile, "ready-file", "", "file with the addresses, as JSON: written once everything answers, read by the sub-commands")
	for _, action := range cluster.Actions() {
		cmd.AddCommand(actionCommand(action, &data, &readyFile))
	}
	cmd.AddCommand(statusCommand(&data, &readyFile), rollCommand(&data, &readyFile))
	return cmd
}

func runCluster(cmd *cobra.Command, f flags, opts cluster.Options, readyFile string) (err error) {
	if opts.Log, err = f.logger(); err != nil {
		return err
	}
	opts.Verbose = f.logLevel != "error"
	ctx, cancel := context.WithTimeout(cmd.Context(), startTimeout)
	begun := time.Now()
	c, err := cluster.Up(ctx, opts)
	cancel()
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		err = errors.Join(err, c.Stop(ctx))
	}()
	info := c.Info()
	if readyFile != "" {
		if err := stack.WriteReadyFile(readyFile, info); err != nil {
			return err
		}
	}
	out := cmd.OutOrStdout()
	_, _ = fmt.Fprintf(out, "database  %s (%s)\nup in %.1f s\n\n", info.Database, c.Stack().DatabaseSource(), time.Since(begun).Seconds())
	if err := printStatus(out, c.Status()); err != nil {
		return err
	}
	where(out, info, opts.PortalDir != "")
	_, _ = fmt.Fprintf(out, "\nIn another terminal: switchboard-local cluster kill|pause|resume|stop|start|restart PROCESS, status, roll; "+
		"with --data %s\n", opts.DataDir)
	return untilStopped(cmd.Context(), c.Stack())
}

// remote finds the cluster that runs.
func remote(data, readyFile string) (*cluster.Remote, error) {
	if readyFile == "" {
		return cluster.Connect(filepath.Join(data, "control.sock")), nil
	}
	raw, err := os.ReadFile(readyFile)
	if err != nil {
		return nil, fmt.Errorf("reading the ready file: %w", err)
	}
	var info stack.Info
	if err := json.Unmarshal(raw, &info); err != nil {
		return nil, fmt.Errorf("reading the ready file: %w", err)
	}
	if info.Control == "" {
		return nil, fmt.Errorf("%s is that of a stack in one process, which takes no commands", readyFile)
	}
	return cluster.Connect(info.Control), nil
}

var actionShorts = map[cluster.Action]string{
	cluster.Kill: "End a process as a crash does", cluster.Stop: "End a process in order", cluster.Start: "Start a process that has ended",
	cluster.Restart: "Stop a process and start it again", cluster.Pause: "Stop a process where it stands, with its connections open",
	cluster.Resume: "Let a paused process go on",
}

func actionCommand(action cluster.Action, data, readyFile *string) *cobra.Command {
	return &cobra.Command{
		Use: string(action) + " PROCESS…", Short: actionShorts[action], Args: cobra.MinimumNArgs(1),
		Long: actionShorts[action] + ". `status` lists the names of processes.",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := remote(*data, *readyFile)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), rollTimeout)
			defer cancel()
			var all []cluster.Status
			for _, name := range args {
				if all, err = c.Do(ctx, action, name); err != nil {
					return err
				}
			}
			return printStatus(cmd.OutOrStdout(), slices.DeleteFunc(all, func(s cluster.Status) bool { return !slices.Contains(args, s.Name) }))
		},
	}
}

func statusCommand(data, readyFile *string) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Say how each process is", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := remote(*data, *readyFile)
			if err != nil {
				return err
			}
			all, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			return printStatus(cmd.OutOrStdout(), all)
		},
	}
}

func rollCommand(data, readyFile *string) *cobra.Command {
	return &cobra.Command{
		Use: "roll [PREFIX…]", Short: "Restart each process, or those whose names begin so, the next once the one before answers",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := remote(*data, *readyFile)
			if err != nil {
				return err
			}
			return c.Roll(cmd.Context(), func(p cluster.Progress) {
				_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%-16s answers again after %.1f s\n", p.Name, p.Seconds)
			}, args...)
		},
	}
}

func printStatus(out io.Writer, all []cluster.Status) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "PROCESS\tSTATE\tADDRESS\tPID")
	for _, s := range all {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\n", s.Name, s.State, s.Addr, s.PID)
	}
	return w.Flush()
}
