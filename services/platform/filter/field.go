package filter

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// ErrNoMatch is returned by the converter of a Name field for a well-formed name that no row can have, such as one of another
// account: comparing with it is allowed and finds nothing.
var ErrNoMatch = errors.New("no resource can have this name")

// Field is what a list can be filtered by: the type of its values and the comparisons that make sense.
type Field struct {
	kind     string // for messages: "a string"
	ordered  bool   // takes <, <=, >, >=
	optional bool
	convert  func(literal) (any, error)
}

// Optional returns the field as one that may have no value (a column that may be NULL).
func (f Field) Optional() Field {
	f.optional = true
	return f
}

// literal is a value as written in a filter.
type literal struct {
	text   string
	quoted bool // "text", as opposed to a single word
	number *int64
}

// String is a text field. Values are compared as they are, byte by byte; there are no wildcards.
func String() Field {
	return Field{kind: `a string in quotes`, ordered: true, convert: func(l literal) (any, error) {
		if l.number != nil {
			// The number's own text (leading zeros, say) is lost by now.
			return nil, errors.New("it must be in quotes")
		}
		return l.text, nil
	}}
}

// Int is a field of whole numbers that fit 64 bits. Values are int64.
func Int() Field {
	return Field{kind: "a whole number", ordered: true, convert: func(l literal) (any, error) {
		if l.number == nil {
			return nil, errors.New("it is not a whole number")
		}
		return *l.number, nil
	}}
}

// Bool is a field that is true or false.
func Bool() Field {
	return Field{kind: "true or false", convert: func(l literal) (any, error) {
		switch {
		case l.number != nil || l.quoted:
		case l.text == "true":
			return true, nil
		case l.text == "false":
			return false, nil
		}
		return nil, errors.New("it is neither true nor false")
	}}
}

// Time is a field of instants, written in quotes as RFC 3339 has it. Values are time.Time in UTC, cut to microseconds as
// databases keep them.
func Time() Field {
	return Field{kind: `a time such as "2026-03-01T09:30:00Z"`, ordered: true, convert: func(l literal) (any, error) {
		t, err := time.Parse(time.RFC3339Nano, l.text)
		if err != nil || l.number != nil {
			return nil, errors.New("it is not a time in RFC 3339 form")
		}
		return t.UTC().Truncate(time.Microsecond), nil
	}}
}

// Values is a field that takes one of the given words; each stands for the column value beside it.
func Values(values map[string]any) Field {
	values = maps.Clone(values)
	kind := "one of " + strings.Join(slices.Sorted(maps.Keys(values)), ", ")
	return Field{kind: kind, convert: func(l literal) (any, error) {
		v, ok := values[l.text]
		if !ok || l.number != nil {
			return nil, errors.New("there is no such value")
		}
		return v, nil
	}}
}

// Enum is a field that takes a value name of a proto enum, the unspecified one (number 0) excepted. The column holds the names
// as text.
func Enum(desc protoreflect.EnumDescriptor) Field {
	values := map[string]any{}
	for i := range desc.Values().Len() {
		if v := desc.Values().Get(i); v.Number() != 0 {
			values[string(v.Name())] = string(v.Name())
		}
	}
	return Values(values)
}

// Name is a field that holds the resource name of something, as in `site = "accounts/a/sites/s"`. convert turns the name into
// the column's value, an id mostly; it returns ErrNoMatch for what cannot exist and another error for what is not such a name,
// whose text the caller gets to read.
func Name(pattern string, convert func(name string) (any, error)) Field {
	return Field{kind: fmt.Sprintf("a name like %q", pattern), convert: func(l literal) (any, error) {
		if l.number != nil {
			return nil, errors.New("it is not a resource name")
		}
		return convert(l.text)
	}}
}
