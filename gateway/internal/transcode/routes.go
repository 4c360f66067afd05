package transcode

import (
	"fmt"
	"regexp"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
)

// protoPackages is what all packages with routes begin with.
const protoPackages = "switchboard."

// route is one HTTP binding of a gRPC method, as its google.api.http option says.
type route struct {
	httpMethod string
	// template is the path as written in the proto file, such as "/v1/{name=accounts/*}:confirm".
	template string
	method   protoreflect.MethodDescriptor
	input    protoreflect.MessageType
	// body is the type that the request body holds, nil where there is none.
	body protoreflect.MessageType
	// bodyField is the field of input that the body becomes, nil where it is the whole of input.
	bodyField protoreflect.FieldDescriptor
	// pathFields are the fields of input that the path sets, as dotted proto names.
	pathFields []string
	// public routes need no token.
	public bool
	// maxBody bounds the request body in bytes.
	maxBody int64
}

func (r *route) stream() bool { return r.method.IsStreamingServer() }

// key finds a route again once the mux has matched its pattern.
func (r *route) key() string { return r.httpMethod + " " + r.template }

// fullMethod is the gRPC method as in "/switchboard.license.v1.AccountService/GetAccount".
func (r *route) fullMethod() string {
	return fmt.Sprintf("/%s/%s", r.method.Parent().FullName(), r.method.Name())
}

// loadRoutes reads the routes of all linked services from their descriptors, by key.
func loadRoutes(limits Limits) (map[string]*route, error) {
	routes := map[string]*route{}
	var failure error
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if !strings.HasPrefix(string(file.Package()), protoPackages) {
			return true
		}
		for method := range methods(file) {
			for _, rule := range rules(method) {
				r, err := newRoute(method, rule, limits)
				if err != nil {
					failure = fmt.Errorf("%s: %w", method.FullName(), err)
					return false
				}
				routes[r.key()] = r
			}
		}
		return true
	})
	return routes, failure
}

func methods(file protoreflect.FileDescriptor) func(yield func(protoreflect.MethodDescriptor) bool) {
	return func(yield func(protoreflect.MethodDescriptor) bool) {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				if !yield(service.Methods().Get(j)) {
					return
				}
			}
		}
	}
}

// rules returns the HTTP bindings of a method, none where callers reach it by gRPC only.
func rules(method protoreflect.MethodDescriptor) []*annotations.HttpRule {
	rule, ok := proto.GetExtension(method.Options(), annotations.E_Http).(*annotations.HttpRule)
	if !ok || rule == nil {
		return nil
	}
	return append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...)
}

// pathVariable matches the field of a variable in a path template: `{name=accounts/*}` or `{account.name}`.
var pathVariable = regexp.MustCompile(`\{([^=}]+)`)

func newRoute(method protoreflect.MethodDescriptor, rule *annotations.HttpRule, limits Limits) (*route, error) {
	httpMethod, template := binding(rule)
	if template == "" {
		return nil, fmt.Errorf("the HTTP rule has no path")
	}
	input, err := protoregistry.GlobalTypes.FindMessageByName(method.Input().FullName())
	if err != nil {
		return nil, fmt.Errorf("request type: %w", err)
	}
	r := &route{
		httpMethod: httpMethod, template: template, method: method, input: input, public: isPublic(method),
		maxBody: limits.of(method),
	}
	for _, match := range pathVariable.FindAllStringSubmatch(template, -1) {
		r.pathFields = append(r.pathFields, match[1])
	}
	switch rule.GetBody() {
	case "":
	case "*":
		r.body = input
	default:
		r.bodyField = input.Descriptor().Fields().ByName(protoreflect.Name(rule.GetBody()))
		if r.bodyField == nil || r.bodyField.Message() == nil || r.bodyField.IsList() {
			return nil, fmt.Errorf("the body %q is not a message field", rule.GetBody())
		}
		if r.body, err = protoregistry.GlobalTypes.FindMessageByName(r.bodyField.Message().FullName()); err != nil {
			return nil, fmt.Errorf("body type: %w", err)
		}
	}
	return r, nil
}

func binding(rule *annotations.HttpRule) (method, template string) {
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		return "GET", p.Get
	case *annotations.HttpRule_Post:
		return "POST", p.Post
	case *annotations.HttpRule_Patch:
		return "PATCH", p.Patch
	case *annotations.HttpRule_Put:
		return "PUT", p.Put
	case *annotations.HttpRule_Delete:
		return "DELETE", p.Delete
	case *annotations.HttpRule_Custom:
		return p.Custom.GetKind(), p.Custom.GetPath()
	}
	return "", ""
}

func isPublic(method protoreflect.MethodDescriptor) bool {
	access, ok := proto.GetExtension(method.Options(), commonv1.E_Access).(*commonv1.Access)
	return ok && access.GetPublic()
}

// resolve finds the field of message that a dotted path names, in proto or JSON spelling, and its path in proto names.
func resolve(message protoreflect.MessageDescriptor, path string) (protoreflect.FieldDescriptor, string, bool) {
	var field protoreflect.FieldDescriptor
	var canonical []string
	for _, name := range strings.Split(path, ".") {
		if message == nil {
			return nil, "", false
		}
		if field = fieldByName(message, name); field == nil {
			return nil, "", false
		}
		canonical = append(canonical, string(field.Name()))
		message = nil
		if !field.IsList() && !field.IsMap() {
			message = field.Message()
		}
	}
	return field, strings.Join(canonical, "."), true
}

func fieldByName(message protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if field := message.Fields().ByTextName(name); field != nil {
		return field
	}
	return message.Fields().ByJSONName(name)
}
