package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/switchboard-phone/switchboard/deploy/local/demo"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

func demoCommand() *cobra.Command {
	var (
		f    flags
		keep bool
		addr string
	)
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Assign phone licences to 250 people and check every promise",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			out, begun := cmd.OutOrStdout(), time.Now()
			s, err := f.start(cmd.Context(), out, stack.Options{GatewayAddr: addr})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, stop(s)) }()
			info := s.Info()
			account, err := demo.Run(cmd.Context(), demo.Config{
				Gateway: info.Gateway, TokenURL: info.TokenURL, Mail: info.Mail, Out: out, Interactive: terminal(os.Stdout),
			})
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(out, "  %.1f s from the start of the stack\n\n", time.Since(begun).Seconds())
			next(cmd, info, account, keep)
			if !keep {
				return nil
			}
			return untilStopped(cmd.Context(), s)
		},
	}
	f.register(cmd, "error")
	cmd.Flags().BoolVar(&keep, "keep", false, "stay up afterwards, until Ctrl-C")
	cmd.Flags().StringVar(&addr, "addr", "127.0.0.1:0", "address of the gateway; port 0 for a free one")
	return cmd
}

// next says where to look next.
func next(cmd *cobra.Command, info stack.Info, account string, keep bool) {
	out := cmd.OutOrStdout()
	if !keep {
		_, _ = fmt.Fprint(out, "Where to look next: `make demo KEEP=1` stays up, to look around with curl; `make up` starts empty and keeps its data;\n"+
			"README.md walks through the API; services/*/README.md say how each part works.\n")
		return
	}
	_, _ = fmt.Fprintf(out, `Everything stays up until Ctrl-C. Where to look next:

  TOKEN=$(curl -s %[2]s -d '{"subject":"me","account":"%[4]s","role":"OWNER"}' | sed 's/.*"accessToken":"\([^"]*\)".*/\1/')
  curl -s -H "Authorization: Bearer $TOKEN" '%[1]s/v1/%[4]s/phoneUsers?pageSize=5'
  curl -s -H "Authorization: Bearer $TOKEN" '%[1]s/v1/%[4]s/notifications?pageSize=5'
  curl -s -H "Authorization: Bearer $TOKEN" '%[1]s/v1/%[4]s/log?pageSize=5'
  curl -s '%[3]s?limit=1'         the newest mail
  curl -s '%[1]s/openapi.json'    every call there is
`, info.Gateway, info.TokenURL, info.Mail, account)
}

// terminal says whether people watch f.
func terminal(f *os.File) bool {
	stat, err := f.Stat()
	return err == nil && stat.Mode()&os.ModeCharDevice != 0
}
