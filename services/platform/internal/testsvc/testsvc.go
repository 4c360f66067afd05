// Package testsvc is a small gRPC service for the tests of authn and server: its methods carry every kind of access option. It
// is made at run time, since only products belong into the published proto files.
package testsvc

import (
	"context"
	"fmt"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
)

// Service is the name of the service whose methods are all guarded; Unguarded has one that is not.
const (
	Service   = "switchboard.testsvc.v1.Things"
	Unguarded = "switchboard.testsvc.v1.Unguarded"
)

// Full returns the full name of a method of Service.
func Full(method string) string { return "/" + Service + "/" + method }

// methods of Service by name. All take and return a Request.
var methods = map[string]*commonv1.Access{
	"Get":      {Operator: true, Roles: []commonv1.Role{commonv1.Role_OWNER, commonv1.Role_ADMIN}, AccountField: []string{"name"}},
	"Update":   {Roles: []commonv1.Role{commonv1.Role_ADMIN}, AccountField: []string{"thing.name"}},
	"Batch":    {Roles: []commonv1.Role{commonv1.Role_ADMIN}, AccountField: []string{"parent", "names", "things.name"}},
	"Watch":    {Roles: []commonv1.Role{commonv1.Role_MEMBER}, AccountField: []string{"name"}},
	"Own":      {Roles: []commonv1.Role{commonv1.Role_ADMIN}},
	"Internal": {Services: []string{"license"}},
	"Operate":  {Operator: true},
	"Public":   {Public: true},
}

// streaming is the method that answers with a stream.
const streaming = "Watch"

var file = build()

func build() protoreflect.FileDescriptor {
	str, msg := descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE
	one, many := descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL, descriptorpb.FieldDescriptorProto_LABEL_REPEATED
	field := func(n int32, name string, t descriptorpb.FieldDescriptorProto_Type, l descriptorpb.FieldDescriptorProto_Label) *descriptorpb.FieldDescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{Name: proto.String(name), Number: proto.Int32(n), Type: &t, Label: &l, JsonName: proto.String(name)}
		if t == msg {
			f.TypeName = proto.String(".switchboard.testsvc.v1.Thing")
		}
		return f
	}
	name := field(1, "name", str, one)
	name.Options = &descriptorpb.FieldOptions{}
	proto.SetExtension(name.Options, validate.E_Field, &validate.FieldRules{
		Type: &validate.FieldRules_String_{String_: &validate.StringRules{MaxLen: proto.Uint64(100)}},
	})
	thing := &descriptorpb.DescriptorProto{Name: proto.String("Thing"), Field: []*descriptorpb.FieldDescriptorProto{field(1, "name", str, one)}}
	request := &descriptorpb.DescriptorProto{Name: proto.String("Request"), Field: []*descriptorpb.FieldDescriptorProto{
		name, field(2, "parent", str, one), field(3, "names", str, many), field(4, "thing", msg, one), field(5, "things", msg, many),
	}}
	method := func(name string, access *commonv1.Access) *descriptorpb.MethodDescriptorProto {
		m := &descriptorpb.MethodDescriptorProto{
			Name: proto.String(name), InputType: proto.String(".switchboard.testsvc.v1.Request"), OutputType: proto.String(".switchboard.testsvc.v1.Request"),
			ServerStreaming: proto.Bool(name == streaming), Options: &descriptorpb.MethodOptions{},
		}
		if access != nil {
			proto.SetExtension(m.Options, commonv1.E_Access, access)
		}
		return m
	}
	things := &descriptorpb.ServiceDescriptorProto{Name: proto.String("Things")}
	for name, access := range methods {
		things.Method = append(things.Method, method(name, access))
	}
	unguarded := &descriptorpb.ServiceDescriptorProto{Name: proto.String("Unguarded"), Method: []*descriptorpb.MethodDescriptorProto{method("Get", nil)}}
	fd, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("switchboard/testsvc/v1/testsvc.proto"), Package: proto.String("switchboard.testsvc.v1"), Syntax: proto.String("proto3"),
		Dependency:  []string{validate.File_buf_validate_validate_proto.Path(), commonv1.File_switchboard_common_v1_access_proto.Path()},
		MessageType: []*descriptorpb.DescriptorProto{thing, request},
		Service:     []*descriptorpb.ServiceDescriptorProto{things, unguarded},
	}, protoregistry.GlobalFiles)
	if err == nil {
		err = protoregistry.GlobalFiles.RegisterFile(fd)
	}
	if err != nil {
		panic(fmt.Sprintf("testsvc: %v", err))
	}
	return fd
}

// Set fills a field of a request; the zero Set leaves it empty.
type Set func(*dynamicpb.Message)

// New returns a request.
func New(sets ...Set) *dynamicpb.Message {
	m := dynamicpb.NewMessage(file.Messages().ByName("Request"))
	for _, set := range sets {
		set(m)
	}
	return m
}

func fieldOf(m protoreflect.Message, name string) protoreflect.FieldDescriptor {
	return m.Descriptor().Fields().ByName(protoreflect.Name(name))
}

// Name sets "name".
func Name(v string) Set { return text("name", v) }

// Parent sets "parent".
func Parent(v string) Set { return text("parent", v) }

func text(field, v string) Set {
	return func(m *dynamicpb.Message) { m.Set(fieldOf(m, field), protoreflect.ValueOfString(v)) }
}

// Names adds to "names".
func Names(values ...string) Set {
	return func(m *dynamicpb.Message) {
		for _, v := range values {
			m.Mutable(fieldOf(m, "names")).List().Append(protoreflect.ValueOfString(v))
		}
	}
}

// Thing sets "thing.name".
func Thing(name string) Set {
	return func(m *dynamicpb.Message) {
		thing := m.Mutable(fieldOf(m, "thing")).Message()
		thing.Set(fieldOf(thing, "name"), protoreflect.ValueOfString(name))
	}
}

// Things adds to "things", by name.
func Things(names ...string) Set {
	return func(m *dynamicpb.Message) {
		for _, name := range names {
			thing := m.Mutable(fieldOf(m, "things")).List().AppendMutable().Message()
			thing.Set(fieldOf(thing, "name"), protoreflect.ValueOfString(name))
		}
	}
}

// NameOf reads "name".
func NameOf(m *dynamicpb.Message) string { return m.Get(fieldOf(m, "name")).String() }

// Handler answers a call of a method. For the streaming one its answer is sent once.
type Handler func(ctx context.Context, method string, req *dynamicpb.Message) (*dynamicpb.Message, error)

// Register registers the methods of service, which is Service or Unguarded, with handler behind them all.
func Register(r grpc.ServiceRegistrar, service string, handler Handler) {
	desc := &grpc.ServiceDesc{ServiceName: service, Metadata: file.Path()}
	list := file.Services().ByName(protoreflect.FullName(service).Name()).Methods()
	for i := range list.Len() {
		name := string(list.Get(i).Name())
		if name == streaming {
			desc.Streams = append(desc.Streams, grpc.StreamDesc{StreamName: name, ServerStreams: true, Handler: streamHandler(name, handler)})
			continue
		}
		desc.Methods = append(desc.Methods, grpc.MethodDesc{MethodName: name, Handler: unaryHandler(service, name, handler)})
	}
	r.RegisterService(desc, nil)
}

func unaryHandler(service, name string, handler Handler) grpc.MethodHandler {
	return func(srv any, ctx context.Context, dec func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
		req := New()
		if err := dec(req); err != nil {
			return nil, err
		}
		call := func(ctx context.Context, _ any) (any, error) { return handler(ctx, name, req) }
		if interceptor == nil {
			return call(ctx, req)
		}
		return interceptor(ctx, req, &grpc.UnaryServerInfo{Server: srv, FullMethod: "/" + service + "/" + name}, call)
	}
}

func streamHandler(name string, handler Handler) grpc.StreamHandler {
	return func(_ any, stream grpc.ServerStream) error {
		req := New()
		if err := stream.RecvMsg(req); err != nil {
			return err
		}
		resp, err := handler(stream.Context(), name, req)
		if err != nil {
			return err
		}
		return stream.SendMsg(resp)
	}
}

// Call calls a unary method of Service.
func Call(ctx context.Context, conn grpc.ClientConnInterface, method string, req *dynamicpb.Message, opts ...grpc.CallOption) (*dynamicpb.Message, error) {
	resp := New()
	err := conn.Invoke(ctx, Full(method), req, resp, opts...)
	return resp, err
}

// Watch calls the streaming method and returns its first answer.
func Watch(ctx context.Context, conn grpc.ClientConnInterface, req *dynamicpb.Message) (*dynamicpb.Message, error) {
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{StreamName: streaming, ServerStreams: true}, Full(streaming))
	if err != nil {
		return nil, err
	}
	if err := stream.SendMsg(req); err != nil {
		return nil, err
	}
	if err := stream.CloseSend(); err != nil {
		return nil, err
	}
	resp := New()
	return resp, stream.RecvMsg(resp)
}
