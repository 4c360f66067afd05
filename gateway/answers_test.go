package gateway

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

func TestAnswers_EveryFieldIsThere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.fake.account = &licensev1.Account{Name: "accounts/a", CreateTime: stamp(t, "2026-01-02T03:04:05Z")}

	got := b.do(t, "GET", "/v1/accounts/a", "")
	require.Equal(t, 200, got.code)
	require.Equal(t, "application/json", got.header.Get("Content-Type"))
	require.Equal(t, "no-store", got.header.Get("Cache-Control"))
	require.Equal(t, "nosniff", got.header.Get("X-Content-Type-Options"))
	require.JSONEq(t, `{"name":"accounts/a","displayName":"","licenseSeats":0,"licensesAssigned":0,
		"createTime":"2026-01-02T03:04:05Z","etag":""}`, got.body)

	got = b.do(t, "PATCH", "/v1/accounts/a/phoneUsers/p", `{}`)
	require.Contains(t, strings.ReplaceAll(got.body, " ", ""), `"kind":"ROOM"`)
	require.Contains(t, strings.ReplaceAll(got.body, " ", ""), `"extensionNumber":"0042"`)
	require.Contains(t, strings.ReplaceAll(got.body, " ", ""), `"phoneNumbers":[]`)

	head := b.do(t, "HEAD", "/v1/accounts/a", "")
	require.Equal(t, 200, head.code)
	require.Empty(t, head.body)
}

// What callers see when a service refuses.
func TestAnswers_Refusals(t *testing.T) {
	t.Parallel()
	foreign, err := anypb.New(&licensev1.Account{Name: "accounts/a"})
	require.NoError(t, err)
	unknown := status.New(codes.Aborted, "later").Proto()
	unknown.Details = append(unknown.Details, &anypb.Any{TypeUrl: "type.googleapis.com/no.such.Type", Value: []byte{8, 1}}, foreign)
	tests := map[string]struct {
		err        error
		code       int
		grpcCode   codes.Code
		reason     string
		retryAfter string
		body       string // part of the answer
	}{
		"with metadata and fields": {
			errs.New(commonv1.Reason_DUPLICATE_IN_BATCH, "twice").With("k", "v").Violation("assignees[17]", "is there before").GRPCStatus().Err(),
			400, codes.InvalidArgument, "DUPLICATE_IN_BATCH", "", "assignees[17]"},
		"of the caller": {errs.New(commonv1.Reason_PERMISSION_DENIED, "no").GRPCStatus().Err(), 403, codes.PermissionDenied, "PERMISSION_DENIED", "", ""},
		"of the token":  {errs.New(commonv1.Reason_UNAUTHENTICATED, "who").GRPCStatus().Err(), 401, codes.Unauthenticated, "UNAUTHENTICATED", "", ""},
		"that exists":   {errs.New(commonv1.Reason_EXTENSION_IN_USE, "taken").GRPCStatus().Err(), 409, codes.AlreadyExists, "EXTENSION_IN_USE", "", ""},
		"that is not":   {errs.New(commonv1.Reason_NOT_FOUND, "gone").GRPCStatus().Err(), 404, codes.NotFound, "NOT_FOUND", "", ""},
		"with a delay":  {errs.New(commonv1.Reason_RATE_LIMITED, "slow").RetryAfter(1200 * time.Millisecond).GRPCStatus().Err(), 429, codes.ResourceExhausted, "RATE_LIMITED", "2", ""},
		"of our making": {errs.New(commonv1.Reason_INTERNAL, "internal error").GRPCStatus().Err(), 500, codes.Internal, "INTERNAL", "", ""},
		"without a reason": {
			status.Error(codes.Internal, "dial tcp 10.0.0.7:26257: refused"), 500, codes.Internal, "INTERNAL", "", "internal error"},
		"that is no status": {errors.New("pq: password is 1234"), 500, codes.Internal, "INTERNAL", "", "internal error"},
		"that passes":       {status.Error(codes.Unavailable, "node 7 is away"), 503, codes.Unavailable, "UNAVAILABLE", "1", "repeat the call"},
		"with details of unknown types": {
			withReason(t, status.FromProto(unknown)), 409, codes.Aborted, "ETAG_MISMATCH", "", "accounts/a"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.fake.err = tt.err
			got := b.do(t, "POST", "/v1/accounts/a/phoneUsers:batchAssign", `{}`)
			require.Equal(t, tt.code, got.code, got.body)
			r := got.refused(t)
			require.Equal(t, int(tt.grpcCode), r.Code)
			require.Equal(t, tt.reason, r.reason(t))
			require.Equal(t, tt.retryAfter, got.header.Get("Retry-After"))
			require.Contains(t, got.body, tt.body)
			for _, secret := range []string{"10.0.0.7", "1234", "node 7", "no.such.Type"} {
				require.NotContains(t, got.body, secret)
			}
			require.Equal(t, tt.code == 401, got.header.Get("WWW-Authenticate") == "Bearer")
		})
	}
}

func withReason(t *testing.T, st *status.Status) error {
	t.Helper()
	full := st.Proto()
	info, err := anypb.New(&errdetails.ErrorInfo{Reason: "ETAG_MISMATCH", Domain: errs.Domain})
	require.NoError(t, err)
	full.Details = append(full.Details, info)
	return status.FromProto(full).Err()
}

// Services name fields as in the proto files, and callers of JSON get the names that they wrote.
func TestAnswers_FieldsAsInJSON(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.fake.err = errs.New(commonv1.Reason_FIELD_INVALID, "phone_user.extension_number: has letters").With("k", "v").
		Violation("phone_user.extension_number", "has letters").Violation("update_mask", "names no field").RetryAfter(time.Second).GRPCStatus().Err()
	got := b.do(t, "PATCH", "/v1/accounts/a/phoneUsers/p", `{"extensionNumber":"x"}`)
	require.Equal(t, 400, got.code)
	r := got.refused(t)
	require.Equal(t, "FIELD_INVALID", r.reason(t))
	require.Equal(t, []string{"extensionNumber", "updateMask"}, r.fields(t))
	require.Equal(t, "extensionNumber: has letters", r.Message)
	require.Equal(t, "1", got.header.Get("Retry-After"))
	require.Equal(t, map[string]any{"k": "v"}, r.detail(t, "ErrorInfo")["metadata"])
	require.Len(t, r.Details, 3)

	b.fake.watch = func(licensev1.ImportService_WatchOperationServer) error {
		return errs.New(commonv1.Reason_FIELD_INVALID, "no").Violation("name", "is none").GRPCStatus().Err()
	}
	got = b.do(t, "GET", "/v1/operations/o:watch", "")
	require.Equal(t, []string{"name"}, got.refused(t).fields(t))
}

func TestAnswers_ServiceAway(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	away := listener.Addr().String()
	require.NoError(t, listener.Close())
	b := serve(t, loopback(away))

	got := b.do(t, "POST", "/v1/accounts/a/phoneUsers:batchAssign", `{}`)
	require.Equal(t, 503, got.code)
	require.Equal(t, "UNAVAILABLE", got.refused(t).reason(t))
	require.NotContains(t, got.body, away)
	require.NotEmpty(t, got.header.Get("Retry-After"))
	// The gateway itself is well.
	require.Equal(t, 200, b.do(t, "GET", "/healthz", "").code)
}

func TestAnswers_ServiceSlow(t *testing.T) {
	t.Parallel()
	fake, target := startFake(t)
	fake.block = make(chan struct{})
	cfg := loopback(target)
	// Of this the call leaves a twentieth to the gateway, which has to be enough on a busy machine.
	cfg.HTTP.CallTimeout = 4 * time.Second
	got := serve(t, cfg).do(t, "GET", "/v1/accounts/a", "")
	require.Equal(t, 503, got.code, "the caller has time left, and may repeat the call")
	require.Equal(t, "UNAVAILABLE", got.refused(t).reason(t))
	require.Contains(t, got.body, "same request id")
	require.NotEmpty(t, got.header.Get("Retry-After"))
}

func TestAnswers_RequestID(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		sent string
		kept bool
	}{
		"kept":               {"my-request/1~", true},
		"of greatest length": {strings.Repeat("x", 128), true},
		"missing":            {"", false},
		"too long":           {strings.Repeat("x", 129), false},
		"with a space":       {"a b", false},
		"not ASCII":          {"ä", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			for _, path := range []string{"/v1/accounts/a", "/nowhere", "/openapi.json"} {
				got := b.do(t, "GET", path, "", "X-Request-Id: "+tt.sent)
				id := got.header.Values("X-Request-Id")
				require.Len(t, id, 1)
				if tt.kept {
					require.Equal(t, tt.sent, id[0])
				} else {
					fresh, err := uuid.Parse(id[0])
					require.NoError(t, err)
					require.EqualValues(t, 7, fresh.Version())
				}
				if path == "/v1/accounts/a" {
					require.Equal(t, id, b.fake.md.Get("x-request-id"))
				}
			}
		})
	}
}

// Of a caller's headers only the token and the request id reach a service, and nothing comes back but what the gateway says itself.
func TestAnswers_HeadersStayOutside(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.fake.header = metadata.Pairs("x-secret", "1", "grpc-metadata-x-secret", "1")
	got := b.do(t, "GET", "/v1/accounts/a", "", "Grpc-Metadata-X-Service: license", "X-Forwarded-For: 10.1.1.1", "X-Forwarded-Host: evil",
		"Cookie: a=b", "Grpc-Timeout: 1n", "Grpc-Metadata-Authorization: Bearer other", "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"User-Agent: probe", "TE: trailers", "Accept: text/html", "X-Request-Id: r1")
	require.Equal(t, 200, got.code, got.body)

	allowed := map[string]bool{":authority": true, "content-type": true, "user-agent": true, "grpc-accept-encoding": true,
		"authorization": true, "x-request-id": true}
	for key, values := range b.fake.md {
		require.True(t, allowed[key], "%s: %v reached the service", key, values)
		require.NotContains(t, values, "probe")
	}
	require.Equal(t, []string{"Bearer token-1"}, b.fake.md.Get("authorization"))
	require.Greater(t, b.fake.timeout, time.Second)
	for key := range got.header {
		require.NotContains(t, strings.ToLower(key), "secret")
	}
}

func TestAnswers_BodyLimits(t *testing.T) {
	t.Parallel()
	_, target := startFake(t)
	cfg := loopback(target)
	cfg.HTTP.MaxBodyBytes, cfg.HTTP.MaxImportBodyBytes = 1000, 2_000_000
	b := serve(t, cfg)
	padded := func(size int) string { return `{"displayName":"A"` + strings.Repeat(" ", size-19) + `}` }
	csv := func(size int) string { return `{"csv":"` + strings.Repeat("QUJD", (size-10)/4) + `"}` }
	const importPath = "/v1/accounts/a/phoneUsers:import"
	tests := map[string]struct {
		path, body string
		code       int
	}{
		"of greatest size":            {"/v1/accounts", padded(1000), 200},
		"one byte more":               {"/v1/accounts", padded(1001), 413},
		"import: of greatest size":    {importPath, csv(2_000_000), 200},
		"import: more":                {importPath, csv(2_000_010), 413},
		"import: larger than a batch": {importPath, csv(100_000), 200},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, header := range []string{"X-Length: known", "Transfer-Encoding: chunked"} {
				got := b.do(t, http.MethodPost, tt.path, tt.body, header)
				require.Equal(t, tt.code, got.code, got.body)
				if tt.code == 413 {
					r := got.refused(t)
					require.Equal(t, "BODY_INVALID", r.reason(t))
					require.Contains(t, r.Message, strconv.Itoa(len(tt.body)/1000*1000))
				}
			}
		})
	}
}

// A large body arrives whole.
func TestAnswers_Import(t *testing.T) {
	t.Parallel()
	b := setup(t)
	csv := bytes.Repeat([]byte("email,site\n"), 1_000_000)
	got := b.do(t, http.MethodPost, "/v1/accounts/a/phoneUsers:import", `{"csv":"`+base64.StdEncoding.EncodeToString(csv)+`","mode":"ASSIGN_ONLY"}`)
	require.Equal(t, 200, got.code, got.body)
	seen, ok := b.fake.seen().(*licensev1.ImportPhoneUsersRequest)
	require.True(t, ok)
	require.Equal(t, "accounts/a", seen.GetParent())
	require.Equal(t, licensev1.ImportPhoneUsersRequest_ASSIGN_ONLY, seen.GetMode())
	require.True(t, bytes.Equal(csv, seen.GetCsv()), "the file is not what was sent")
}
