// Package ctl holds the commands of switchboardctl.
package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/switchboard-phone/switchboard/services/platform/mtls"
	"github.com/switchboard-phone/switchboard/services/platform/server"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

// Streams are where a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// app is what all commands share.
type app struct {
	Streams
	server, caFile, trustDomain, account, token, tokenFile, output string
	plaintext                                                      bool
	timeout                                                        time.Duration
	conn                                                           *grpc.ClientConn
}

// Run runs one command line and returns the exit code (see exitCode).
func Run(ctx context.Context, args []string, streams Streams) int {
	a := &app{Streams: streams}
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if a.conn != nil {
		if closeErr := a.conn.Close(); err == nil {
			err = closeErr
		}
	}
	if err != nil {
		a.explain(err)
	}
	return exitCode(err)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "switchboardctl",
		Short: "Administer phone users",
		Long: `Administer phone users: assign licences, import and export files, list, trash, restore and remove, and read the account log.
People are named by their e-mail addresses or as accounts/…/users/…, phone users also as accounts/…/phoneUsers/….

It speaks gRPC to the license service. Each flag can also be set by an environment variable:
  SWITCHBOARDCTL_SERVER, SWITCHBOARDCTL_CA_FILE, SWITCHBOARDCTL_TRUST_DOMAIN, SWITCHBOARDCTL_PLAINTEXT (true),
  SWITCHBOARDCTL_ACCOUNT, SWITCHBOARDCTL_TOKEN, SWITCHBOARDCTL_TOKEN_FILE

Exit codes:
  0  done
  1  the command line is wrong
  2  refused: the message says why and what to do
  3  something named does not exist
  4  no token, or not allowed
  5  not now: repeat the command, with the same --request-id where there is one
  6  an import ended, and some rows were refused
  7  a fault
  8  the doctor found something that is not mended`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SilenceUsage: true, SilenceErrors: true, SuggestionsMinimumDistance: 2,
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetFlagErrorFunc(wrongUsage)
	f := root.PersistentFlags()
	f.StringVar(&a.server, "server", env("SERVER", "127.0.0.1:8443"), "address of the license service, host:port")
	f.StringVar(&a.caFile, "ca-file", env("CA_FILE", ""), "certificate authority of the services")
	f.BoolVar(&a.plaintext, "plaintext", env("PLAINTEXT", "") == "true", "speak without TLS, to a service that was started so")
	f.StringVar(&a.trustDomain, "trust-domain", env("TRUST_DOMAIN", mtls.DefaultTrustDomain), "host part of the names in the services' certificates")
	f.StringVarP(&a.account, "account", "a", env("ACCOUNT", ""), "the account, accounts/… or its id")
	f.StringVar(&a.tokenFile, "token-file", env("TOKEN_FILE", ""), "file with the bearer token")
	f.StringVarP(&a.output, "output", "o", table, "table or json; log also takes csv")
	f.DurationVar(&a.timeout, "timeout", time.Minute, "how long a call may take; imports are followed as long as they run")
	a.token = env("TOKEN", "") // no flag: command lines are seen by others
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{table, jsonLines, csvFile}, cobra.ShellCompDirectiveNoFileComp))
	root.AddCommand(a.assign(), a.list(), a.trash(), a.restore(), a.remove(), a.log(), a.importFile(), a.export(), a.watch(), a.cancel(), a.rows(), a.doctor())
	return root
}

// The forms of output.
const (
	table     = "table"
	jsonLines = "json"
	csvFile   = "csv"
)

// arguments makes a check of arguments one of the command line.
func arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return wrongUsage(cmd, err)
		}
		return nil
	}
}

// wrongUsage says where to read how a command is used.
func wrongUsage(cmd *cobra.Command, err error) error {
	return usageError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
}

func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("there is no command %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += fmt.Sprintf(", did you mean %s?", strings.Join(near, " or "))
	}
	return wrongUsage(cmd, errors.New(text))
}

func env(name, fallback string) string {
	if v := os.Getenv("SWITCHBOARDCTL_" + name); v != "" {
		return v
	}
	return fallback
}

// parent is the account's resource name. forms are the forms of output that the command has; table and json where none are named.
func (a *app) parent(forms ...string) (string, error) {
	if a.account == "" {
		return "", usageError{errors.New("which account? Give --account or SWITCHBOARDCTL_ACCOUNT")}
	}
	if len(forms) == 0 {
		forms = []string{table, jsonLines}
	}
	return "accounts/" + strings.TrimPrefix(a.account, "accounts/"), a.checkOutput(forms...)
}

// checkOutput refuses forms of output that a command does not have.
func (a *app) checkOutput(forms ...string) error {
	if slices.Contains(forms, a.output) {
		return nil
	}
	return usageError{fmt.Errorf("--output is %q, and takes %s", a.output, strings.Join(forms, " or "))}
}

// connect opens the connection on first use.
func (a *app) connect() (*grpc.ClientConn, error) {
	if a.conn != nil {
		return a.conn, nil
	}
	if host, port, err := net.SplitHostPort(a.server); !strings.Contains(a.server, "://") && (err != nil || host == "" && port == "") {
		return nil, usageError{fmt.Errorf("--server is %q, and takes host:port", a.server)}
	}
	if a.caFile == "" && !a.plaintext {
		return nil, usageError{errors.New("how is the service to prove who it is? Give --ca-file, or --plaintext where it speaks without TLS")}
	}
	conn, err := server.Dial(server.ClientConfig{Target: a.server, Timeout: a.timeout}, server.ClientOptions{
		Service: "license", TLS: mtls.Config{CAFile: a.caFile, TrustDomain: a.trustDomain, Plaintext: a.plaintext},
	})
	if err != nil {
		return nil, usageError{fmt.Errorf("--server, --ca-file or --trust-domain: %w", err)} // nothing was called yet
	}
	a.conn = conn
	return conn, nil
}

// call is a context for one call: with the token, a request id that finds the call in the logs, and the timeout.
func (a *app) call(ctx context.Context) (context.Context, context.CancelFunc, error) {
	ctx, err := a.authorized(ctx)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	return ctx, cancel, nil
}

func (a *app) authorized(ctx context.Context) (context.Context, error) {
	token := a.token
	if a.tokenFile != "" {
		text, err := os.ReadFile(a.tokenFile)
		if err != nil {
			return nil, usageError{fmt.Errorf("token: %w", err)}
		}
		token = strings.TrimSpace(string(text))
	}
	ctx = telemetry.WithRequestID(ctx, telemetry.NewRequestID())
	if token == "" {
		return ctx, nil
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token), nil
}
