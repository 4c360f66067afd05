package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/services/platform/localdb"
)

// backupFlags say which databases, and where the files are.
type backupFlags struct{ databaseURL, data, dir string }

func backupCommand() *cobra.Command {
	return overDatabases("backup", "Write the four databases into a folder, one file each",
		"The data folder's database is started for it, so nothing else may be running on it; or name a server that runs by --database-url.",
		func(ctx context.Context, server *localdb.Instance, service, file string) error {
			f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return fmt.Errorf("making the dump: %w", err)
			}
			return errors.Join(server.Dump(ctx, service, f), f.Close())
		})
}

func restoreCommand() *cobra.Command {
	return overDatabases("restore", "Read the four databases back from the files of backup, into a data folder without any",
		"Afterwards start everything, and run `switchboardctl doctor --repair` once: it brings what was dumped at different moments to agreement.",
		func(ctx context.Context, server *localdb.Instance, service, file string) error {
			f, err := os.Open(file)
			if err != nil {
				return fmt.Errorf("reading the dump: %w", err)
			}
			defer func() { _ = f.Close() }()
			if _, err := server.CreateDatabase(ctx, service, service); err != nil {
				return err
			}
			return server.Restore(ctx, service, service, f)
		})
}

func overDatabases(use, short, long string, each func(ctx context.Context, server *localdb.Instance, service, file string) error) *cobra.Command {
	var f backupFlags
	cmd := &cobra.Command{
		Use: use, Short: short, Long: short + ".\n\n" + long, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if err := os.MkdirAll(f.dir, 0o700); err != nil {
				return fmt.Errorf("making the folder: %w", err)
			}
			server, err := localdb.Start(cmd.Context(), localdb.Options{URL: f.databaseURL, DataDir: filepath.Join(f.data, "database")})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, server.Stop()) }()
			for _, service := range stack.ServiceNames() {
				file := filepath.Join(f.dir, service+".dump")
				if err := each(cmd.Context(), server, service, file); err != nil {
					return err
				}
				if err := printSize(cmd.OutOrStdout(), file); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&f.databaseURL, "database-url", "", "a database server that runs (postgres://…), instead of the data folder's")
	cmd.Flags().StringVar(&f.data, "data", ".switchboard", "the data folder of `up`")
	cmd.Flags().StringVar(&f.dir, "dir", "backup", "the folder of the dumps")
	return cmd
}

func printSize(out io.Writer, file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("looking at the dump: %w", err)
	}
	_, _ = fmt.Fprintf(out, "%s  %d bytes\n", file, info.Size())
	return nil
}
