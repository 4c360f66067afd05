package ctl

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
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
		Args: arguments(cobra.ExactArgs(1)),
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

// follow shows the progress of an import on the error stream and its outcome on the output. The import does not depend on it: when
// the service is away for a while (it may be restarted), it is followed again.
func (a *app) follow(ctx context.Context, client licensev1.ImportServiceClient, op *longrunningpb.Operation) error {
	name := op.GetName()
	m := &licensev1.ImportMetadata{}
	lost := time.Now()
	for done := false; !done; {
		var heard bool
		var err error
		if op, heard, err = a.followOnce(ctx, client, name, m); heard {
			lost = time.Now()
		}
		switch {
		case err == nil:
			done = true
		case ctx.Err() != nil, codeOf(err) != codes.Unavailable, time.Since(lost) > a.timeout:
			a.goesOn(err, name)
			return err
		default:
			select {
			case <-ctx.Done():
			case <-time.After(followAgain):
			}
		}
	}
	if op.GetError() != nil {
		return status.ErrorProto(op.GetError())
	}
	return a.outcome(op, m)
}

// followAgain is the time between two tries to follow an operation.
const followAgain = 500 * time.Millisecond

// goesOn tells how to follow an import that is still under way.
func (a *app) goesOn(err error, name string) {
	switch codeOf(err) {
	case codes.Canceled, codes.Unavailable, codes.DeadlineExceeded:
		_, _ = fmt.Fprintf(a.Err, "\nthe import goes on; to follow it: switchboardctl watch %[1]s; to stop it: switchboardctl cancel %[1]s\n", name)
	}
}

// followOnce follows an operation until it is done or the stream breaks. It says whether anything was heard, and reads what is told
// into m.
func (a *app) followOnce(ctx context.Context, client licensev1.ImportServiceClient, name string, m *licensev1.ImportMetadata) (op *longrunningpb.Operation, heard bool, err error) {
	if ctx, err = a.authorized(ctx); err != nil {
		return nil, false, err
	}
	stream, err := client.WatchOperation(ctx, &licensev1.WatchOperationRequest{Name: name})
	if err != nil {
		return nil, false, err
	}
	for {
		if op, err = stream.Recv(); err != nil {
			return nil, heard, err
		}
		heard = true
		if err := op.GetMetadata().UnmarshalTo(m); err != nil {
			return nil, heard, err
		}
		a.progress(m, op.GetDone())
		if op.GetDone() {
			return op, heard, nil
		}
	}
}

func (a *app) watch() *cobra.Command {
	return a.overOperation("watch", "Follow an import to its end", func(ctx context.Context, client licensev1.ImportServiceClient, name string) error {
		return a.follow(ctx, client, &longrunningpb.Operation{Name: name})
	})
}

func (a *app) cancel() *cobra.Command {
	return a.overOperation("cancel", "Stop an import; rows that are done stay done", func(ctx context.Context, client licensev1.ImportServiceClient, name string) error {
		ctx, cancel, err := a.call(ctx)
		if err != nil {
			return err
		}
		defer cancel()
		_, err = client.CancelOperation(ctx, &licensev1.CancelOperationRequest{Name: name})
		return err
	})
}

// overOperation makes a command about one operation.
func (a *app) overOperation(use, short string, do func(ctx context.Context, client licensev1.ImportServiceClient, name string) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " OPERATION", Short: short, Example: "  switchboardctl " + use + " operations/…", Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.checkOutput(table, jsonLines); err != nil {
				return err
			}
			conn, err := a.connect()
			if err != nil {
				return err
			}
			return do(cmd.Context(), licensev1.NewImportServiceClient(conn), operationName(args[0]))
		},
	}
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
	if a.output == jsonLines {
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
			if err := a.printTable("ROW WHO REASON WHY", rows); err != nil {
				return err
			}
		}
	}
	if m.GetFailedCount() > 0 {
		return fmt.Errorf("%w: %d of %d; all of them: switchboardctl rows %s --outcome FAILED", errRowsRefused, m.GetFailedCount(), m.GetRowCount(), op.GetName())
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
