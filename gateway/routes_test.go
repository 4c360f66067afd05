package gateway

import (
	"encoding/json"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// binding is one HTTP route as the proto files have it.
type binding struct{ method, template, rpc, service string }

// bindings reads the routes of all services.
func bindings(t *testing.T) []binding {
	t.Helper()
	var out []binding
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		parts := strings.Split(string(file.Package()), ".")
		if parts[0] != "switchboard" {
			return true
		}
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				rpc := service.Methods().Get(j)
				rule, _ := proto.GetExtension(rpc.Options(), annotations.E_Http).(*annotations.HttpRule)
				for method, template := range map[string]string{
					"GET": rule.GetGet(), "POST": rule.GetPost(), "PATCH": rule.GetPatch(), "DELETE": rule.GetDelete(), "PUT": rule.GetPut(),
				} {
					if template != "" {
						out = append(out, binding{method, template, "/" + string(service.FullName()) + "/" + string(rpc.Name()), parts[1]})
					}
				}
			}
		}
		return true
	})
	require.Greater(t, len(out), 40)
	return out
}

var variable = regexp.MustCompile(`\{[^=}]+=([^}]+)\}`)

// path fills the variables of a template with ids.
func (b binding) path() string {
	return strings.ReplaceAll(variable.ReplaceAllString(b.template, "$1"), "*", "0198c0de-0000-7000-8000-000000000001")
}

// recorder is a service that refuses every call and remembers which it was.
type recorder struct {
	mu  sync.Mutex
	rpc string
}

func (r *recorder) start(t *testing.T) string {
	t.Helper()
	return startServer(t, grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.rpc, _ = grpc.MethodFromServerStream(stream)
		return errs.New(commonv1.Reason_PERMISSION_DENIED, "recorded").GRPCStatus().Err()
	})))
}

// take returns the last call and forgets it.
func (r *recorder) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	rpc := r.rpc
	r.rpc = ""
	return rpc
}

// Every binding in the proto files is served, and by the service that owns it.
func TestRoutes_ReachTheirService(t *testing.T) {
	t.Parallel()
	services := map[string]*recorder{"license": {}, "extension": {}, "numbering": {}, "notification": {}}
	cfg := loopback("unused")
	cfg.License.Target = services["license"].start(t)
	cfg.Extension.Target = services["extension"].start(t)
	cfg.Numbering.Target = services["numbering"].start(t)
	cfg.Notification.Target = services["notification"].start(t)
	b := serve(t, cfg)
	for _, route := range bindings(t) {
		got := b.do(t, route.method, route.path(), "")
		require.Equal(t, 403, got.code, "%s %s: %s", route.method, route.path(), got.body)
		require.Equal(t, "PERMISSION_DENIED", got.refused(t).reason(t))
		require.Equal(t, route.rpc, services[route.service].take(), "%s %s", route.method, route.path())
		for name, other := range services {
			require.Empty(t, other.take(), "%s got a call of %s", name, route.service)
		}
	}
}

// The served OpenAPI document has every route, with the error that all of them share.
func TestRoutes_OpenAPI(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := b.do(t, "GET", "/openapi.json", "", "Authorization:")
	require.Equal(t, 200, got.code)
	require.Equal(t, "application/json", got.header.Get("Content-Type"))
	var document struct {
		Swagger string
		Info    struct{ Title string }
		Paths   map[string]map[string]struct {
			Responses map[string]struct {
				Schema struct {
					Ref string `json:"$ref"`
				}
			}
			Parameters []struct{ Name, In string }
		}
		SecurityDefinitions map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(got.body), &document))
	require.Equal(t, "Switchboard", document.Info.Title)
	require.NotEmpty(t, document.SecurityDefinitions)

	served := map[string]bool{}
	segment := regexp.MustCompile(`\{[^}]+\}`)
	for path, operations := range document.Paths {
		for method, operation := range operations {
			served[strings.ToUpper(method)+" "+segment.ReplaceAllString(path, "*")] = true
			require.Equal(t, "#/definitions/rpc.Status", operation.Responses["default"].Schema.Ref, path)
		}
	}
	for _, route := range bindings(t) {
		plain := variable.ReplaceAllString(route.template, "$1")
		require.True(t, served[route.method+" "+plain], "%s %s is not documented", route.method, plain)
	}
	require.Contains(t, got.body, `"updateMask"`)

	again := b.do(t, "GET", "/openapi.json", "", "If-None-Match: "+got.header.Get("ETag"))
	require.Equal(t, 304, again.code)
}
