package sqlstore

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// bulk inserts many rows of one table in one statement, whose parameters are one array per column. The arrays are unnested in
// the top-level select list, the only place where CockroachDB 20.1 infers their types.
type bulk[R any] struct {
	table   string
	columns []column[R]
	// conflict is what follows the rows, such as an ON CONFLICT clause.
	conflict string
}

type column[R any] struct {
	name, sqlType string
	// wrap is what is made of the value, with %s in its place; empty for the value itself.
	wrap   string
	values func(rows []R) any
}

// col is a column whose value in a row is of(row).
func col[R, V any](name, sqlType string, of func(r *R) V) column[R] {
	return column[R]{name: name, sqlType: sqlType, values: func(rows []R) any {
		out := make([]V, len(rows))
		for i := range rows {
			out[i] = of(&rows[i])
		}
		return out
	}}
}

// queue adds the statement for rows; none adds nothing.
func (b bulk[R]) queue(batch *pgx.Batch, rows []R) {
	if len(rows) == 0 {
		return
	}
	names, unnested, args := make([]string, len(b.columns)), make([]string, len(b.columns)), make([]any, len(b.columns))
	for i, c := range b.columns {
		names[i], args[i] = c.name, c.values(rows)
		unnested[i] = "unnest($" + strconv.Itoa(i+1) + "::" + c.sqlType + "[])"
		if c.wrap != "" {
			unnested[i] = fmt.Sprintf(c.wrap, unnested[i])
		}
	}
	batch.Queue("INSERT INTO "+b.table+" ("+strings.Join(names, ", ")+") SELECT "+strings.Join(unnested, ", ")+" "+b.conflict, args...)
}

// jsonCol is a column of JSON, from its text: arrays of JSONB are not known everywhere.
func jsonCol[R any](name string, of func(r *R) string) column[R] {
	c := col(name, "TEXT", of)
	c.wrap = "%s::JSONB"
	return c
}

// claimCol is a point in time so many milliseconds from now, by the clock of the database.
func claimCol[R any](name string, of func(r *R) time.Duration) column[R] {
	c := col(name, "INT8", func(r *R) int64 { return of(r).Milliseconds() })
	c.wrap = "now() + %s * INTERVAL '1 millisecond'"
	return c
}
