package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

func upCommand() *cobra.Command {
	var (
		f                     flags
		addr, data, readyFile string
		portal                string
	)
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run everything until Ctrl-C",
		Long: "Runs the four services, the gateway, a database, etcd, a mail sink and a token issuer in this process.\n" +
			"Once everything answers, it prints where, and writes it as JSON to the ready file.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			// One of an earlier run would tell of what is not there any more.
			if err := os.Remove(readyFile); readyFile != "" && err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("removing the old ready file: %w", err)
			}
			s, err := f.start(cmd.Context(), cmd.OutOrStdout(), stack.Options{GatewayAddr: addr, DataDir: data, PortalDir: portal})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, stop(s)) }()
			if readyFile != "" {
				if err := stack.WriteReadyFile(readyFile, s.Info()); err != nil {
					return err
				}
			}
			where(cmd.OutOrStdout(), s.Info(), portal != "")
			return untilStopped(cmd.Context(), s)
		},
	}
	f.register(cmd, "warn")
	cmd.Flags().StringVar(&addr, "addr", "127.0.0.1:8080", "address of the gateway; port 0 for a free one")
	cmd.Flags().StringVar(&data, "data", ".switchboard", "folder for all data; empty for a database in memory, gone at the end")
	cmd.Flags().StringVar(&portal, "portal", "", "folder of the built portal; empty for the API alone")
	cmd.Flags().StringVar(&readyFile, "ready-file", "", "file to write the addresses to, as JSON, once everything answers")
	return cmd
}

// where says where everything is and what to try first.
func where(out io.Writer, info stack.Info, portal bool) {
	if portal {
		_, _ = fmt.Fprintf(out, "portal    %s   (sign in as anybody, without a password)\n", info.Gateway)
	} else {
		_, _ = fmt.Fprintln(out, "portal    not there: it needs Node 20 or newer, see `make portal`")
	}
	_, _ = fmt.Fprintf(out, `gateway   %[1]s   (try %[1]s/openapi.json)
tokens    %[2]s
mail      %[3]s
`, info.Gateway, info.TokenURL, info.Mail)
	for _, name := range stack.ServiceNames() {
		_, _ = fmt.Fprintf(out, "%-12s  grpc %s   metrics and health %s\n", name, info.GRPC[name], info.Ops[name])
	}
	_, _ = fmt.Fprintf(out, `
An operator's token, and a first account:

  TOKEN=$(curl -s %[2]s -d '{"operator":true}' | sed 's/.*"accessToken":"\([^"]*\)".*/\1/')
  curl -s %[1]s/v1/accounts -H "Authorization: Bearer $TOKEN" -d '{"displayName":"Meridian Trading","licenseSeats":100}'

Ctrl-C stops everything.
`, info.Gateway, info.TokenURL)
}
