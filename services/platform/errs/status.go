package errs

import (
	"context"
	"errors"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/groupcommit"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

// ToStatus is the one mapping from an error to what the caller sees; nil gives nil.
//
// An *Error is its own status, and so is one that another service sent, save PERMISSION_DENIED and UNAUTHENTICATED, which
// then speak of this service and not of its caller. Violations of protovalidate become FIELD_INVALID. Contexts, databases and
// services that fail for now become DEADLINE_EXCEEDED, UNAVAILABLE or OPERATION_IN_PROGRESS. Everything else is INTERNAL with
// a fixed text. What the caller does not get to see is logged, with the request id.
func ToStatus(ctx context.Context, err error) *status.Status {
	if err == nil {
		return nil
	}
	if st, ok := expected(err); ok {
		return st
	}
	e := transient(ctx, err)
	if e == nil {
		telemetry.Logger(ctx).ErrorContext(ctx, "internal error", "error", err)
		return Internal(ctx).GRPCStatus()
	}
	telemetry.Logger(ctx).WarnContext(ctx, "call failed for now", "reason", e.reason.String(), "error", err)
	return e.GRPCStatus()
}

// Internal returns the error that stands for a fault of ours. Its metadata `request_id` finds the fault in the logs.
func Internal(ctx context.Context) *Error {
	e := New(commonv1.Reason_INTERNAL, "internal error")
	if id := telemetry.RequestID(ctx); id != "" {
		_ = e.With("request_id", id)
	}
	return e
}

// expected handles errors that were made for the caller.
func expected(err error) (*status.Status, bool) {
	var invalid *protovalidate.ValidationError
	var own *Error
	switch {
	case errors.As(err, &own):
		return own.GRPCStatus(), true
	case errors.As(err, &invalid):
		return fieldInvalid(invalid).GRPCStatus(), true
	case crdb.Classify(err) == crdb.Canceled:
		return status.New(codes.Canceled, "the caller gave up"), true
	}
	sent, fromService := From(err)
	st, _ := status.FromError(err)
	switch {
	case st == nil, st.Code() == codes.PermissionDenied, st.Code() == codes.Unauthenticated, st.Code() == codes.Internal:
		return nil, false
	case fromService:
		return sent.GRPCStatus(), true
	case st.Code() == codes.Unimplemented:
		return status.New(codes.Unimplemented, "this method is not implemented"), true
	case st.Code() == codes.Canceled:
		return status.New(codes.Canceled, "the caller gave up"), true
	}
	return nil, false
}

// transient returns what to tell about an error that another try may not meet; nil when it is not one.
func transient(ctx context.Context, err error) *Error {
	unavailable := func() *Error {
		return New(commonv1.Reason_UNAVAILABLE, "a part of the system cannot be reached now; repeat the call").RetryAfter(time.Second)
	}
	late := func() *Error {
		if ctx.Err() == nil {
			// Something inside was given up, such as a node of the database that had just died, while the caller has time left.
			return New(commonv1.Reason_UNAVAILABLE,
				"a part of the system did not answer in time; repeat the call with the same request id to learn whether it took effect").RetryAfter(time.Second)
		}
		return New(commonv1.Reason_DEADLINE_EXCEEDED, "the deadline passed; repeat the call with the same request id to learn whether it took effect")
	}
	if errors.Is(err, groupcommit.ErrQueueFull) {
		return New(commonv1.Reason_RATE_LIMITED, "too many calls at once; repeat the call a little later").RetryAfter(time.Second)
	}
	if errors.Is(err, groupcommit.ErrClosed) {
		return unavailable()
	}
	switch crdb.Classify(err) {
	case crdb.Retryable:
		return New(commonv1.Reason_OPERATION_IN_PROGRESS, "concurrent changes kept getting in the way; repeat the call")
	case crdb.Ambiguous:
		return New(commonv1.Reason_UNAVAILABLE, "it is not known whether the call took effect; repeat it with the same request id")
	case crdb.Unavailable:
		return unavailable()
	case crdb.Timeout:
		return late()
	}
	if st, ok := status.FromError(err); ok {
		switch st.Code() {
		case codes.Unavailable, codes.Aborted:
			return unavailable()
		case codes.DeadlineExceeded:
			return late()
		}
	}
	return nil
}

// fieldInvalid turns violations of the rules in the proto files into FIELD_INVALID.
func fieldInvalid(invalid *protovalidate.ValidationError) *Error {
	e := New(commonv1.Reason_FIELD_INVALID, "the request does not meet the documented rules")
	for _, v := range invalid.Violations {
		text := v.Proto.GetMessage()
		if text == "" {
			text = "does not meet the rule " + v.Proto.GetRuleId()
		}
		_ = e.Violation(protovalidate.FieldPathString(v.Proto.GetField()), text)
	}
	if len(e.violations) == 1 && e.violations[0].GetField() != "" {
		e.message = e.violations[0].GetField() + ": " + e.violations[0].GetDescription()
	}
	return e
}
