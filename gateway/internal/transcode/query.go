package transcode

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// unfiltered makes the parser look at every parameter.
var unfiltered = utilities.NewDoubleArray(nil)

// parseQuery reads the query string and adds what came with the body.
func parseQuery(raw string, lifted url.Values) (url.Values, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, badQuery(quoted(err.Error()))
	}
	for key, texts := range values {
		if !utf8.ValidString(key) || slices.ContainsFunc(texts, func(text string) bool { return !utf8.ValidString(text) }) {
			return nil, badQuery("is not UTF-8")
		}
	}
	for key, texts := range lifted {
		values[key] = append(values[key], texts...)
	}
	return values, nil
}

func badQuery(why string) error {
	return errs.New(commonv1.Reason_FIELD_INVALID, "the query string is not valid").Violation("query", why)
}

// checkQuery refuses parameters that the route does not take, that are there twice or whose value has the wrong form, all
// in one error. The generated code would pass over the first kind in silence.
func (r *route) checkQuery(values url.Values) error {
	var invalid *errs.Error
	refuse := func(key, format string, args ...any) {
		description := fmt.Sprintf(format, args...)
		if invalid == nil {
			invalid = errs.New(commonv1.Reason_FIELD_INVALID, "query parameter %q: %s", quoted(key), description)
		}
		_ = invalid.Violation(quoted(key), description)
	}
	seen := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		field, path, ok := resolve(r.input.Descriptor(), key)
		switch {
		case !ok || r.bodyIsInput():
			refuse(key, "this route has no such parameter")
		case r.bound(path):
			refuse(key, "comes from the path or the body, not from the query")
		case seen[path] != "":
			refuse(key, "is there twice, also as %q", seen[path])
		case len(values[key]) > 1 && !field.IsList():
			refuse(key, "is there %d times", len(values[key]))
		default:
			if r.tryQuery(key, values[key]) != nil {
				refuse(key, "%q is not %s", quoted(strings.Join(values[key], ",")), kindOf(field))
			}
		}
		seen[path] = key
	}
	if invalid != nil {
		return invalid
	}
	return nil
}

func (r *route) tryQuery(key string, texts []string) error {
	scratch := r.input.New().Interface()
	return (&runtime.DefaultQueryParser{}).Parse(scratch, url.Values{key: texts}, unfiltered)
}

// kindOf says in words what a parameter takes.
func kindOf(field protoreflect.FieldDescriptor) string {
	switch field.Kind() {
	case protoreflect.BoolKind:
		return "true or false"
	case protoreflect.EnumKind:
		var names []string
		for i := range field.Enum().Values().Len() {
			names = append(names, string(field.Enum().Values().Get(i).Name()))
		}
		return "one of " + strings.Join(names, ", ")
	case protoreflect.StringKind:
		return "text"
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return "a value of this parameter's type; see /openapi.json"
	case protoreflect.BytesKind:
		return "base64"
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return "a number"
	}
	return "a whole number in the range of this parameter"
}

func (r *route) bodyIsInput() bool { return r.body != nil && r.bodyField == nil }

// bound says whether the path or the body sets a field, or a part of it, or what it is a part of.
func (r *route) bound(path string) bool {
	within := func(outer, inner string) bool { return inner == outer || strings.HasPrefix(inner, outer+".") }
	if r.bodyField != nil && within(string(r.bodyField.Name()), path) {
		return true
	}
	return slices.ContainsFunc(r.pathFields, func(field string) bool { return within(field, path) || within(path, field) })
}

// checkPath refuses a body that names another resource than the path. A body that leaves the name out, or repeats it, is fine.
func (r *route) checkPath(message proto.Message, pathParams map[string]string) error {
	if message == nil {
		return nil
	}
	for _, path := range r.pathFields {
		inBody := path
		if r.bodyField != nil {
			var ok bool
			if inBody, ok = strings.CutPrefix(path, string(r.bodyField.Name())+"."); !ok {
				continue
			}
		}
		if got := textAt(message.ProtoReflect(), inBody); got != "" && got != pathParams[path] {
			field := jsonPath(r.body.Descriptor(), inBody)
			return errs.New(commonv1.Reason_FIELD_INVALID, "%s in the body is not that of the path", field).
				Violation(field, "is "+quoted(got)+", but the path says "+quoted(pathParams[path]))
		}
	}
	return nil
}

// textAt returns the string at a dotted path of proto names.
func textAt(message protoreflect.Message, path string) string {
	name, rest, nested := strings.Cut(path, ".")
	field := message.Descriptor().Fields().ByName(protoreflect.Name(name))
	switch {
	case field == nil:
		return ""
	case nested && field.Message() != nil && !field.IsList():
		return textAt(message.Get(field).Message(), rest)
	case field.Kind() == protoreflect.StringKind && !field.IsList():
		return message.Get(field).String()
	}
	return ""
}
