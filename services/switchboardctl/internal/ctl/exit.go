package ctl

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// usageError is a command line that is wrong.
type usageError struct{ error }

// Unwrap returns the cause.
func (e usageError) Unwrap() error { return e.error }

// errRowsRefused is an import that ended with refused rows.
var errRowsRefused = errors.New("some rows were refused")

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
	}
	st, ok := status.FromError(err)
	if !ok {
		// What cobra refuses itself: unknown commands, missing arguments.
		if strings.HasPrefix(err.Error(), "unknown command") || strings.Contains(err.Error(), "arg(s)") {
			return 1
		}
		return 7
	}
	switch st.Code() {
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

// explain tells people what went wrong: the reason, the text, and each offending item.
func (a *app) explain(err error) {
	e, ok := errs.From(err)
	if !ok {
		text := err.Error()
		if st, isStatus := status.FromError(err); isStatus {
			text = st.Message()
		}
		_, _ = fmt.Fprintln(a.Err, "switchboardctl:", text)
		return
	}
	_, _ = fmt.Fprintf(a.Err, "switchboardctl: %s: %s\n", e.Reason(), e.Message())
	for _, v := range e.Violations() {
		_, _ = fmt.Fprintf(a.Err, "  %s: %s\n", v.GetField(), v.GetDescription())
	}
	if wait := e.RetryDelay(); wait > 0 {
		_, _ = fmt.Fprintf(a.Err, "  repeat it in %s\n", wait)
	}
}
