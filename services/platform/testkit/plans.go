package testkit

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

// Suite is the test suite of a store, of whose statements it is looked at how databases would carry them out.
type Suite struct {
	// Migrations make the store's schema.
	Migrations fs.FS
	// Big are the tables that grow, each with a statement that inserts $2 rows of $1 accounts; other tables may be read whole.
	Big map[string]string
	// ReadAll names what is meant to read all of an account: operations, all of whose statements may, or those that contain what stands
	// behind a blank.
	ReadAll []string
	// Run runs the suite on databases that are opened with record.
	Run func(t *testing.T, e Engine, record Option)
}

// Check runs the suite on each engine. Then it fails for every statement collected that would read all rows of an account, or of a table,
// to find some: in a database full of other accounts, of whose statistics the account asked for is no part. What ends a scan early, a
// LIMIT in the order of the index, is no such reading.
func (s *Suite) Check(t *testing.T) {
	t.Helper()
	EachEngine(t, func(t *testing.T, e Engine) {
		t.Helper()
		var seen statements
		t.Run("suite", func(t *testing.T) { s.Run(t, e, seen.record) })
		t.Run("plans", func(t *testing.T) { s.checkPlans(t, e, &seen) })
	})
}

// statements collects those that a store runs, by operation. The zero value is ready; it is safe for concurrent use.
type statements struct {
	mu  sync.Mutex
	ops map[[8]byte]string // of spans
	sql map[string]string  // statement → operation
}

// record is an Option for databases whose statements are to be collected.
func (s *statements) record(_ *crdb.Config, o *crdb.Options) {
	o.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(s))
}

// OnStart implements sdktrace.SpanProcessor: spans of statements are below the span of their operation.
func (s *statements) OnStart(_ context.Context, span sdktrace.ReadWriteSpan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ops == nil {
		s.ops, s.sql = map[[8]byte]string{}, map[string]string{}
	}
	op, ok := s.ops[span.Parent().SpanID()]
	if !ok {
		op = span.Name()
	}
	s.ops[span.SpanContext().SpanID()] = op
	for _, a := range span.Attributes() {
		if a.Key == "db.query.text" {
			s.sql[a.Value.AsString()] = op
		}
	}
}

// OnEnd implements sdktrace.SpanProcessor.
func (*statements) OnEnd(sdktrace.ReadOnlySpan) {}

// Shutdown implements sdktrace.SpanProcessor.
func (*statements) Shutdown(context.Context) error { return nil }

// ForceFlush implements sdktrace.SpanProcessor.
func (*statements) ForceFlush(context.Context) error { return nil }

// populations are how many rows the big tables hold, of how many accounts: a few big ones, and many small ones, who make all accounts
// look small.
var populations = []struct{ rows, accounts int }{{20_000, 12}, {20_000, 2_000}}

func (s *Suite) checkPlans(t *testing.T, e Engine, seen *statements) {
	t.Helper()
	db := e.New(t, s.Migrations)
	if e.Kind() == crdb.CockroachDB && !strings.HasPrefix(db.Version(), "v20.1.") {
		t.Skip("plans are read in the form that CockroachDB 20.1 writes")
	}
	if len(seen.sql) == 0 {
		t.Fatal("no statements were collected")
	}
	for _, p := range populations {
		for table, insert := range s.Big {
			populate(t, db, table, insert, p.rows, p.accounts)
		}
		for sql, op := range seen.sql {
			if !plannable.MatchString(sql) || s.meant(op, sql) {
				continue
			}
			scans, plan, err := explain(t.Context(), db, sql)
			if err != nil {
				t.Errorf("%s: the statement cannot be explained: %v\n%s", op, err, sql)
				continue
			}
			for _, scan := range scans {
				if _, grows := s.Big[scan.table]; grows && scan.whole {
					t.Errorf("%s reads all of %s with %d rows of %d accounts:\n%s\n%s", op, scan.table, p.rows, p.accounts, sql, plan)
				}
			}
		}
	}
}

// meant says whether a statement of an operation may read all of an account.
func (s *Suite) meant(op, sql string) bool {
	return slices.ContainsFunc(s.ReadAll, func(name string) bool {
		name, part, _ := strings.Cut(name, " ")
		return name == op && strings.Contains(sql, part)
	})
}

var plannable = regexp.MustCompile(`(?i)^\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b`)

// populate gives a table rows of other accounts.
func populate(t *testing.T, db *crdb.DB, table, insert string, rows, accounts int) {
	t.Helper()
	run := func(sql string) {
		if _, err := db.Pool().Exec(t.Context(), sql); err != nil {
			t.Fatalf("fill %s: %v", table, err)
		}
	}
	// CockroachDB 20.1 would take parameters in FROM for texts.
	fill := func(rows int) {
		run(strings.NewReplacer("$1", strconv.Itoa(accounts), "$2", strconv.Itoa(rows)).Replace(insert))
	}
	run("TRUNCATE " + table)
	if db.Engine() == crdb.PostgreSQL {
		fill(rows)
		// Only in what was vacuumed do plans trust an index alone, and pages that somebody may still look at are left for the next time.
		Eventually(t, 30*time.Second, func() error {
			run("VACUUM ANALYZE " + table)
			var pages, clean int
			err := db.Pool().QueryRow(t.Context(), "SELECT relpages, relallvisible FROM pg_class WHERE oid = $1::TEXT::REGCLASS", table).Scan(&pages, &clean)
			if err == nil && clean < pages {
				err = fmt.Errorf("%d of %d pages of %s are clean", clean, pages, table)
			}
			return err
		})
		return
	}
	// CockroachDB plans by its statistics alone, so there they are enough: as a few rows have them, in columns of few values.
	fill(500)
	stats, err := statistics(t.Context(), db, table, rows, accounts)
	if err != nil {
		t.Fatalf("statistics of %s: %v", table, err)
	}
	run(fmt.Sprintf("ALTER TABLE %s INJECT STATISTICS '%s'", table, stats))
}

func statistics(ctx context.Context, db *crdb.DB, table string, rows, accounts int) ([]byte, error) {
	type statistic struct {
		Name          string   `json:"name"`
		Columns       []string `json:"columns"`
		CreatedAt     string   `json:"created_at"`
		RowCount      int      `json:"row_count"`
		DistinctCount int      `json:"distinct_count"`
	}
	const few = 10
	found, err := db.Pool().Query(ctx, `SELECT column_name FROM information_schema.columns WHERE table_name = $1`, table)
	if err != nil {
		return nil, err
	}
	columns, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	var stats []statistic
	for _, c := range columns {
		var distinct int
		if err := db.Pool().QueryRow(ctx, fmt.Sprintf("SELECT count(DISTINCT %s) FROM %s", c, table)).Scan(&distinct); err != nil {
			return nil, err
		}
		if distinct > few {
			distinct = rows
		}
		if c == "account_id" {
			distinct = accounts
		}
		stats = append(stats, statistic{"test", []string{c}, "2026-01-01 00:00:00+00:00", rows, max(distinct, 1)})
	}
	return json.Marshal(stats)
}

// scan is one reading of a table in a plan. It is whole when nothing but the account says which rows, or nothing at all.
type scan struct {
	table string
	whole bool
}

func explain(ctx context.Context, db *crdb.DB, sql string) (scans []scan, plan string, err error) {
	err = db.Pool().AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		if db.Engine() == crdb.PostgreSQL {
			scans, plan, err = explainOnPostgres(ctx, c.Conn(), sql)
		} else {
			scans, plan, err = explainOnCockroach(ctx, c.Conn(), sql)
		}
		return err
	})
	return scans, plan, err
}

// explainOnPostgres asks for the plan that a prepared statement gets on this connection.
func explainOnPostgres(ctx context.Context, conn *pgx.Conn, sql string) ([]scan, string, error) {
	if _, err := conn.Exec(ctx, "PREPARE statement AS "+sql); err != nil {
		return nil, "", err
	}
	defer func() { _, _ = conn.Exec(ctx, "DEALLOCATE statement") }()
	values, err := samples(ctx, conn, sql)
	if err != nil {
		return nil, "", err
	}
	execute := "EXECUTE statement"
	if len(values) > 0 {
		execute += "('" + strings.Join(values, "','") + "')"
	}
	var plan []byte
	if err := conn.QueryRow(ctx, "EXPLAIN (FORMAT JSON) "+execute).Scan(&plan); err != nil {
		return nil, "", err
	}
	var roots []struct{ Plan node }
	if err := json.Unmarshal(plan, &roots); err != nil {
		return nil, "", err
	}
	indexes, err := indexColumns(ctx, conn)
	if err != nil {
		return nil, "", err
	}
	var scans []scan
	for _, r := range roots {
		r.Plan.scans(indexes, false, &scans)
	}
	return scans, string(plan), nil
}

// index is one of PostgreSQL.
type index struct {
	table   string
	columns []string // without those that are only included
}

func indexColumns(ctx context.Context, conn *pgx.Conn) (map[string]index, error) {
	rows, err := conn.Query(ctx, `SELECT i.indexrelid::REGCLASS::TEXT, i.indrelid::REGCLASS::TEXT, array_agg(a.attname::TEXT ORDER BY a.attnum)
		FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indexrelid WHERE a.attnum <= i.indnkeyatts GROUP BY 1, 2`)
	if err != nil {
		return nil, err
	}
	indexes := map[string]index{}
	var name string
	var ix index
	_, err = pgx.ForEachRow(rows, []any{&name, &ix.table, &ix.columns}, func() error {
		indexes[name] = index{ix.table, slices.Clone(ix.columns)}
		return nil
	})
	return indexes, err
}

// node is one of PostgreSQL's plans.
type node struct {
	Type      string `json:"Node Type"`
	Table     string `json:"Relation Name"`
	Index     string `json:"Index Name"`
	Condition string `json:"Index Cond"`
	Plans     []node
}

// scans collects what the node and those below it read. limited says that somebody above stops reading after some rows.
func (n *node) scans(indexes map[string]index, limited bool, out *[]scan) {
	switch n.Type {
	case "Limit":
		limited = true
	case "Sort", "Incremental Sort", "Aggregate", "Hash", "Hash Join", "Materialize", "Bitmap Heap Scan", "ModifyTable", "CTE Scan":
		limited = false
	case "Seq Scan":
		*out = append(*out, scan{n.Table, true})
	case "Index Scan", "Index Only Scan", "Bitmap Index Scan":
		ix := indexes[n.Index]
		*out = append(*out, scan{ix.table, !limited && !ix.narrowed(n.Condition)})
	}
	for i := range n.Plans {
		n.Plans[i].scans(indexes, limited, out)
	}
}

// narrowed says whether a condition bounds what is read of the index by more than the account.
func (ix *index) narrowed(condition string) bool {
	mentions := func(column string) bool { return regexp.MustCompile(`\b` + column + `\b`).MatchString(condition) }
	if ix.columns[0] == "account_id" && len(ix.columns) > 1 {
		return mentions("account_id") && mentions(ix.columns[1])
	}
	return mentions(ix.columns[0])
}

// explainOnCockroach asks with values, since CockroachDB plans anew for each call.
func explainOnCockroach(ctx context.Context, conn *pgx.Conn, sql string) ([]scan, string, error) {
	values, err := samples(ctx, conn, sql)
	if err != nil {
		return nil, "", err
	}
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	rows, err := conn.Query(ctx, "EXPLAIN "+sql, args...)
	if err != nil {
		return nil, "", err
	}
	var tree, field, description string
	var lines []string
	var p cockroachPlan
	_, err = pgx.ForEachRow(rows, []any{&tree, &field, &description}, func() error {
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%-30s %-12s %s", tree, field, description), " "))
		p.line(tree, field, description)
		return nil
	})
	return p.scans, strings.Join(lines, "\n"), err
}

// sampleOf has values of the types that statements take.
var sampleOf = map[string]func() string{
	"uuid":        uuid.NewString,
	"text":        func() string { return "2026-01-01" }, // some become times
	"int8":        func() string { return "7" },
	"bool":        func() string { return "true" },
	"timestamptz": func() string { return "2026-01-01" },
	"interval":    func() string { return "00:01:00" },
	"bytea":       func() string { return `\x78` },
	"jsonb":       func() string { return "{}" },
}

// samples are values for the parameters of a statement, as texts.
func samples(ctx context.Context, conn *pgx.Conn, sql string) ([]string, error) {
	prepared, err := conn.Prepare(ctx, "", sql)
	if err != nil {
		return nil, err
	}
	values := make([]string, len(prepared.ParamOIDs))
	for i, oid := range prepared.ParamOIDs {
		t, known := conn.TypeMap().TypeForOID(oid)
		if !known {
			return nil, fmt.Errorf("no sample of a parameter with type %d", oid)
		}
		name, isArray := strings.CutPrefix(t.Name, "_")
		switch sample := sampleOf[name]; {
		case sample == nil:
			return nil, fmt.Errorf("no sample of a parameter with type %s", name)
		case isArray:
			values[i] = "{" + sample() + "," + sample() + "}"
		default:
			values[i] = sample()
		}
	}
	return values, nil
}

// cockroachPlan reads the lines of EXPLAIN: nodes, indented by depth, each followed by its fields.
type cockroachPlan struct {
	path  []string // the node at hand and those above it, "" where a level has none
	table string
	scans []scan
}

// wholeAccount is a span from the beginning to the end of what has one first column.
var wholeAccount = regexp.MustCompile(`^/("(?:[^"\\]|\\.)*")-/"(?:[^"\\]|\\.)*"/PrefixEnd`)

func (p *cockroachPlan) line(tree, field, description string) {
	if name := strings.TrimLeft(tree, " │├└─"); name != "" {
		depth := len([]rune(tree)) - len([]rune(name))
		p.path = append(p.path[:min(depth, len(p.path))], make([]string, max(0, depth-len(p.path)))...)
		p.path = append(p.path, name)
	}
	switch field {
	case "table":
		p.table, _, _ = strings.Cut(description, "@")
	case "spans":
		whole := description == "FULL SCAN" || description == "ALL" || wholeAccount.MatchString(description)
		p.scans = append(p.scans, scan{p.table, whole && !p.limited()})
	case "limit":
		if n := len(p.scans); n > 0 {
			p.scans[n-1].whole = false
		}
	}
}

// limited says whether a node above the one at hand stops reading after some rows, with none in between that needs all.
func (p *cockroachPlan) limited() bool {
	for _, name := range slices.Backward(p.path) {
		switch name {
		case "", "scan", "revscan", "render", "filter", "index-join", "lookup-join":
		default:
			return name == "limit"
		}
	}
	return false
}
