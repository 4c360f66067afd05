package crdb

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// planByStatement has the planner choose how to run a statement without regard to the values of its parameters.
//
// Nearly every table begins with the account, in its key and in its indexes, and what the planner knows of an account is as old as
// the table's statistics. One that has grown since, or that a sample missed, it takes for empty: then every index that begins with the
// account looks as good as another, and one person is looked for among all people of the account, or a page among all pages. So
// PostgreSQL makes one plan for all accounts, which it also need not make again for every call, and CockroachDB leaves its histograms
// out. The other half of this is in platform/migrate: PostgreSQL keeps no statistics of accounts at all.
//
// CockroachDB 20.1 has no such setting for a session. There the cluster should keep no histograms (see deploy/operations.md), as
// those that platform/localdb starts do.
func planByStatement(ctx context.Context, conn *pgx.Conn) error {
	set := "SET plan_cache_mode = force_generic_plan"
	if conn.PgConn().ParameterStatus("crdb_version") != "" {
		set = "SET optimizer_use_histograms = off"
	}
	if _, err := conn.Exec(ctx, set); err != nil && Classify(err) != SchemaUnknown { // there is no such setting
		return fmt.Errorf("set up connection: %w", err)
	}
	return nil
}
