package ctl

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// usageError is a command line that is wrong.
type usageError struct{ error }

// Unwrap returns the cause.
func (e usageError) Unwrap() error { return e.error }

// errRowsRefused is an import that ended with refused rows.
var errRowsRefused = errors.New("some rows were refused")

// errFindings is a check that found something that is not mended.
var errFindings = errors.New("the books do not agree")

// exitCode says how a command ended, in the numbers that the help of the root command documents.
func exitCode(err error) int {
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		return 1
	case errors.Is(err, errRowsRefused):
		return 6
	case errors.Is(err, errFindings):
		return 8
	}
	switch codeOf(err) {
	case codes.NotFound:
		return 3
	case codes.Unauthenticated, codes.PermissionDenied:
		return 4
	case codes.Unavailable, codes.DeadlineExceeded, codes.Aborted, codes.Canceled:
		return 5
	case codes.InvalidArgument, codes.AlreadyExists, codes.FailedPrecondition, codes.ResourceExhausted, codes.OutOfRange:
		return 2
	}
	return 7
}

// codeOf is the code of a refusal, wrapped or not, or of a context that ended; UNKNOWN for other errors.
func codeOf(err error) codes.Code {
	var sent interface{ GRPCStatus() *status.Status }
	switch {
	case errors.As(err, &sent):
		return sent.GRPCStatus().Code()
	case errors.Is(err, context.Canceled):
		return codes.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return codes.DeadlineExceeded
	}
	return codes.Unknown
}

// explain tells people what went wrong: the reason, the text, and each offending item.
func (a *app) explain(err error) {
	e, ok := errs.From(err)
	if !ok {
		_, _ = fmt.Fprintln(a.Err, "switchboardctl:", a.inWords(err))
		return
	}
	_, _ = fmt.Fprintf(a.Err, "switchboardctl: %s: %s\n", e.Reason(), e.Message())
	for _, v := range e.Violations() {
		_, _ = fmt.Fprintf(a.Err, "  %s: %s\n", v.GetField(), v.GetDescription())
	}
	if wait := e.RetryDelay(); wait > 0 {
		_, _ = fmt.Fprintf(a.Err, "  repeat it in %s\n", wait)
	}
	if e.Reason() == commonv1.Reason_UNAUTHENTICATED && a.token == "" && a.tokenFile == "" {
		_, _ = fmt.Fprintln(a.Err, "  give a token by SWITCHBOARDCTL_TOKEN or --token-file")
	}
}

// inWords says what happened where no service has said it.
func (a *app) inWords(err error) string {
	switch codeOf(err) {
	case codes.Canceled:
		return "interrupted: what was asked for may have happened; with the same --request-id it can be repeated"
	case codes.DeadlineExceeded:
		return fmt.Sprintf("no answer within %s: what was asked for may have happened; with the same --request-id it can be repeated", a.timeout)
	case codes.Unavailable:
		return fmt.Sprintf("the license service cannot be reached at %s; check --server and --ca-file", a.server)
	}
	var sent interface{ GRPCStatus() *status.Status }
	if errors.As(err, &sent) {
		return sent.GRPCStatus().Message()
	}
	return err.Error()
}
