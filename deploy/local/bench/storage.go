package bench

import (
	"context"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

// Table is what one table takes.
type Table struct {
	Service string `json:"service"`
	Table   string `json:"table"`
	Rows    int64  `json:"rows"`
	// Bytes are those of one copy with its indexes: on PostgreSQL on disk, on CockroachDB before compression, with rows that were
	// changed or deleted not long ago.
	Bytes int64 `json:"bytes"`
}

// Storage says what the databases of all services keep, and for how many phone users.
type Storage struct {
	PhoneUsers int64   `json:"phoneUsers"`
	Tables     []Table `json:"tables"`
}

// sizes are the queries for the names and sizes of the tables of the database one is connected to.
var sizes = map[crdb.Engine]string{
	crdb.PostgreSQL: `SELECT relname::TEXT, pg_total_relation_size(oid)::INT8 FROM pg_class
		WHERE relkind = 'r' AND relnamespace = 'public'::REGNAMESPACE ORDER BY 2 DESC`,
	crdb.CockroachDB: `SELECT table_name, sum(range_size_mb * 1000000)::INT8 FROM [SHOW RANGES FROM DATABASE %s]
		WHERE table_name != '' GROUP BY 1 ORDER BY 2 DESC`,
}

// measureStorage looks at every table of every service.
func measureStorage(ctx context.Context, s *stack.Stack) (*Storage, error) {
	out := &Storage{}
	for _, service := range []string{stack.License, stack.Extension, stack.Numbering, stack.Notification} {
		tables, err := tablesOf(ctx, s, service)
		if err != nil {
			return nil, fmt.Errorf("the size of what %s keeps: %w", service, err)
		}
		for _, t := range tables {
			if t.Table == "phone_users" {
				out.PhoneUsers = t.Rows
			}
		}
		out.Tables = append(out.Tables, tables...)
	}
	return out, nil
}

func tablesOf(ctx context.Context, s *stack.Stack, service string) (tables []Table, err error) {
	cfg, err := pgx.ParseConfig(s.DatabaseURL(service))
	if err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, s.Database().URL(cfg.Database)) // an administrator's, who may ask for sizes
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(ctx) }()
	query := sizes[s.Database().Engine]
	if s.Database().Engine == crdb.CockroachDB {
		query = fmt.Sprintf(query, pgx.Identifier{cfg.Database}.Sanitize())
	}
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	if tables, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Table, error) {
		t := Table{Service: service}
		return t, row.Scan(&t.Table, &t.Bytes)
	}); err != nil {
		return nil, err
	}
	for i, t := range tables {
		if err := conn.QueryRow(ctx, "SELECT count(*) FROM "+pgx.Identifier{t.Table}.Sanitize()).Scan(&tables[i].Rows); err != nil {
			return nil, err
		}
	}
	return tables, nil
}

// Table writes what a phone user takes.
func (s *Storage) Table(out io.Writer) {
	users := float64(s.PhoneUsers)
	say(out, "\nwhat is kept for each of %d phone users, with indexes", s.PhoneUsers)
	sum := 0.0
	for _, t := range s.Tables {
		each := float64(t.Bytes) / users
		sum += each
		if each >= 10 { // those with a row or two for everybody say nothing
			say(out, "  %-14s %-22s %6.2f rows %8.0f bytes", t.Service, t.Table, float64(t.Rows)/users, each)
		}
	}
	say(out, "  all together %.0f bytes", sum)
}
