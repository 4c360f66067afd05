package ctl

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/genproto/googleapis/api/httpbody"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
)

// pieces are a file that comes piece by piece.
type pieces interface {
	Recv() (*httpbody.HttpBody, error)
}

// save writes a file to the output.
func (a *app) save(file pieces) error {
	for {
		piece, err := file.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if _, err := a.Out.Write(piece.GetData()); err != nil {
			return fmt.Errorf("writing the file: %w", err)
		}
	}
}

func (a *app) export() *cobra.Command {
	return &cobra.Command{
		Use: "export", Short: "Write all active phone users as a CSV file that can be imported again", Args: arguments(cobra.NoArgs),
		Example: `  switchboardctl export > people.csv`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			parent, err := a.parent()
			if err != nil {
				return err
			}
			conn, err := a.connect()
			if err != nil {
				return err
			}
			ctx, err := a.authorized(cmd.Context())
			if err != nil {
				return err
			}
			file, err := licensev1.NewImportServiceClient(conn).ExportPhoneUsers(ctx, &licensev1.ExportPhoneUsersRequest{Parent: parent})
			if err != nil {
				return err
			}
			return a.save(file)
		},
	}
}

// outcomes are what can become of a row, as the flag of rows names them.
var outcomes = []string{"ASSIGNED", "UPDATED", "UNCHANGED", "FAILED"}

func (a *app) rows() *cobra.Command {
	outcome := ""
	cmd := &cobra.Command{
		Use: "rows OPERATION", Short: "Write the rows of an import with what became of each, as a CSV file", Args: arguments(cobra.ExactArgs(1)),
		Example: `  switchboardctl rows operations/… --outcome FAILED > to-correct.csv`,
		RunE: func(cmd *cobra.Command, args []string) error {
			req := &licensev1.ExportImportRowsRequest{Parent: operationName(args[0])}
			if outcome != "" && !slices.Contains(outcomes, outcome) {
				return wrongUsage(cmd, fmt.Errorf("--outcome is %q, and takes %s", outcome, strings.Join(outcomes, ", ")))
			}
			req.Outcome = licensev1.ImportRow_Outcome(licensev1.ImportRow_Outcome_value[outcome])
			conn, err := a.connect()
			if err != nil {
				return err
			}
			ctx, err := a.authorized(cmd.Context())
			if err != nil {
				return err
			}
			file, err := licensev1.NewImportServiceClient(conn).ExportImportRows(ctx, req)
			if err != nil {
				return err
			}
			return a.save(file)
		},
	}
	cmd.Flags().StringVar(&outcome, "outcome", "", "only rows with this outcome: "+strings.Join(outcomes, ", "))
	_ = cmd.RegisterFlagCompletionFunc("outcome", cobra.FixedCompletions(outcomes, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// operationName takes an operation's name or its id alone.
func operationName(text string) string {
	return "operations/" + strings.TrimPrefix(text, "operations/")
}
