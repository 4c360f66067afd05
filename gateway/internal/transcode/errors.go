package transcode

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/status"

	"github.com/switchboard-phone/switchboard/gateway/internal/httperr"
	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

// maxQuoted bounds how much of a request is quoted in an error, in bytes.
const maxQuoted = 300

// quoted is what an error repeats of a request: as text, and not too much of it.
func quoted(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > maxQuoted {
		return strings.ToValidUTF8(s[:maxQuoted], "") + "…"
	}
	return s
}

func bodyInvalid(format string, args ...any) *errs.Error {
	return errs.New(commonv1.Reason_BODY_INVALID, format, args...)
}

// writeError answers an error of a call, or of the mux.
func writeError(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error) {
	var override *runtime.HTTPStatusError
	var malformed runtime.MalformedSequenceError
	if errors.As(err, &override) && errors.As(override.Err, &malformed) {
		err = badPath()
	}
	httperr.Write(w, r, routeOf(r.Context()).inJSON(r.Context(), err))
}

func badPath() error {
	return errs.New(commonv1.Reason_FIELD_INVALID, "the path of the URL is not valid").Violation("path", "is not valid")
}

// writeRoutingError answers a request that no route takes.
func (h *Handler) writeRoutingError(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, httpStatus int) {
	if probeOf(r.Context()) != nil {
		return
	}
	switch httpStatus {
	case http.StatusMethodNotAllowed:
		allow := strings.Join(h.allowed(r), ", ")
		w.Header().Set("Allow", allow)
		err := errs.New(commonv1.Reason_METHOD_NOT_ALLOWED, "this route takes %s, not %s", allow, quoted(r.Method)).With("allow", allow)
		httperr.Write(w, r, httperr.WithHTTPStatus(httpStatus, err))
	case http.StatusNotFound:
		httperr.Write(w, r, NoSuchRoute(r))
	default:
		httperr.Write(w, r, badPath())
	}
}

// NoSuchRoute is the error of a request for a path that does not exist.
func NoSuchRoute(r *http.Request) error {
	path := quoted(r.URL.Path)
	return errs.New(commonv1.Reason_NOT_FOUND, "there is no route %s; /openapi.json lists them", path).With("resource", path)
}

// probe asks whether a request would find a route, without carrying it out.
type probe struct{ hit bool }

type probeKey struct{}

func probeOf(ctx context.Context) *probe {
	p, _ := ctx.Value(probeKey{}).(*probe)
	return p
}

// allowed returns the HTTP methods that the path of r takes.
func (h *Handler) allowed(r *http.Request) []string {
	var allow []string
	for _, method := range h.httpMethods {
		p := &probe{}
		attempt := r.Clone(context.WithValue(r.Context(), probeKey{}, p))
		attempt.Method, attempt.Body = method, http.NoBody
		h.mux.ServeHTTP(nowhere{}, attempt)
		if p.hit {
			allow = append(allow, method)
		}
	}
	if slices.Contains(allow, http.MethodGet) {
		allow = append(allow, http.MethodHead)
	}
	slices.Sort(allow)
	return allow
}

// nowhere is a response that nobody reads.
type nowhere struct{}

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (nowhere) WriteHeader(int)             {}

// writeStreamError answers the error that ends a stream. Before the first message it is an answer like any other;
// after it, it is a last line {"error": …}, whose status this returns. A file that breaks off has its connection cut: whoever
// gets it must not take it for complete.
func writeStreamError(ctx context.Context, err error) *status.Status {
	s := streamOf(ctx)
	if s == nil {
		return httperr.Status(ctx, err)
	}
	if s.draining() {
		err = errs.New(commonv1.Reason_UNAVAILABLE, "the gateway is stopping; follow again").Wrap(err)
	}
	err = routeOf(s.request.Context()).inJSON(ctx, err)
	switch {
	case !s.begun:
		httperr.Write(s, s.request, err)
		s.ended = true
	case s.file:
		telemetry.Logger(ctx).WarnContext(ctx, "a file breaks off", "error", err)
		panic(http.ErrAbortHandler)
	}
	return httperr.Status(ctx, err)
}
