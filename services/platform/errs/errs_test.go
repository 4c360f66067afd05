package errs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"buf.build/go/protovalidate"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/groupcommit"
	"github.com/switchboard-phone/switchboard/services/platform/internal/testsvc"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

func TestEveryReasonHasACode(t *testing.T) {
	t.Parallel()
	values := commonv1.Reason(0).Descriptor().Values()
	for i := range values.Len() {
		r := commonv1.Reason(values.Get(i).Number())
		if r == commonv1.Reason_REASON_UNSPECIFIED {
			continue
		}
		c := errs.Code(r)
		require.NotEqual(t, codes.Unknown, c, r)
		require.NotEqual(t, codes.OK, c, r)
		require.Equal(t, c, errs.New(r, "x").GRPCStatus().Code(), r)
	}
	require.Equal(t, codes.AlreadyExists, errs.Code(commonv1.Reason_EXTENSION_IN_USE))
	require.Equal(t, codes.Unknown, errs.Code(commonv1.Reason(9999)))
}

func TestErrorTravelsWhole(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	sent := errs.New(commonv1.Reason_RESEND_TOO_SOON, "wait %d s", 30).With("retry_time", "later").
		Violation("names[1]", "too soon").Violation("names[2]", "too soon").RetryAfter(30 * time.Second).Wrap(cause)
	require.ErrorIs(t, sent, cause)
	require.NotContains(t, sent.GRPCStatus().Message(), "cause", "callers do not see it")

	received, ok := errs.From(sent.GRPCStatus().Err()) // as over the wire
	require.True(t, ok)
	require.Equal(t, commonv1.Reason_RESEND_TOO_SOON, received.Reason())
	require.Equal(t, "wait 30 s", received.Message())
	require.Equal(t, map[string]string{"retry_time": "later"}, received.Metadata())
	require.Len(t, received.Violations(), 2)
	require.Equal(t, "names[1]", received.Violations()[0].GetField())
	require.Equal(t, sent.GRPCStatus().Proto().String(), received.GRPCStatus().Proto().String())

	wrapped, ok := errs.From(fmt.Errorf("allocate: %w", sent))
	require.True(t, ok)
	require.Same(t, sent, wrapped)
	require.Equal(t, commonv1.Reason_RESEND_TOO_SOON, errs.Reason(fmt.Errorf("allocate: %w", sent.GRPCStatus().Err())))
}

func TestFromKnowsOnlyItsOwn(t *testing.T) {
	t.Parallel()
	foreign, err := status.New(codes.NotFound, "x").WithDetails(&errdetails.ErrorInfo{Reason: "NOT_FOUND", Domain: "elsewhere"})
	require.NoError(t, err)
	for _, err := range []error{nil, io.EOF, status.Error(codes.NotFound, "x"), foreign.Err()} {
		_, ok := errs.From(err)
		require.False(t, ok, "%v", err)
		require.Equal(t, commonv1.Reason_REASON_UNSPECIFIED, errs.Reason(err))
	}
}

func TestDefinitive(t *testing.T) {
	t.Parallel()
	for _, r := range []commonv1.Reason{
		commonv1.Reason_FIELD_INVALID, commonv1.Reason_EXTENSION_IN_USE, commonv1.Reason_EXTENSION_RANGE_EXHAUSTED, commonv1.Reason_PACKAGE_INACTIVE,
		commonv1.Reason_NOT_FOUND, commonv1.Reason_PERMISSION_DENIED, commonv1.Reason_UNAUTHENTICATED,
	} {
		require.True(t, errs.Definitive(errs.New(r, "x")), r)
		require.True(t, errs.Definitive(errs.New(r, "x").GRPCStatus().Err()), r)
	}
	for _, r := range []commonv1.Reason{
		commonv1.Reason_RATE_LIMITED, commonv1.Reason_UNAVAILABLE, commonv1.Reason_DEADLINE_EXCEEDED, commonv1.Reason_INTERNAL,
		commonv1.Reason_OPERATION_IN_PROGRESS, commonv1.Reason_ETAG_MISMATCH,
	} {
		require.False(t, errs.Definitive(errs.New(r, "x")), r)
		require.False(t, errs.Definitive(errs.New(r, "x").GRPCStatus().Err()), r)
	}
	require.True(t, errs.Definitive(status.Error(codes.Unimplemented, "x")))
	for _, err := range []error{nil, io.EOF, context.DeadlineExceeded, status.Error(codes.Canceled, "x"), status.Error(codes.Unknown, "x")} {
		require.False(t, errs.Definitive(err), "%v", err)
	}
}

func TestToStatus(t *testing.T) {
	t.Parallel()
	const secret = "duplicate key (number)=('4711')"
	pg := func(code string) error { return fmt.Errorf("store: %w", &pgconn.PgError{Code: code, Message: secret}) }
	validator, err := protovalidate.New()
	require.NoError(t, err)
	invalid := validator.Validate(testsvc.New(testsvc.Name(string(bytes.Repeat([]byte("x"), 101)))))
	require.Error(t, invalid)

	for name, c := range map[string]struct {
		err  error
		code codes.Code
		want commonv1.Reason
	}{
		"own":                            {fmt.Errorf("x: %w", errs.New(commonv1.Reason_PACKAGE_INACTIVE, "x")), codes.FailedPrecondition, commonv1.Reason_PACKAGE_INACTIVE},
		"of another service":             {errs.New(commonv1.Reason_EXTENSION_RANGE_EXHAUSTED, "x").GRPCStatus().Err(), codes.ResourceExhausted, commonv1.Reason_EXTENSION_RANGE_EXHAUSTED},
		"another service refuses us":     {errs.New(commonv1.Reason_PERMISSION_DENIED, "x").GRPCStatus().Err(), codes.Internal, commonv1.Reason_INTERNAL},
		"another service knows us not":   {errs.New(commonv1.Reason_UNAUTHENTICATED, "x").GRPCStatus().Err(), codes.Internal, commonv1.Reason_INTERNAL},
		"another service is broken":      {errs.New(commonv1.Reason_INTERNAL, "x").GRPCStatus().Err(), codes.Internal, commonv1.Reason_INTERNAL},
		"another service is away":        {status.Error(codes.Unavailable, secret), codes.Unavailable, commonv1.Reason_UNAVAILABLE},
		"another service is late":        {status.Error(codes.DeadlineExceeded, secret), codes.DeadlineExceeded, commonv1.Reason_DEADLINE_EXCEEDED},
		"another service lacks a method": {status.Error(codes.Unimplemented, secret), codes.Unimplemented, commonv1.Reason_REASON_UNSPECIFIED},
		"a rule of the proto file":       {fmt.Errorf("x: %w", invalid), codes.InvalidArgument, commonv1.Reason_FIELD_INVALID},
		"conflict":                       {pg("40001"), codes.Aborted, commonv1.Reason_OPERATION_IN_PROGRESS},
		"ambiguous":                      {&crdb.AmbiguousError{Op: "x", Err: errors.New(secret)}, codes.Unavailable, commonv1.Reason_UNAVAILABLE},
		"database away":                  {pg("57P01"), codes.Unavailable, commonv1.Reason_UNAVAILABLE},
		"a node of the database is gone": {&pgconn.PgError{Code: "XXUUU", Message: "rpc error: code = Unavailable desc = transport is closing"}, codes.Unavailable, commonv1.Reason_UNAVAILABLE},
		"a node reaches no other":        {&pgconn.PgError{Code: "XXUUU", Message: "failed to send RPC: sending to all 3 replicas failed"}, codes.Unavailable, commonv1.Reason_UNAVAILABLE},
		"a node lost another":            {pg("58C01"), codes.Unavailable, commonv1.Reason_UNAVAILABLE},
		"a range is away":                {pg("58C00"), codes.Unavailable, commonv1.Reason_UNAVAILABLE},
		"no category":                    {pg("XXUUU"), codes.Internal, commonv1.Reason_INTERNAL},
		"statement timeout":              {pg("57014"), codes.DeadlineExceeded, commonv1.Reason_DEADLINE_EXCEEDED},
		"unique violation nobody mapped": {pg("23505"), codes.Internal, commonv1.Reason_INTERNAL},
		"schema":                         {pg("42P01"), codes.Internal, commonv1.Reason_INTERNAL},
		"no rows":                        {pgx.ErrNoRows, codes.Internal, commonv1.Reason_INTERNAL},
		"deadline":                       {context.DeadlineExceeded, codes.DeadlineExceeded, commonv1.Reason_DEADLINE_EXCEEDED},
		"caller gone":                    {context.Canceled, codes.Canceled, commonv1.Reason_REASON_UNSPECIFIED},
		"queue full":                     {groupcommit.ErrQueueFull, codes.ResourceExhausted, commonv1.Reason_RATE_LIMITED},
		"group closed":                   {groupcommit.ErrClosed, codes.Unavailable, commonv1.Reason_UNAVAILABLE},
		"anything else":                  {errors.New(secret), codes.Internal, commonv1.Reason_INTERNAL},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var logs bytes.Buffer
			ctx := telemetry.WithLogger(telemetry.WithRequestID(t.Context(), "id-1"), slog.New(slog.NewTextHandler(&logs, nil)))
			if c.code == codes.DeadlineExceeded {
				// A caller who has time left is told to repeat the call, since the time of somebody inside was over.
				require.Equal(t, codes.Unavailable, errs.ToStatus(ctx, c.err).Code())
				ended, cancel := context.WithCancel(ctx)
				cancel()
				ctx = ended
			}
			st := errs.ToStatus(ctx, c.err)
			require.Equal(t, c.code, st.Code())
			require.Equal(t, c.want, errs.Reason(st.Err()))
			require.NotContains(t, st.Proto().String(), "4711", "no text of the driver or of another service's machinery")
			if c.code == codes.Internal {
				e, _ := errs.From(st.Err())
				require.Equal(t, "id-1", e.Metadata()["request_id"])
				require.NotEmpty(t, logs.String())
			}
		})
	}
	require.Nil(t, errs.ToStatus(t.Context(), nil))

	e, _ := errs.From(errs.ToStatus(t.Context(), invalid).Err())
	require.Equal(t, "name", e.Violations()[0].GetField())
	require.NotEmpty(t, e.Violations()[0].GetDescription())
	require.Contains(t, e.Message(), "name")
}

// TestFrom_wrapped shows that wrapping a status adds nothing to what callers see.
func TestFrom_wrapped(t *testing.T) {
	t.Parallel()
	sent := status.ErrorProto(errs.New(commonv1.Reason_NOT_FOUND, "no such thing").With("resource", "x").GRPCStatus().Proto())
	e, ok := errs.From(fmt.Errorf("call: %w", errors.Join(errors.New("another"), sent)))
	require.True(t, ok)
	require.Equal(t, "no such thing", e.Message())
	require.Equal(t, map[string]string{"resource": "x"}, e.Metadata())
}

func TestCollector(t *testing.T) {
	t.Parallel()
	var c errs.Collector
	require.NoError(t, c.Err())
	require.Nil(t, c.Whole())
	c.Add("names[1]", "is gone", errs.New(commonv1.Reason_NOT_FOUND, "first").With("resource", "a"))
	c.Add("", "nobody", errs.New(commonv1.Reason_NOT_FOUND, "second"))
	c.Add("names[4]", "is gone too", errs.New(commonv1.Reason_INTERNAL, "third"))
	require.ErrorIs(t, c.Err(), c.Whole())
	require.Equal(t, commonv1.Reason_NOT_FOUND, c.Whole().Reason())
	require.Equal(t, "first", c.Whole().Message())
	require.Equal(t, map[string]string{"resource": "a"}, c.Whole().Metadata())
	var fields []string
	for _, v := range c.Whole().Violations() {
		fields = append(fields, v.GetField()+" "+v.GetDescription())
	}
	require.Equal(t, []string{"names[1] is gone", "names[4] is gone too"}, fields)
}
