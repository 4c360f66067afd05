package gateway

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"buf.build/go/protovalidate"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// everyService answers every method of every service: it reads the request as the service would, refuses what the rules in the protos
// refuse, and answers with nothing in it otherwise.
func everyService(t testing.TB) string {
	t.Helper()
	return startServer(t, grpc.NewServer(grpc.MaxRecvMsgSize(128<<20), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		method, err := calledMethod(stream)
		if err != nil {
			return err
		}
		request, err := newMessage(method.Input())
		if err != nil {
			return err
		}
		if err := stream.RecvMsg(request); err != nil {
			return err
		}
		if err := protovalidate.Validate(request); err != nil {
			return errs.ToStatus(stream.Context(), err).Err()
		}
		answer, err := newMessage(method.Output())
		if err != nil {
			return err
		}
		return stream.SendMsg(answer)
	})))
}

func calledMethod(stream grpc.ServerStream) (protoreflect.MethodDescriptor, error) {
	full, _ := grpc.MethodFromServerStream(stream)
	name := strings.ReplaceAll(strings.TrimPrefix(full, "/"), "/", ".")
	descriptor, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return nil, status.Error(codes.Unimplemented, err.Error())
	}
	return descriptor.(protoreflect.MethodDescriptor), nil
}

func newMessage(of protoreflect.MessageDescriptor) (proto.Message, error) {
	kind, err := protoregistry.GlobalTypes.FindMessageByName(of.FullName())
	if err != nil {
		return nil, err
	}
	return kind.New().Interface(), nil
}

// internals are texts that only the inside of the suite knows.
var internals = []string{"rpc error", "proto:", "grpc", "runtime error", "goroutine", "sqlstate", "pgx", "protobuf", ".go:", "panic", "unmarshal", "strconv", "127.0.0.1"}

// FuzzRequest shows that no request makes the gateway panic or answer 5xx, and that every refusal has the one shape, a documented
// reason, and no words of the inside that the caller has not said first.
func FuzzRequest(f *testing.F) {
	cfg := loopback(everyService(f))
	g, err := New(cfg, Options{Logger: slog.New(slog.DiscardHandler), Verifier: anybody{}})
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, g.Close()) })
	const a, u = "/v1/accounts/a", "/v1/accounts/a/phoneUsers/p"
	for _, seed := range []struct{ method, target, body string }{
		{"GET", "/", ""},
		{"GET", "/v1/", ""},
		{"GET", a, ""},
		{"POST", "/v1/accounts", `{"displayName":"A","licenseSeats":5,"policy":{"softDelete":true}}`},
		{"PATCH", a + "?updateMask=displayName,policy.softDelete", `{"displayName":"A","etag":"1"}`},
		{"PATCH", a, `{"displayName":"A","updateMask":"*","policy":{"extensionQuarantine":"1.5s"}}`},
		{"PATCH", u, `{"extensionNumber":"0042","settings":{"ringSeconds":-1e9},"requestId":"r"}`},
		{"PATCH", u + "?updateMask=settings.ringSeconds", `{"settings":null}`},
		{"GET", a + "/phoneUsers?pageSize=-1&filter=%00&orderBy=x&showDeleted=maybe&query=%F0%9F%98%80", ""},
		{"GET", a + "/phoneUsers?pageSize=99999999999999999999&pageToken=..%2f", ""},
		{"GET", a + "/phoneUsers:export", ""},
		{"GET", a + "/log:export?filter=kind%20%3D%20ASSIGNED", ""},
		{"GET", a + "/log?filter=%ff", ""},
		{"GET", "/v1/operations/o:watch", ""},
		{"GET", "/v1/operations/o/rows?outcome=FAILED&outcome=x", ""},
		{"POST", "/v1/operations/o:cancel", `null`},
		{"POST", a + "/phoneUsers:import", `{"csv":"ZW1haWwKYUBiLmMK","mode":"UPSERT","validateOnly":true}`},
		{"POST", a + "/phoneUsers:import", `{"csv":"***","mode":7}`},
		{"POST", a + "/phoneUsers:batchAssign", `{"assignees":["accounts/a/users/u","\u0000","\ud800"],"requestId":{}}`},
		{"POST", a + "/phoneUsers:batchAssign", `{"assignees":[null]}`},
		{"POST", a + "/phoneUsers:batchAssign", strings.Repeat(`{"assignees":`, 100)},
		{"POST", a + "/users:batchCreate", `{"users":[{"email":"x","givenName":"\u202e","features":["PHONE",1]}]}`},
		{"POST", a + "/users", `{"email":"x","email":"y"}`},
		{"POST", a + "/users/u:confirm", `{"token":"a.b.c"}`},
		{"POST", u + ":assignPhoneNumbers", `{"phoneNumbers":["+1"]}`},
		{"POST", u + ":resendInvite", ``},
		{"POST", a + "/phoneNumbers:batchCreate", `{"phoneNumbers":[{"number":"+442079460123"}]}`},
		{"POST", a + "/extensions:check", `{"numbers":["1","1"]}`},
		{"POST", a + "/sites/s/extensionRanges", `{"from":"1000","to":"1999"}`},
		{"GET", "/v1/accounts/a%2Fb", ""},
		{"GET", "/v1/accounts/%00%ff", ""},
		{"GET", "/v1/accounts/a/../b//c", ""},
		{"GET", "/v1/accounts/a:b:c", ""},
		{"POST", "/v1%80000000", "0"},
		{"BREW", a, "{}"},
		{"OPTIONS", "*", ""},
	} {
		f.Add(seed.method, seed.target, []byte(seed.body))
	}
	f.Fuzz(func(t *testing.T, method, target string, body []byte) {
		location, err := url.ParseRequestURI(target)
		if err != nil {
			return // no HTTP server hands over such a request
		}
		request, err := http.NewRequestWithContext(t.Context(), method, "http://gateway", bytes.NewReader(body))
		if err != nil {
			return
		}
		request.URL, request.RequestURI = location, target
		request.Header.Set("Authorization", "Bearer token")
		answer := httptest.NewRecorder()
		serveOne(g.front.Handler, answer, request)
		checkAnswer(t, answer, strings.ToLower(target+string(body)))
	})
}

// serveOne is an HTTP server for one request: a file that breaks off is cut by a panic of this kind.
func serveOne(handler http.Handler, w http.ResponseWriter, r *http.Request) {
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint,err113 // net/http compares so too
			panic(p)
		}
	}()
	handler.ServeHTTP(w, r)
}

func checkAnswer(t *testing.T, answer *httptest.ResponseRecorder, said string) {
	t.Helper()
	text := answer.Body.String()
	require.Less(t, answer.Code, 500, text)
	if answer.Code < 400 {
		return
	}
	if text == "" {
		require.Contains(t, []string{"", "0"}, answer.Header().Get("Content-Length"))
	}
	r := refusal{}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	require.NoError(t, dec.Decode(&r), text)
	require.NotEmpty(t, r.Message)
	require.NotZero(t, r.Code)
	require.Contains(t, commonv1.Reason_value, r.reason(t))
	for _, word := range internals {
		if !strings.Contains(said, word) {
			require.NotContains(t, strings.ToLower(text), word)
		}
	}
}
