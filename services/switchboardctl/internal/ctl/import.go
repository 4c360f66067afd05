package ctl

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
)

func (a *app) importFile() *cobra.Command {
	var b batch
	assignOnly, detach := false, false
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Assign and change phone users by a CSV file (- for standard input), and follow it to its end",
		Example: `  switchboardctl import people.csv --dry-run
  switchboardctl import people.csv --request-id monday`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			parent, err := a.parent()
			if err != nil {
				return err
			}
			csv, err := a.read(args[0])
			if err != nil {
				return usageError{err}
			}
			conn, err := a.connect()
			if err != nil {
				return err
			}
			client := licensev1.NewImportServiceClient(conn)
			req := &licensev1.ImportPhoneUsersRequest{Parent: parent, Csv: csv, RequestId: b.requestID, ValidateOnly: b.dryRun}
			if assignOnly {
				req.Mode = licensev1.ImportPhoneUsersRequest_ASSIGN_ONLY
			}
			ctx, cancel, err := a.call(cmd.Context())
			if err != nil {
				return err
			}
			op, err := client.ImportPhoneUsers(ctx, req)
			cancel()
			if err != nil {
				return err
			}
			if detach {
				return a.json(op)
			}
			return a.follow(cmd.Context(), client, op)
		},
	}
	b.flags(cmd)
	cmd.Flags().BoolVar(&assignOnly, "assign-only", false, "refuse rows of people who have a licence instead of changing them")
	cmd.Flags().BoolVar(&detach, "detach", false, "print the operation and do not wait")
	return cmd
}

func (a *app) read(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(a.In)
	}
	return os.ReadFile(file)
}

// follow shows the progress of an import on the error stream and its outcome on the output.
func (a *app) follow(ctx context.Context, client licensev1.ImportServiceClient, op *longrunningpb.Operation) error {
	ctx, err := a.authorized(ctx)
	if err != nil {
		return err
	}
	stream, err := client.WatchOperation(ctx, &licensev1.WatchOperationRequest{Name: op.GetName()})
	if err != nil {
		return err
	}
	m := &licensev1.ImportMetadata{}
	for !op.GetDone() {
		if op, err = stream.Recv(); err != nil {
			return err
		}
		if err := op.GetMetadata().UnmarshalTo(m); err != nil {
			return err
		}
		a.progress(m, op.GetDone())
	}
	if op.GetError() != nil {
		return status.ErrorProto(op.GetError())
	}
	return a.outcome(op, m)
}

const barWidth = 30

// progress draws the bar over itself on a terminal, and otherwise only its last state.
func (a *app) progress(m *licensev1.ImportMetadata, done bool) {
	if !terminal(a.Err) && !done {
		return
	}
	filled := barWidth
	if m.GetRowCount() > 0 {
		filled = int(int64(barWidth) * int64(m.GetProcessedCount()) / int64(m.GetRowCount()))
	}
	_, _ = fmt.Fprintf(a.Err, "\r[%s%s] %d of %d rows, %d refused, %.0f a second ", strings.Repeat("#", filled),
		strings.Repeat(".", barWidth-filled), m.GetProcessedCount(), m.GetRowCount(), m.GetFailedCount(), m.GetRowsPerSecond())
	if done {
		_, _ = fmt.Fprintln(a.Err)
	}
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// outcome prints the counts and the refused rows.
func (a *app) outcome(op *longrunningpb.Operation, m *licensev1.ImportMetadata) error {
	if a.output == "json" {
		if err := a.json(op); err != nil {
			return err
		}
	} else {
		verb := "done"
		if m.GetValidateOnly() {
			verb = "would be done"
		}
		_, _ = fmt.Fprintf(a.Out, "%d rows: %d %s, %d unchanged, %d refused, %d with warnings\n", m.GetRowCount(), m.GetSucceededCount(), verb,
			m.GetUnchangedCount(), m.GetFailedCount(), m.GetWarningCount())
		var rows [][]string
		for _, r := range m.GetErrors() {
			rows = append(rows, []string{fmt.Sprint(r.GetRow()), r.GetKey(), reason(r), r.GetError().GetMessage()})
		}
		if len(rows) > 0 {
			if err := a.table("ROW WHO REASON WHY", rows); err != nil {
				return err
			}
		}
	}
	if m.GetFailedCount() > 0 {
		return fmt.Errorf("%w: %d of %d; all of them: the rows of %s", errRowsRefused, m.GetFailedCount(), m.GetRowCount(), op.GetName())
	}
	return nil
}

func reason(r *licensev1.ImportRow) string {
	for _, d := range r.GetError().GetDetails() {
		info := &errdetails.ErrorInfo{}
		if d.UnmarshalTo(info) == nil {
			return info.GetReason()
		}
	}
	return "-"
}
