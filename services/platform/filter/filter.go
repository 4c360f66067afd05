// Package filter reads the filters of list methods (AIP-160) and turns them into SQL conditions.
//
// What is taken: comparisons `field = value` with =, !=, <, <=, >, >=, joined by AND, OR (which binds tighter than AND, as
// AIP-160 has it), NOT or a leading "-", and parentheses; comparisons side by side mean AND. Values are numbers, single words,
// or strings in quotes; dates and resource names need quotes. A comparison with a field that has no value is true for != only,
// and `field = ""` finds what has no value.
//
// Reading and writing are kept apart: a Schema knows the fields as callers see them, with their types, and makes a Filter; the
// store knows which column each is and renders the Filter. Values travel as query arguments only.
package filter

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"go.einride.tech/aip/filtering"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

const (
	// MaxLength is the largest length of a filter in characters; the requests' own rules are not looser.
	MaxLength = 2000
	// MaxComparisons is the largest number of comparisons in one filter.
	MaxComparisons = 100
)

// Schema is the set of fields that a list can be filtered by. It is immutable and safe for concurrent use.
type Schema struct {
	fields map[string]Field // by the name as in JSON
	names  string
}

// New returns a schema. Keys are field names as in JSON ("packageState"); filters may write them in the proto's form
// ("package_state") as well.
func New(fields map[string]Field) *Schema {
	return &Schema{fields: maps.Clone(fields), names: strings.Join(slices.Sorted(maps.Keys(fields)), ", ")}
}

// Parse reads a filter; an empty one matches everything. The error is FILTER_INVALID, with the metadata `position` (counted
// in characters from 1) where it is known.
func (s *Schema) Parse(text string) (Filter, error) {
	if strings.TrimSpace(text) == "" {
		return Filter{}, nil
	}
	if n := utf8.RuneCountInString(text); n > MaxLength {
		return Filter{}, errs.New(commonv1.Reason_FILTER_INVALID, "the filter has %d characters; at most %d are allowed", n, MaxLength)
	}
	var p filtering.Parser
	p.Init(closeUp(text))
	parsed, err := p.Parse()
	if err != nil {
		return Filter{}, syntaxError(text, err)
	}
	r := reader{schema: s, text: text, positions: parsed.GetSourceInfo().GetPositions()}
	root, err := r.condition(parsed.GetExpr(), false)
	if err != nil {
		return Filter{}, err
	}
	return Filter{root: root}, nil
}

// lookup finds a field by either form of its name.
func (s *Schema) lookup(name string) (string, Field, bool) {
	if f, ok := s.fields[name]; ok {
		return name, f, true
	}
	name = camel(name)
	f, ok := s.fields[name]
	return name, f, ok
}

// camel turns snake_case into lowerCamelCase.
func camel(name string) string {
	words := strings.Split(name, "_")
	for i, w := range words[1:] {
		if w != "" {
			words[i+1] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, "")
}

// Op is a comparison.
type Op string

// The comparisons.
const (
	Equal          Op = "="
	NotEqual       Op = "!="
	Less           Op = "<"
	LessOrEqual    Op = "<="
	Greater        Op = ">"
	GreaterOrEqual Op = ">="
)

// opposite is the comparison that holds exactly where another does not, among values that are there.
var opposite = map[Op]Op{
	Equal: NotEqual, NotEqual: Equal, Less: GreaterOrEqual, GreaterOrEqual: Less, Greater: LessOrEqual, LessOrEqual: Greater,
}

// Filter is a filter that was read. The zero value matches everything. It is immutable.
type Filter struct{ root node }

// Empty says whether the filter matches everything because it says nothing.
func (f Filter) Empty() bool { return f.root == nil }

// Fields lists the fields that the filter compares, each once, in alphabetical order.
func (f Filter) Fields() []string {
	seen := map[string]bool{}
	collect(f.root, seen)
	return slices.Sorted(maps.Keys(seen))
}

func collect(n node, seen map[string]bool) {
	switch n := n.(type) {
	case *junction:
		collect(n.left, seen)
		collect(n.right, seen)
	case *comparison:
		seen[n.field] = true
	}
}

// node is a condition. NOT has been moved into the comparisons, so that a missing value (NULL) can be given its meaning there
// and AND and OR never see an unknown.
type node interface{ render(w *writer) error }

type junction struct {
	word        string // AND, OR
	left, right node
}

type comparison struct {
	field string
	op    Op
	// value of the column's type; nil with missing and impossible.
	value any
	// missing compares with "no value"; op is Equal or NotEqual.
	missing bool
	// orMissing holds where there is no value as well.
	orMissing bool
	// impossible values match no row (see ErrNoMatch); op is Equal or NotEqual.
	impossible bool
}

// Columns says for each field of a schema which SQL expression holds it: a column, or an expression over columns and the
// statement's own arguments, in parentheses where it needs them. It is trusted text.
type Columns map[string]string

// SQL renders the filter as one condition in parentheses, TRUE for an empty one, with its arguments, whose placeholders are
// numbered from first: with `WHERE account_id = $1 AND ` in front, first is 2. The error, a field without a column, is a
// fault of the program.
//
// A plain comparison is rendered as `column op $n`, so that an index can serve it.
func (f Filter) SQL(columns Columns, first int) (condition string, args []any, err error) {
	if f.root == nil {
		return "TRUE", nil, nil
	}
	w := writer{columns: columns, next: first}
	if err := f.root.render(&w); err != nil {
		return "", nil, err
	}
	return "(" + w.sql.String() + ")", w.args, nil
}

type writer struct {
	columns Columns
	next    int
	sql     strings.Builder
	args    []any
}

func (j *junction) render(w *writer) error {
	w.sql.WriteByte('(')
	if err := j.left.render(w); err != nil {
		return err
	}
	w.sql.WriteString(" " + j.word + " ")
	if err := j.right.render(w); err != nil {
		return err
	}
	w.sql.WriteByte(')')
	return nil
}

func (c *comparison) render(w *writer) error {
	column, ok := w.columns[c.field]
	if !ok {
		return fmt.Errorf("filter: field %q has no column", c.field)
	}
	switch {
	case c.missing && c.op == Equal:
		w.sql.WriteString(column + " IS NULL")
	case c.missing:
		w.sql.WriteString(column + " IS NOT NULL")
	case c.impossible && c.op == Equal:
		w.sql.WriteString("FALSE")
	case c.impossible:
		w.sql.WriteString("TRUE")
	case c.orMissing:
		fmt.Fprintf(&w.sql, "(%s IS NULL OR %s %s $%d)", column, column, sqlOp(c.op), w.next)
		w.arg(c.value)
	default:
		fmt.Fprintf(&w.sql, "%s %s $%d", column, sqlOp(c.op), w.next)
		w.arg(c.value)
	}
	return nil
}

func (w *writer) arg(v any) {
	w.args = append(w.args, v)
	w.next++
}

func sqlOp(op Op) string {
	if op == NotEqual {
		return "<>"
	}
	return string(op)
}
