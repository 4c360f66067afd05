package sqlstore_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/numbering/internal/books"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/store"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/store/sqlstore"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/store/storetest"
	"github.com/switchboard-phone/switchboard/services/numbering/migrations"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

// bigTables grow with the phone users of an account.
var bigTables = map[string]string{
	"phone_numbers": `INSERT INTO phone_numbers (account_id, number, state, owner_id, create_time)
		SELECT md5((n % $1)::TEXT)::UUID, '+1' || n::TEXT, 'ASSIGNED', gen_random_uuid(), now() FROM generate_series(1, $2) AS g (n)`,
	"package_assignments": `INSERT INTO package_assignments (account_id, owner_id, package_id, create_time)
		SELECT md5((n % $1)::TEXT)::UUID, gen_random_uuid(), md5((n % $1::INT8)::TEXT)::UUID, now() FROM generate_series(1, $2) AS g (n)`,
}

// readAll are the operations that are there to look at all of an account.
var readAll = []string{"numbering.Audit", "numbering.CountNumbers"}

func TestStore(t *testing.T) {
	t.Parallel()
	s := testkit.Suite{Migrations: migrations.FS, Big: bigTables, ReadAll: readAll, Run: func(t *testing.T, e testkit.Engine, record testkit.Option) {
		storetest.Run(t, func(t *testing.T) store.Store { return sqlstore.New(e.New(t, migrations.FS, record)) })
	}}
	s.Check(t)
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newPackage(name string) books.Package {
	return books.Package{ID: uuid.New(), DisplayName: name, Seats: 5, State: books.Active, Revision: 1, CreateTime: noon}
}

// A commit that took effect but was not confirmed is found out by asking; the caller notices nothing.
func TestAmbiguousCommits(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		script := &faults.Script{}
		s := sqlstore.New(e.New(t, migrations.FS, func(_ *crdb.Config, o *crdb.Options) { o.Faults = script }))
		for _, op := range []string{
			sqlstore.OpCreatePackage, sqlstore.OpUpdatePackage, sqlstore.OpCreateNumbers, sqlstore.OpDeleteNumbers, sqlstore.OpChange,
		} {
			script.FailAfter(op, 1, &crdb.AmbiguousError{Op: op, Err: errors.New("connection lost")})
		}
		ctx, account, p := t.Context(), uuid.New(), newPackage("P")
		require.NoError(t, s.CreatePackage(ctx, account, p))
		updated, err := s.UpdatePackage(ctx, account, p.ID, func(p *books.Package) error { p.Seats++; return nil })
		require.NoError(t, err)
		require.Equal(t, int64(6), updated.Seats, "not added twice")
		require.Equal(t, int64(2), updated.Revision)
		require.NoError(t, s.CreateNumbers(ctx, account, []string{"+15550100001", "+15550100002"}, noon))
		require.NoError(t, s.DeleteNumbers(ctx, account, []string{"+15550100002"}))

		c := books.AssignPackage{Package: p.ID, Wants: []books.Want{{Owner: uuid.New(), Numbers: []string{"+15550100001"}}}}
		var out books.Outcome
		require.NoError(t, s.Change(ctx, account, c.Scope(), noon, func(l *books.Ledger) (err error) {
			out, err = c.Apply(l)
			return err
		}))
		require.Equal(t, []string{"+15550100001"}, out.Holdings[0].Numbers)
		got, err := s.GetPackage(ctx, account, p.ID)
		require.NoError(t, err)
		require.Equal(t, int64(1), got.Assigned)
	})
}

// A change is not repeated for ever while commits stay unconfirmed.
func TestAmbiguousForGood(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		script := &faults.Script{}
		s := sqlstore.New(e.New(t, migrations.FS, func(_ *crdb.Config, o *crdb.Options) { o.Faults = script }))
		script.FailAfter(sqlstore.OpChange, faults.Every, &crdb.AmbiguousError{Op: sqlstore.OpChange, Err: errors.New("connection lost")})
		err := s.Change(t.Context(), uuid.New(), books.Scope{Owners: []uuid.UUID{uuid.New()}}, noon, func(*books.Ledger) error { return nil })
		require.True(t, crdb.IsAmbiguous(err))
		require.Equal(t, 3, script.Hits(sqlstore.OpChange))
	})
}

// What should never be there is found: counts that are wrong and numbers without a package.
func TestAuditFindsDamage(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		db := e.New(t, migrations.FS)
		s, ctx, account, p := sqlstore.New(db), t.Context(), uuid.New(), newPackage("P")
		require.NoError(t, s.CreatePackage(ctx, account, p))
		require.NoError(t, s.CreateNumbers(ctx, account, []string{"+15550100001"}, noon))
		damage(t, db, `UPDATE package_seats SET assigned = 2 WHERE account_id = $1`, account)
		owner := uuid.New()
		damage(t, db, `UPDATE phone_numbers SET state = 'ASSIGNED', owner_id = $2 WHERE account_id = $1`, account, owner)
		found, err := s.Audit(ctx, account)
		require.NoError(t, err)
		require.Equal(t, []store.Discrepancy{
			{Package: p.ID, Assigned: 2, Holders: 0}, {Owner: owner, Number: "+15550100001"},
		}, found)
	})
}

// If the count were wrong all the same, the database still refuses more holders than seats, and says so as broken books.
func TestDatabaseKeepsSeats(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		db := e.New(t, migrations.FS)
		s, ctx, account, p := sqlstore.New(db), t.Context(), uuid.New(), newPackage("P")
		require.NoError(t, s.CreatePackage(ctx, account, p))
		owner := uuid.New()
		assign := books.AssignPackage{Package: p.ID, Wants: []books.Want{{Owner: owner}}}
		require.NoError(t, s.Change(ctx, account, assign.Scope(), noon, func(l *books.Ledger) error { _, err := assign.Apply(l); return err }))
		damage(t, db, `UPDATE package_seats SET assigned = 0 WHERE account_id = $1`, account)
		remove := books.Remove{Owners: []uuid.UUID{owner}}
		err := s.Change(ctx, account, remove.Scope(), noon, func(l *books.Ledger) error { _, err := remove.Apply(l); return err })
		require.ErrorIs(t, err, books.ErrBroken)
	})
}

func damage(t *testing.T, db *crdb.DB, sql string, args ...any) {
	t.Helper()
	require.NoError(t, db.Do(t.Context(), "test.Damage", func(ctx context.Context, q crdb.Querier) error {
		_, err := q.Exec(ctx, sql, args...)
		return err
	}))
}
