// Package transcode turns JSON over HTTP into gRPC and back, for every method that has a google.api.http option.
//
// grpc-gateway does the work. What it passes over is checked before, per route and from the descriptors: bodies are read
// strictly, query parameters must exist, update masks are completed, and of a caller's headers only Authorization travels on.
// Every refusal has the shape of package httperr.
package transcode

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/switchboard-phone/switchboard/gateway/internal/httperr"
)

// Limits bounds requests and calls.
type Limits struct {
	// Body is how many bytes a request body may have.
	Body int64
	// LargeBody is the same for the methods in LargeBodies.
	LargeBody int64
	// LargeBodies are full method names such as "switchboard.license.v1.ImportService.ImportPhoneUsers".
	LargeBodies []string
	// LargeBodyTime is how long receiving a large body may take; other bodies are bounded by the HTTP server.
	LargeBodyTime time.Duration
	// Call is how long a call may take from the moment that its request was read. A caller that leaves ends it earlier.
	Call time.Duration
	// Stream is how long a stream may last.
	Stream time.Duration
	// Write is how long an answer may take from the moment that its request was received; in a stream, how long a caller may
	// take to receive a message.
	Write time.Duration
}

func (l Limits) large(method protoreflect.MethodDescriptor) bool {
	return slices.Contains(l.LargeBodies, string(method.FullName()))
}

func (l Limits) of(method protoreflect.MethodDescriptor) int64 {
	if l.large(method) {
		return l.LargeBody
	}
	return l.Body
}

// Register connects the generated handlers of one service with a connection.
type Register func(ctx context.Context, mux *runtime.ServeMux, conn *grpc.ClientConn) error

// Backend is a connection and the services that are called over it.
type Backend struct {
	Conn     *grpc.ClientConn
	Services []Register
}

// Handler serves the routes.
type Handler struct {
	mux         *runtime.ServeMux
	routes      map[string]*route
	httpMethods []string
	limits      Limits
	observe     func(ctx context.Context, route string)
	admit       func(r *http.Request, method string, public bool) error
	drain       context.Context
}

// New returns a handler for all routes of the backends. Streams end when drain is done. observe, which may be nil, is told the
// template of the route that a request has found. admit decides whether a call goes on, before anything of its body is read; it is
// told the full name of the method ("/package.Service/Method") and whether it is public.
func New(drain context.Context, backends []Backend, limits Limits, observe func(ctx context.Context, route string),
	admit func(r *http.Request, method string, public bool) error,
) (*Handler, error) {
	routes, err := loadRoutes(limits)
	if err != nil {
		return nil, fmt.Errorf("routes: %w", err)
	}
	methods := map[string]bool{}
	for _, r := range routes {
		methods[r.httpMethod] = true
	}
	h := &Handler{routes: routes, httpMethods: slices.Sorted(maps.Keys(methods)), limits: limits, observe: observe, admit: admit, drain: drain}
	h.mux = runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, newMarshaler()),
		runtime.WithErrorHandler(writeError),
		runtime.WithRoutingErrorHandler(h.writeRoutingError),
		runtime.WithStreamErrorHandler(writeStreamError),
		runtime.WithIncomingHeaderMatcher(none),
		runtime.WithOutgoingHeaderMatcher(none),
		runtime.WithOutgoingTrailerMatcher(none),
		runtime.WithMiddlewares(h.check),
		// A POST is a POST, whatever its content type.
		runtime.WithDisablePathLengthFallback(),
		runtime.WithDisableHTTPMethodOverride(),
	)
	for _, backend := range backends {
		for _, register := range backend.Services {
			if err := register(drain, h.mux, backend.Conn); err != nil {
				return nil, fmt.Errorf("routes: %w", err)
			}
		}
	}
	return h, nil
}

// SafeMethods returns the full names ("/package.Service/Method") of the unary methods that are bound to GET: calling one twice
// is as good as calling it once.
func SafeMethods() ([]string, error) {
	routes, err := loadRoutes(Limits{})
	if err != nil {
		return nil, fmt.Errorf("routes: %w", err)
	}
	var methods []string
	for _, r := range routes {
		if r.httpMethod == http.MethodGet && !r.stream() {
			methods = append(methods, r.fullMethod())
		}
	}
	slices.Sort(methods)
	return methods, nil
}

// none passes no header on, in either direction.
func none(string) (string, bool) { return "", false }

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(strings.ToUpper(r.URL.RawPath), "%2F") || !utf8.ValidString(r.URL.Path) {
		// No id has a slash; unescaped, one would make a name of another shape than the route's. And names are text.
		httperr.Write(w, r, badPath())
		return
	}
	if r.Method == http.MethodHead {
		get := *r
		get.Method = http.MethodGet
		r = &get
	}
	h.mux.ServeHTTP(w, r)
}

// check stands between the mux, which has found the route, and the generated handler.
func (h *Handler) check(next runtime.HandlerFunc) runtime.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, pathParams map[string]string) {
		if p := probeOf(r.Context()); p != nil {
			p.hit = true
			return
		}
		pattern, _ := runtime.HTTPPattern(r.Context())
		route, ok := h.routes[r.Method+" "+pattern.String()]
		if !ok {
			httperr.Write(w, r, fmt.Errorf("no route for the pattern %s %s", r.Method, pattern))
			return
		}
		if h.observe != nil {
			h.observe(r.Context(), route.template)
		}
		checked, err := h.prepare(w, r, route, pathParams)
		if err != nil {
			httperr.Write(w, r, err)
			return
		}
		h.forward(next, w, checked, route, pathParams)
	}
}

// forward carries out a checked request within its time.
func (h *Handler) forward(next runtime.HandlerFunc, w http.ResponseWriter, r *http.Request, route *route, pathParams map[string]string) {
	limit := h.limits.Call
	if route.stream() {
		limit = h.limits.Stream
	}
	ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), routeKey{}, route), limit)
	defer cancel()
	r = r.WithContext(ctx)
	if route.stream() {
		defer context.AfterFunc(h.drain, cancel)()
		s := &stream{ResponseWriter: w, request: r, drain: h.drain, deadline: h.limits.Write}
		ctx, w = context.WithValue(ctx, streamKey{}, s), s
	}
	next(w, r.WithContext(ctx), pathParams)
}

// prepare checks a request and returns what the generated handler is to see of it.
func (h *Handler) prepare(w http.ResponseWriter, r *http.Request, route *route, pathParams map[string]string) (*http.Request, error) {
	if err := h.admit(r, route.fullMethod(), route.public); err != nil {
		return nil, err
	}
	authorization := r.Header.Values("Authorization")
	if h.limits.large(route.method) {
		// Not every connection has deadlines (those of tests, for one), and then there are none to move.
		connection, received := http.NewResponseController(w), time.Now().Add(h.limits.LargeBodyTime)
		_ = connection.SetReadDeadline(received)
		_ = connection.SetWriteDeadline(received.Add(h.limits.Write))
	}
	data, err := route.readBody(r)
	if err != nil {
		return nil, err
	}
	body, lifted, err := route.lift(data)
	if err != nil {
		return nil, err
	}
	message, err := route.parse(body)
	if err != nil {
		return nil, err
	}
	values, err := route.query(r, lifted, body, message)
	if err != nil {
		return nil, err
	}
	if err := route.checkPath(message, pathParams); err != nil {
		return nil, err
	}
	return isolate(r, authorization, values, body, message), nil
}

func (r *route) query(req *http.Request, lifted url.Values, body []byte, message proto.Message) (url.Values, error) {
	values, err := parseQuery(req.URL.RawQuery, lifted)
	if err != nil {
		return nil, err
	}
	if err := r.checkQuery(values); err != nil {
		return nil, err
	}
	return values, r.completeMask(values, body, message)
}
