package transcode

import (
	"context"
	"errors"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/switchboard-phone/switchboard/gateway/internal/httperr"
)

type routeKey struct{}

// routeOf returns the route that a request has found; nil before that.
func routeOf(ctx context.Context) *route {
	r, _ := ctx.Value(routeKey{}).(*route)
	return r
}

// inJSON makes an error of a call name fields as its caller wrote them: services spell them as in the proto files.
func (r *route) inJSON(ctx context.Context, err error) error {
	if r == nil {
		return err
	}
	var override *runtime.HTTPStatusError
	if errors.As(err, &override) {
		return httperr.WithHTTPStatus(override.HTTPStatus, r.inJSON(ctx, override.Err))
	}
	st := httperr.Status(ctx, err).Proto()
	for i, detail := range st.GetDetails() {
		bad := &errdetails.BadRequest{}
		if !detail.MessageIs(bad) || detail.UnmarshalTo(bad) != nil {
			continue
		}
		for _, v := range bad.GetFieldViolations() {
			field := r.jsonPath(v.GetField())
			// A refusal of one field begins with its name.
			if rest, ok := strings.CutPrefix(st.GetMessage(), v.GetField()+": "); ok && v.GetField() != "" {
				st.Message = field + ": " + rest
			}
			v.Field = field
		}
		if translated, err := anypb.New(bad); err == nil {
			st.Details[i] = translated
		}
	}
	return status.FromProto(st).Err()
}

// jsonPath spells the path of a field as in JSON: `users[3].given_name` as `users[3].givenName`. Services name fields of the request,
// or of the resource that it carries; where the body is the resource alone, so does the answer. What is no field stays as it is.
func (r *route) jsonPath(path string) string {
	first, rest, nested := strings.Cut(path, ".")
	if r.bodyField != nil && nested && first == string(r.bodyField.Name()) {
		return jsonPath(r.body.Descriptor(), rest)
	}
	name, _ := cutIndex(first)
	if r.bodyField != nil && fieldByName(r.input.Descriptor(), name) == nil {
		return jsonPath(r.body.Descriptor(), path)
	}
	return jsonPath(r.input.Descriptor(), path)
}

func jsonPath(message protoreflect.MessageDescriptor, path string) string {
	segment, rest, nested := strings.Cut(path, ".")
	name, index := cutIndex(segment)
	if strings.Contains(index, "[") && !strings.HasSuffix(index, "]") {
		return path // a map key with a dot in it
	}
	if message == nil {
		return path
	}
	field := fieldByName(message, name)
	if field == nil {
		return path
	}
	out := field.JSONName() + index
	if !nested {
		return out
	}
	within := field.Message()
	if field.IsMap() {
		within = field.MapValue().Message()
	}
	return out + "." + jsonPath(within, rest)
}

// cutIndex parts the name of a field from the index or key behind it.
func cutIndex(segment string) (name, index string) {
	if i := strings.IndexByte(segment, '['); i >= 0 {
		return segment[:i], segment[i:]
	}
	return segment, ""
}
