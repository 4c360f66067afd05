// Package errs turns what went wrong into what callers see: a google.rpc.Status with a reason of switchboard.common.v1.Reason,
// its documented metadata, the offending fields, and nothing of the machinery behind.
//
// Code that refuses a call returns New(reason, …). Everything else is returned as it comes, wrapped with %w, and mapped once,
// by ToStatus in the server's interceptor chain.
package errs

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
)

// Domain is the ErrorInfo domain of every error of Switchboard.
const Domain = "switchboard"

// Error is a refusal with a reason. Its methods fill it in and return it, so that they chain; use them before the error is
// shared. It is a gRPC status error.
type Error struct {
	reason     commonv1.Reason
	code       codes.Code
	message    string
	metadata   map[string]string
	violations []*errdetails.BadRequest_FieldViolation
	retryAfter time.Duration
	cause      error
}

// New returns a refusal. The status code is that of the reason. The message is for people and says what is wrong and what to
// do; it reaches the caller, so nothing internal belongs into it.
func New(reason commonv1.Reason, format string, args ...any) *Error {
	return &Error{reason: reason, code: Code(reason), message: fmt.Sprintf(format, args...)}
}

// With adds metadata, as documented at the reason.
func (e *Error) With(key, value string) *Error {
	if e.metadata == nil {
		e.metadata = map[string]string{}
	}
	e.metadata[key] = value
	return e
}

// Violation names a field that is to blame, by its path in the request ("assignees[17]"), and says what is wrong with it.
func (e *Error) Violation(field, description string) *Error {
	e.violations = append(e.violations, &errdetails.BadRequest_FieldViolation{
		Field: field, Description: description, Reason: e.reason.String(),
	})
	return e
}

// RetryAfter says when the caller may come back.
func (e *Error) RetryAfter(d time.Duration) *Error {
	e.retryAfter = d
	return e
}

// Wrap keeps the cause for logs and errors.Is; callers do not see it.
func (e *Error) Wrap(cause error) *Error {
	e.cause = cause
	return e
}

// Error implements error. It includes the cause, so it is for logs.
func (e *Error) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.reason, e.message, e.cause)
	}
	return fmt.Sprintf("%s: %s", e.reason, e.message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// Reason returns the reason.
func (e *Error) Reason() commonv1.Reason { return e.reason }

// Message returns the text for the caller.
func (e *Error) Message() string { return e.message }

// Metadata returns a copy of the metadata.
func (e *Error) Metadata() map[string]string { return maps.Clone(e.metadata) }

// Violations returns the offending fields.
func (e *Error) Violations() []*errdetails.BadRequest_FieldViolation { return e.violations }

// RetryDelay returns when the caller may come back; 0 when nothing is said about it.
func (e *Error) RetryDelay() time.Duration { return e.retryAfter }

// GRPCStatus returns what the caller sees.
func (e *Error) GRPCStatus() *status.Status {
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: e.reason.String(), Domain: Domain, Metadata: e.metadata}}
	if len(e.violations) > 0 {
		details = append(details, &errdetails.BadRequest{FieldViolations: e.violations})
	}
	if e.retryAfter > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(e.retryAfter)})
	}
	st := status.New(e.code, e.message)
	if full, err := st.WithDetails(details...); err == nil {
		return full
	}
	return st
}

// codesOf holds the status code of every reason, read from the enum's options once.
var codesOf = func() map[commonv1.Reason]codes.Code {
	out := map[commonv1.Reason]codes.Code{}
	values := commonv1.Reason(0).Descriptor().Values()
	for i := range values.Len() {
		c, _ := proto.GetExtension(values.Get(i).Options(), commonv1.E_Code).(code.Code)
		out[commonv1.Reason(values.Get(i).Number())] = codes.Code(c)
	}
	return out
}()

// Code returns the status code that a reason travels under; UNKNOWN for one that is not defined.
func Code(reason commonv1.Reason) codes.Code {
	if c, ok := codesOf[reason]; ok {
		return c
	}
	return codes.Unknown
}

// From returns err as an *Error: the one that it wraps, or one made from a status that another Switchboard service sent.
// The latter is a copy which may be changed freely. False means that err is neither.
func From(err error) (*Error, bool) {
	var e *Error
	if errors.As(err, &e) {
		return e, true
	}
	// Not status.FromError: of a wrapped status it makes one whose message is the text of all wrappers.
	var sent interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &sent) {
		return nil, false
	}
	st := sent.GRPCStatus()
	out := &Error{code: st.Code(), message: st.Message(), cause: err}
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			if d.GetDomain() == Domain {
				out.reason = commonv1.Reason(commonv1.Reason_value[d.GetReason()])
				out.metadata = maps.Clone(d.GetMetadata())
			}
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				out.violations = append(out.violations, proto.CloneOf(v))
			}
		case *errdetails.RetryInfo:
			out.retryAfter = d.GetRetryDelay().AsDuration()
		}
	}
	return out, out.reason != commonv1.Reason_REASON_UNSPECIFIED
}

// Reason returns why err refused the call, be it of this process or received from another service;
// REASON_UNSPECIFIED when it has none.
func Reason(err error) commonv1.Reason {
	if e, ok := From(err); ok {
		return e.reason
	}
	return commonv1.Reason_REASON_UNSPECIFIED
}

// Definitive says whether the same call would be refused again, so that a saga must undo rather than repeat. Errors without
// a status (of the network, the database, a context) are not definitive: it may not even be known whether they took effect.
func Definitive(err error) bool {
	var c codes.Code
	if e, ok := From(err); ok {
		if e.reason == commonv1.Reason_RATE_LIMITED {
			return false
		}
		c = e.code
	} else if st, ok := status.FromError(err); ok && err != nil {
		c = st.Code()
	}
	switch c {
	case codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.FailedPrecondition, codes.ResourceExhausted,
		codes.PermissionDenied, codes.Unauthenticated, codes.OutOfRange, codes.Unimplemented:
		return true
	}
	return false
}
