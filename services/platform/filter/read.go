package filter

import (
	"errors"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.einride.tech/aip/filtering"
	expr "google.golang.org/genproto/googleapis/api/expr/v1alpha1"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// reader turns the syntax tree of one filter into conditions.
type reader struct {
	schema      *Schema
	text        string
	positions   map[int64]int32
	comparisons int
}

// condition reads e, or its opposite when negated.
func (r *reader) condition(e *expr.Expr, negated bool) (node, error) {
	call := e.GetCallExpr()
	if call == nil {
		return nil, r.errorf(e, "a comparison such as field = value is expected (operators are AND, OR and NOT, in capitals)")
	}
	args := call.GetArgs()
	switch fn := call.GetFunction(); {
	case fn == filtering.FunctionNot && len(args) == 1:
		return r.condition(args[0], !negated)
	case (fn == filtering.FunctionAnd || fn == filtering.FunctionFuzzyAnd) && len(args) == 2:
		return r.junction(args, "AND", "OR", negated)
	case fn == filtering.FunctionOr && len(args) == 2:
		return r.junction(args, "OR", "AND", negated)
	case opposite[Op(fn)] != "" && len(args) == 2:
		return r.comparison(e, Op(fn), args, negated)
	case fn == filtering.FunctionHas:
		return nil, r.errorf(e, `the operator ":" is not supported; use "="`)
	}
	return nil, r.errorf(e, "functions and other operators than =, !=, <, <=, >, >= are not supported")
}

// junction reads two conditions; negated, they are joined the other way round (De Morgan).
func (r *reader) junction(args []*expr.Expr, word, negatedWord string, negated bool) (node, error) {
	if negated {
		word = negatedWord
	}
	left, err := r.condition(args[0], negated)
	if err != nil {
		return nil, err
	}
	right, err := r.condition(args[1], negated)
	if err != nil {
		return nil, err
	}
	return &junction{word: word, left: left, right: right}, nil
}

func (r *reader) comparison(e *expr.Expr, op Op, args []*expr.Expr, negated bool) (node, error) {
	if r.comparisons++; r.comparisons > MaxComparisons {
		return nil, r.errorf(e, "more than %d comparisons", MaxComparisons)
	}
	written, ok := path(args[0])
	if !ok {
		return nil, r.errorf(args[0], "a field name is expected in front of %s", op)
	}
	name, field, ok := r.schema.lookup(written)
	if !ok {
		return nil, r.errorf(args[0], "%q cannot be filtered by; these can: %s", written, r.schema.names)
	}
	if !field.ordered && op != Equal && op != NotEqual {
		return nil, r.errorf(e, "%s takes = and != only", name)
	}
	c := &comparison{field: name, op: op, orMissing: field.optional && (op == NotEqual) != negated}
	if negated {
		c.op = opposite[op]
	}
	return c, r.value(c, field, args[1])
}

// value reads the right side of a comparison into c.
func (r *reader) value(c *comparison, field Field, e *expr.Expr) error {
	l, ok := readLiteral(e)
	if !ok || strings.ContainsRune(l.text, 0) {
		return r.errorf(e, "%s takes %s", c.field, field.kind)
	}
	if field.optional && l.quoted && l.text == "" {
		if c.op != Equal && c.op != NotEqual {
			return r.errorf(e, `"" can be compared by = and != only`)
		}
		c.missing = true
		return nil
	}
	v, err := field.convert(l)
	switch {
	case errors.Is(err, ErrNoMatch):
		c.impossible = true
	case err != nil:
		return r.errorf(e, "%s takes %s: %v", c.field, field.kind, err)
	}
	c.value = v
	return nil
}

// readLiteral reads a value: a number, a word, a string, or timestamp("…"), which is the same as the string.
func readLiteral(e *expr.Expr) (literal, bool) {
	if word, ok := path(e); ok {
		return literal{text: word}, true
	}
	switch k := e.GetConstExpr().GetConstantKind().(type) {
	case *expr.Constant_StringValue:
		return literal{text: k.StringValue, quoted: true}, true
	case *expr.Constant_Int64Value:
		return literal{number: &k.Int64Value}, true
	}
	if call := e.GetCallExpr(); call.GetFunction() == filtering.FunctionTimestamp && len(call.GetArgs()) == 1 {
		if s, ok := call.GetArgs()[0].GetConstExpr().GetConstantKind().(*expr.Constant_StringValue); ok {
			return literal{text: s.StringValue, quoted: true}, true
		}
	}
	return literal{}, false
}

// path reads a word, or words joined by dots.
func path(e *expr.Expr) (string, bool) {
	if id := e.GetIdentExpr(); id != nil {
		return id.GetName(), true
	}
	var words []string
	for s := e.GetSelectExpr(); s != nil; s = e.GetSelectExpr() {
		words = append(words, s.GetField())
		e = s.GetOperand()
	}
	if id := e.GetIdentExpr(); id != nil && len(words) > 0 {
		out := []string{id.GetName()}
		for i := len(words) - 1; i >= 0; i-- {
			out = append(out, words[i])
		}
		return strings.Join(out, "."), true
	}
	return "", false
}

func (r *reader) errorf(at *expr.Expr, format string, args ...any) error {
	err := errs.New(commonv1.Reason_FILTER_INVALID, "filter: "+format, args...)
	if offset, ok := r.positions[at.GetId()]; ok {
		return err.With("position", position(r.text, offset))
	}
	return err
}

// syntaxError makes the error of a filter that does not parse. The parser wraps an error once per level of its grammar; the
// innermost says where reading stopped.
func syntaxError(text string, err error) error {
	out := errs.New(commonv1.Reason_FILTER_INVALID,
		`the filter cannot be read; it takes comparisons such as field = value joined by AND, OR and NOT`)
	var at interface{ Position() filtering.Position }
	offset, found := int32(0), false
	for ; errors.As(err, &at); err = errors.Unwrap(err) {
		offset, found = at.Position().Offset, true
	}
	if found {
		return out.With("position", position(text, offset))
	}
	return out
}

// position counts characters from 1. The parser's offsets are bytes, counted after leading space.
func position(text string, offset int32) string {
	lead := len(text) - len(strings.TrimLeftFunc(text, unicode.IsSpace))
	end := min(lead+int(offset), len(text))
	return strconv.Itoa(utf8.RuneCountInString(text[:end]) + 1)
}

// closeUp moves white space in front of a closing parenthesis behind it, outside of quotes, as the parser takes none there.
// The length stays, and so do the positions of everything else.
func closeUp(text string) string {
	out := []byte(text)
	quote := byte(0)
	for i := 0; i < len(out); i++ {
		switch c := out[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == ')':
			j := i
			for ; j > 0 && strings.IndexByte(" \t\r\n", out[j-1]) >= 0; j-- {
				out[j], out[j-1] = out[j-1], out[j]
			}
		}
	}
	return string(out)
}
