// Package httperr gives every refusal of the gateway one shape: a google.rpc.Status in JSON, whoever refused.
package httperr

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

// WithHTTPStatus makes Write answer err with an HTTP status other than the one that its code maps to.
func WithHTTPStatus(httpStatus int, err error) error {
	return &runtime.HTTPStatusError{HTTPStatus: httpStatus, Err: err}
}

// Write answers a request with err. Nothing may have been written before. The HTTP status follows the code, unless err was
// made by WithHTTPStatus. A RetryInfo becomes the header Retry-After as well, in whole seconds.
func Write(w http.ResponseWriter, r *http.Request, err error) {
	httpStatus := 0
	var override *runtime.HTTPStatusError
	if errors.As(err, &override) {
		httpStatus, err = override.HTTPStatus, override.Err
	}
	st := Status(r.Context(), err)
	if httpStatus == 0 {
		httpStatus = runtime.HTTPStatusFromCode(st.Code())
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if httpStatus == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	if e, ok := errs.From(st.Err()); ok && e.RetryDelay() > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryDelay().Seconds()))))
	}
	body := marshal(r.Context(), st.Proto())
	w.WriteHeader(httpStatus)
	if _, err := w.Write(body); err != nil {
		telemetry.Logger(r.Context()).DebugContext(r.Context(), "the caller left before the answer", "error", err)
	}
}

// Status returns what the caller sees of err. What a service refused with a reason passes unchanged; everything else is
// mapped as in the services, so that texts of the network never reach a caller.
func Status(ctx context.Context, err error) *status.Status {
	var own *errs.Error
	if errors.As(err, &own) {
		return own.GRPCStatus()
	}
	if _, ok := errs.From(err); ok {
		st, _ := status.FromError(err)
		return st
	}
	// Generated code refuses requests that it cannot read with a bare status.
	if st, ok := status.FromError(err); ok && st.Code() == codes.InvalidArgument {
		return errs.New(commonv1.Reason_FIELD_INVALID, "the request cannot be read: %s", st.Message()).GRPCStatus()
	}
	return errs.ToStatus(ctx, err)
}

var marshaler = protojson.MarshalOptions{EmitDefaultValues: true}

// marshal drops details of types that this binary does not know, because they cannot be written as JSON.
func marshal(ctx context.Context, st *spb.Status) []byte {
	body, err := marshaler.Marshal(st)
	if err == nil {
		return body
	}
	known := &spb.Status{Code: st.GetCode(), Message: st.GetMessage()}
	for _, detail := range st.GetDetails() {
		if knownType(detail) {
			known.Details = append(known.Details, detail)
		}
	}
	telemetry.Logger(ctx).WarnContext(ctx, "error details left out", "error", err)
	if body, err = marshaler.Marshal(known); err == nil {
		return body
	}
	return []byte(`{"code":13,"message":"internal error","details":[]}`)
}

func knownType(detail *anypb.Any) bool {
	_, err := detail.UnmarshalNew()
	return err == nil
}
