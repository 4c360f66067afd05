package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// rowset is rows of one table, column by column, as the product wrote them. The floor writes them again under other keys, so that
// both write the same amount of the same data.
type rowset struct {
	table   string
	columns []*column
	count   int
}

// column is a column's values. Which of the slices holds them follows from the type.
type column struct {
	name string
	// kind is the SQL type of the parameter, cast what turns its elements into the column's type.
	kind, cast string
	uuids      []*uuid.UUID
	texts      []*string
	ints       []*int64
	bools      []*bool
	times      []*time.Time
	bytes      [][]byte
}

// kinds says how values of a column type travel. CockroachDB has no arrays of JSONB.
var kinds = map[string]struct{ kind, cast string }{
	"uuid": {"UUID", ""}, "text": {"TEXT", ""}, "bigint": {"INT8", ""}, "boolean": {"BOOL", ""},
	"timestamp with time zone": {"TIMESTAMPTZ", ""}, "bytea": {"BYTEA", ""}, "bytes": {"BYTEA", ""}, "jsonb": {"TEXT", "::JSONB"},
}

// readRows reads the rows of an account, in the order of their key.
func readRows(ctx context.Context, q *pgx.Conn, table string, account uuid.UUID, limit int) (*rowset, error) {
	set := &rowset{table: table}
	if err := set.readColumns(ctx, q); err != nil {
		return nil, err
	}
	names := make([]string, len(set.columns))
	for i, c := range set.columns {
		names[i] = c.name
		if c.cast != "" {
			names[i] += "::TEXT"
		}
	}
	rows, err := q.Query(ctx, fmt.Sprintf("SELECT %s FROM %s WHERE account_id = $1 ORDER BY 2 LIMIT $2", strings.Join(names, ", "), table), account, limit)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", table, err)
	}
	defer rows.Close()
	for rows.Next() {
		targets := make([]any, len(set.columns))
		for i, c := range set.columns {
			targets[i] = c.grow()
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, fmt.Errorf("reading %s: %w", table, err)
		}
		set.count++
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", table, err)
	}
	return set, nil
}

func (s *rowset) readColumns(ctx context.Context, q *pgx.Conn) error {
	rows, err := q.Query(ctx, `SELECT column_name::TEXT, lower(data_type)::TEXT FROM information_schema.columns
		WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position`, s.table)
	if err != nil {
		return fmt.Errorf("reading the columns of %s: %w", s.table, err)
	}
	var name, dataType string
	_, err = pgx.ForEachRow(rows, []any{&name, &dataType}, func() error {
		kind, ok := kinds[dataType]
		if !ok {
			return fmt.Errorf("column %s has the type %s, which the benchmark does not know", name, dataType)
		}
		s.columns = append(s.columns, &column{name: name, kind: kind.kind, cast: kind.cast})
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading the columns of %s: %w", s.table, err)
	}
	if len(s.columns) == 0 {
		return fmt.Errorf("there is no table %s", s.table)
	}
	return nil
}

// grow adds a value and answers where to scan it to.
func (c *column) grow() any {
	switch c.kind {
	case "UUID":
		c.uuids = append(c.uuids, nil)
		return &c.uuids[len(c.uuids)-1]
	case "INT8":
		c.ints = append(c.ints, nil)
		return &c.ints[len(c.ints)-1]
	case "BOOL":
		c.bools = append(c.bools, nil)
		return &c.bools[len(c.bools)-1]
	case "TIMESTAMPTZ":
		c.times = append(c.times, nil)
		return &c.times[len(c.times)-1]
	case "BYTEA":
		c.bytes = append(c.bytes, nil)
		return &c.bytes[len(c.bytes)-1]
	default:
		c.texts = append(c.texts, nil)
		return &c.texts[len(c.texts)-1]
	}
}

// slice is the values from..to, as a parameter.
func (c *column) slice(from, to int) any {
	switch c.kind {
	case "UUID":
		return c.uuids[from:to]
	case "INT8":
		return c.ints[from:to]
	case "BOOL":
		return c.bools[from:to]
	case "TIMESTAMPTZ":
		return c.times[from:to]
	case "BYTEA":
		return c.bytes[from:to]
	default:
		return c.texts[from:to]
	}
}

// find finds a column by name.
func (s *rowset) find(name string) (*column, error) {
	at := slices.IndexFunc(s.columns, func(c *column) bool { return c.name == name })
	if at < 0 {
		return nil, fmt.Errorf("table %s has no column %s any more", s.table, name)
	}
	return s.columns[at], nil
}

// insert is the statement that writes the rows from..to at once, and its parameters.
func (s *rowset) insert(from, to int) (string, []any) {
	var names, values []string
	var params []any
	for i, c := range s.columns {
		names = append(names, c.name)
		values = append(values, fmt.Sprintf("unnest($%d::%s[])%s", i+1, c.kind, c.cast))
		params = append(params, c.slice(from, to))
	}
	return fmt.Sprintf("INSERT INTO %s (%s) SELECT %s", s.table, strings.Join(names, ", "), strings.Join(values, ", ")), params
}

// rekey gives the rows another account and other ids. Ids keep their time part, so that they fall as close together as before.
func (s *rowset) rekey(account uuid.UUID, mask uint64) {
	for _, c := range s.columns {
		for i, id := range c.uuids {
			switch {
			case id == nil:
			case c.name == "account_id":
				c.uuids[i] = &account
			default:
				next := *id
				low := binary.BigEndian.Uint64(next[8:])
				binary.BigEndian.PutUint64(next[8:], low^mask)
				c.uuids[i] = &next
			}
		}
	}
}
