package server

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// fieldWithNUL returns the path of a text with a NUL character, "" when there is none. No database keeps such texts, so no service has
// to look for them itself. A path is put together only once there is something to tell: most requests have none, and a batch has many
// fields.
func fieldWithNUL(m protoreflect.Message) (path string) {
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		found, in := false, ""
		switch {
		case field.IsMap():
			value.Map().Range(func(key protoreflect.MapKey, value protoreflect.Value) bool {
				if _, found = within(field.MapKey(), key.Value()); !found {
					in, found = within(field.MapValue(), value)
				}
				if found {
					in = fmt.Sprintf("[%q]%s", key.String(), in)
				}
				return !found
			})
		case field.IsList():
			for i := 0; i < value.List().Len() && !found; i++ {
				if in, found = within(field, value.List().Get(i)); found {
					in = fmt.Sprintf("[%d]%s", i, in)
				}
			}
		default:
			in, found = within(field, value)
		}
		if found {
			path = string(field.Name()) + in
		}
		return !found
	})
	return path
}

// within says whether a value of a field, or one of several, is or has a text with a NUL character, and returns the path below it.
func within(field protoreflect.FieldDescriptor, value protoreflect.Value) (path string, found bool) {
	switch field.Kind() {
	case protoreflect.StringKind:
		return "", strings.IndexByte(value.String(), 0) >= 0
	case protoreflect.MessageKind, protoreflect.GroupKind:
		if inner := fieldWithNUL(value.Message()); inner != "" {
			return "." + inner, true
		}
	}
	return "", false
}
