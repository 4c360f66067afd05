package transcode

import (
	"io"
	"reflect"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxDepth bounds the nesting of a request body.
const maxDepth = 50

// A stream is one JSON object a line.
const (
	streamType = "application/x-ndjson"
	delimiter  = "\n"
)

var strict = protojson.UnmarshalOptions{RecursionLimit: maxDepth}

// jsonMarshaler writes answers with every field (lowerCamelCase, enums by name), google.api.HttpBody as it is.
type jsonMarshaler struct{ runtime.HTTPBodyMarshaler }

func newMarshaler() *jsonMarshaler {
	return &jsonMarshaler{runtime.HTTPBodyMarshaler{Marshaler: &runtime.JSONPb{
		MarshalOptions:   protojson.MarshalOptions{EmitDefaultValues: true},
		UnmarshalOptions: strict,
	}}}
}

// StreamContentType implements runtime.StreamContentType.
func (*jsonMarshaler) StreamContentType(v any) string {
	if body, ok := v.(*httpbody.HttpBody); ok {
		return body.GetContentType()
	}
	return streamType
}

// Delimiter implements runtime.Delimited.
func (*jsonMarshaler) Delimiter() []byte { return []byte(delimiter) }

// NewDecoder implements runtime.Marshaler. A body that was read already is handed over rather than parsed again.
func (m *jsonMarshaler) NewDecoder(r io.Reader) runtime.Decoder {
	if body, ok := r.(*parsedBody); ok && body.message != nil {
		return runtime.DecoderFunc(func(v any) error { return body.handOver(v) })
	}
	return m.HTTPBodyMarshaler.NewDecoder(r)
}

// parsedBody is a request body together with the message that it holds, nil for an empty body.
type parsedBody struct {
	io.Reader
	message proto.Message
}

// Close implements io.Closer.
func (*parsedBody) Close() error { return nil }

// handOver makes v the message: v is the request itself or points to its field for the body.
func (b *parsedBody) handOver(v any) error {
	if target, ok := v.(proto.Message); ok {
		into := target.ProtoReflect()
		b.message.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
			into.Set(field, value)
			return true
		})
		return nil
	}
	reflect.ValueOf(v).Elem().Set(reflect.ValueOf(b.message))
	return nil
}
