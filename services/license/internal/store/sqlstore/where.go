package sqlstore

import (
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/switchboard-phone/switchboard/services/platform/filter"
)

// where collects the conditions of a list statement and their arguments. All conditions must hold.
type where struct {
	conditions []string
	args       []any
}

// ofAccount begins with the account, which is $1.
func ofAccount(account uuid.UUID) *where {
	return &where{conditions: []string{"account_id = $1"}, args: []any{account}}
}

// arg adds an argument and returns its placeholder.
func (w *where) arg(v any) string {
	w.args = append(w.args, v)
	return "$" + strconv.Itoa(len(w.args))
}

// and adds a condition.
func (w *where) and(condition string) { w.conditions = append(w.conditions, condition) }

// filter adds the condition of a filter.
func (w *where) filter(f filter.Filter, columns filter.Columns) error {
	if f.Empty() {
		return nil
	}
	condition, args, err := f.SQL(columns, len(w.args)+1)
	if err != nil {
		return err
	}
	w.and(condition)
	w.args = append(w.args, args...)
	return nil
}

// sieve adds the condition of a filter that no index serves. It stands in a CASE, of which databases think that half of the rows
// pass: where they think that hardly any do, they read and sort all of an account instead of the beginning of an index.
func (w *where) sieve(f filter.Filter, columns filter.Columns) error {
	n := len(w.conditions)
	if err := w.filter(f, columns); err != nil || n == len(w.conditions) {
		return err
	}
	w.conditions[n] = "CASE WHEN " + w.conditions[n] + " THEN TRUE ELSE FALSE END"
	return nil
}

// contains asks that column has word somewhere. It is strpos rather than LIKE: nothing to escape, and three times as fast on
// CockroachDB 20.1.
func (w *where) contains(column, word string) {
	w.and("strpos(" + column + ", " + w.arg(word) + "::TEXT) > 0")
}

// String is the text behind WHERE.
func (w *where) String() string { return strings.Join(w.conditions, " AND ") }
