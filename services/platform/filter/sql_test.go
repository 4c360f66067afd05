package filter_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

// row is an item of the list that the SQL test filters; nil is "no value".
type row struct {
	id      int
	state   string
	seats   int64
	kind    *string
	deleted *time.Time
}

var day = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// allRows has every combination of a few values.
func allRows() []row {
	var out []row
	later, x, y := day.Add(24*time.Hour), "x", "Y z"
	for _, state := range []string{"AVAILABLE", "ASSIGNED"} {
		for _, seats := range []int64{-1, 0, 5} {
			for _, kind := range []*string{nil, &x, &y} {
				for _, deleted := range []*time.Time{nil, &day, &later} {
					out = append(out, row{len(out), state, seats, kind, deleted})
				}
			}
		}
	}
	return out
}

// condition is a filter in words, with its meaning.
type condition struct {
	text  string
	holds func(r row) bool
}

func compared[T any](op string, value T, field func(r row) *T, compare func(a, b T) int) func(r row) bool {
	return func(r row) bool {
		v := field(r)
		if v == nil {
			return op == "!="
		}
		c := compare(*v, value)
		return map[string]bool{"=": c == 0, "!=": c != 0, "<": c < 0, "<=": c <= 0, ">": c > 0, ">=": c >= 0}[op]
	}
}

func genComparison(t *rapid.T) condition {
	op := rapid.SampledFrom([]string{"=", "!=", "<", "<=", ">", ">="}).Draw(t, "op")
	equality := rapid.SampledFrom([]string{"=", "!="}).Draw(t, "equality")
	switch rapid.IntRange(0, 4).Draw(t, "field") {
	case 0:
		v := rapid.SampledFrom([]string{"AVAILABLE", "ASSIGNED", "QUARANTINED"}).Draw(t, "state")
		return condition{"state " + equality + " " + v, compared(equality, v, func(r row) *string { return &r.state }, strings.Compare)}
	case 1:
		v := rapid.Int64Range(-2, 6).Draw(t, "seats")
		return condition{fmt.Sprintf("seats%s%d", op, v), compared(op, v, func(r row) *int64 { return &r.seats }, func(a, b int64) int { return int(a - b) })}
	case 2:
		v := rapid.SampledFrom([]string{"x", "Y z", "q"}).Draw(t, "kind")
		return condition{fmt.Sprintf("kind %s %q", equality, v), compared(equality, v, func(r row) *string { return r.kind }, strings.Compare)}
	case 3:
		return condition{`kind ` + equality + ` ""`, func(r row) bool { return (r.kind == nil) == (equality == "=") }}
	}
	v := day.Add(time.Duration(rapid.IntRange(-1, 2).Draw(t, "hours")*12) * time.Hour)
	return condition{
		fmt.Sprintf("deleteTime %s %q", op, v.Format(time.RFC3339)),
		compared(op, v, func(r row) *time.Time { return r.deleted }, time.Time.Compare),
	}
}

func genCondition(t *rapid.T, depth int) condition {
	kind := 0
	if depth > 0 {
		kind = rapid.IntRange(0, 3).Draw(t, "node")
	}
	if kind == 0 {
		return genComparison(t)
	}
	a := genCondition(t, depth-1)
	if kind == 1 {
		return condition{"NOT (" + a.text + ")", func(r row) bool { return !a.holds(r) }}
	}
	b := genCondition(t, depth-1)
	if kind == 2 {
		return condition{"(" + a.text + " AND " + b.text + ")", func(r row) bool { return a.holds(r) && b.holds(r) }}
	}
	return condition{"(" + a.text + " OR " + b.text + ")", func(r row) bool { return a.holds(r) || b.holds(r) }}
}

// The database finds exactly the rows that the filter's words mean, missing values included.
func TestSQL_meansWhatItSays(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		db, rows := e.New(t, nil), allRows()
		_, err := db.Pool().Exec(t.Context(), `CREATE TABLE items (id INT8 PRIMARY KEY, state TEXT NOT NULL, seats INT8 NOT NULL, kind TEXT, deleted TIMESTAMPTZ)`)
		require.NoError(t, err)
		var b pgx.Batch
		for _, r := range rows {
			b.Queue(`INSERT INTO items VALUES ($1, $2, $3, $4, $5)`, r.id, r.state, r.seats, r.kind, r.deleted)
		}
		require.NoError(t, db.Pool().SendBatch(t.Context(), &b).Close())

		rapid.Check(t, func(rt *rapid.T) {
			c := genCondition(rt, 3)
			f, err := schema.Parse(c.text)
			require.NoError(rt, err, c.text)
			sql, args, err := f.SQL(columns, 2)
			require.NoError(rt, err)
			var want []int
			for _, r := range rows {
				if c.holds(r) {
					want = append(want, r.id)
				}
			}
			found, err := db.Pool().Query(t.Context(), `SELECT id FROM items WHERE id >= $1 AND `+sql+` ORDER BY id`, append([]any{0}, args...)...)
			require.NoError(rt, err)
			got, err := pgx.CollectRows(found, pgx.RowTo[int])
			require.NoError(rt, err, sql)
			require.Equal(rt, fmt.Sprint(want), fmt.Sprint(got), "%s\n%s", c.text, sql)
		})
	})
}
