package server

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// fieldWithNUL returns the path of a text with a NUL character, "" when there is none. No database keeps such texts, so no service has
// to look for them itself.
func fieldWithNUL(m protoreflect.Message) (path string) {
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		name := string(field.Name())
		switch {
		case field.IsMap():
			value.Map().Range(func(key protoreflect.MapKey, value protoreflect.Value) bool {
				in := fmt.Sprintf("%s[%q]", name, key.String())
				if hasNUL(key.Value()) {
					path = in
				} else {
					path = within(in, value)
				}
				return path == ""
			})
		case field.IsList():
			for i := 0; i < value.List().Len() && path == ""; i++ {
				path = within(fmt.Sprintf("%s[%d]", name, i), value.List().Get(i))
			}
		default:
			path = within(name, value)
		}
		return path == ""
	})
	return path
}

// within is name, or the path below it, where value has a NUL character.
func within(name string, value protoreflect.Value) string {
	if m, ok := value.Interface().(protoreflect.Message); ok {
		if inner := fieldWithNUL(m); inner != "" {
			return name + "." + inner
		}
		return ""
	}
	if hasNUL(value) {
		return name
	}
	return ""
}

func hasNUL(value protoreflect.Value) bool {
	text, ok := value.Interface().(string)
	return ok && strings.IndexByte(text, 0) >= 0
}
