package keeper_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/numbering/internal/books"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/keeper"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/store/sqlstore"
	"github.com/switchboard-phone/switchboard/services/numbering/migrations"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// bundle is a keeper on a database, with a package in an account.
type bundle struct {
	*keeper.Keeper
	store   *sqlstore.Store
	db      *crdb.DB
	faults  *faults.Script
	reg     *prometheus.Registry
	logs    *bytes.Buffer
	account uuid.UUID
	pkg     uuid.UUID
}

func setup(tb testing.TB, e testkit.Engine, seats int64) *bundle {
	tb.Helper()
	b := &bundle{faults: &faults.Script{}, reg: prometheus.NewRegistry(), logs: &bytes.Buffer{}, account: uuid.New(), pkg: uuid.New()}
	b.db = e.New(tb, migrations.FS, func(_ *crdb.Config, o *crdb.Options) { o.Faults = b.faults })
	b.store = sqlstore.New(b.db)
	b.Keeper = keeper.New(b.store, clock.NewFake(noon), slog.New(slog.NewTextHandler(b.logs, nil)), b.reg)
	tb.Cleanup(func() { require.NoError(tb, b.Close(context.Background())) })
	require.NoError(tb, b.store.CreatePackage(tb.Context(), b.account, books.Package{
		ID: b.pkg, DisplayName: "P", Seats: seats, State: books.Active, Revision: 1, CreateTime: noon,
	}))
	return b
}

func (b *bundle) assign(owners int) books.AssignPackage {
	c := books.AssignPackage{Package: b.pkg}
	for range owners {
		c.Wants = append(c.Wants, books.Want{Owner: uuid.New()})
	}
	return c
}

// Commands that arrive while a transaction is under way share the next one, and each gets its own answer: a refused one does
// not spoil the others, however they lie.
func TestCommandsShareATransaction(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e, 4)
		begun, release := make(chan struct{}), make(chan struct{})
		b.faults.DoBefore(sqlstore.OpChange, 1, func(context.Context) error {
			close(begun)
			<-release
			return nil
		})
		commands := []books.Command{
			b.assign(1), b.assign(4), b.assign(2), books.AssignNumbers{Want: books.Want{Owner: uuid.New(), Numbers: []string{"+15550100"}}},
			books.AssignPackage{Package: uuid.New(), Wants: []books.Want{{Owner: uuid.New()}}}, b.assign(1),
		}
		errs := make([]error, len(commands))
		var all sync.WaitGroup
		start := func(i int) {
			all.Go(func() { _, errs[i] = b.Do(t.Context(), b.account, commands[i]) })
		}
		start(0)
		<-begun
		for i := 1; i < len(commands); i++ {
			start(i)
			testkit.Eventually(t, 10*time.Second, func() error { return b.waiting(i) })
		}
		close(release)
		all.Wait()
		require.Equal(t, 2, b.faults.Hits(sqlstore.OpChange))
		for i, kind := range []books.Kind{"", books.SeatsExhausted, "", books.PackageRequired, books.PackageNotFound, ""} {
			if kind == "" {
				require.NoError(t, errs[i], i)
				continue
			}
			var r *books.RefusalError
			require.ErrorAs(t, errs[i], &r, i)
			require.Equal(t, kind, r.Kind)
		}
		p, err := b.store.GetPackage(t.Context(), b.account, b.pkg)
		require.NoError(t, err)
		require.Equal(t, int64(4), p.Assigned)
		require.Equal(t, 1, testutil.CollectAndCount(b.reg, "switchboard_numbering_group_commands"))
	})
}

// waiting is nil when n commands are known to wait.
func (b *bundle) waiting(n int) error {
	if got := b.Waiting(b.account); got != n {
		return fmt.Errorf("%d commands wait instead of %d", got, n)
	}
	return nil
}

// An answer that is lost for the whole transaction is lost for each of its commands, and each may be repeated.
func TestLostTransaction(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e, 3)
		lost := errors.New("lost")
		b.faults.FailAfter(sqlstore.OpChange, 1, lost)
		c := b.assign(3)
		_, err := b.Do(t.Context(), b.account, c)
		require.ErrorIs(t, err, lost)
		out, err := b.Do(t.Context(), b.account, c)
		require.NoError(t, err)
		require.Equal(t, b.pkg, out.Holdings[2].Package)
		p, err := b.store.GetPackage(t.Context(), b.account, b.pkg)
		require.NoError(t, err)
		require.Equal(t, int64(3), p.Assigned)
	})
}

// Books that contradict themselves are counted and logged, by the audit and by the command that meets them.
func TestBrokenBooksAreMadeKnown(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e, 3)
		c := b.assign(2)
		_, err := b.Do(t.Context(), b.account, c)
		require.NoError(t, err)
		require.NoError(t, b.Audit(t.Context()))
		require.Zero(t, b.metric(t, "switchboard_numbering_broken_total"))
		require.InDelta(t, 1, b.metric(t, "switchboard_numbering_audited_accounts_total"), 0)

		_, err = b.db.Pool().Exec(t.Context(), `UPDATE package_seats SET assigned = 0`)
		require.NoError(t, err)
		require.NoError(t, b.Audit(t.Context()))
		require.InDelta(t, 1, b.metric(t, "switchboard_numbering_broken_total"), 0)
		require.Contains(t, b.logs.String(), b.pkg.String())

		_, err = b.Do(t.Context(), b.account, books.Remove{Owners: []uuid.UUID{c.Wants[0].Owner}})
		require.ErrorIs(t, err, books.ErrBroken)
		require.InDelta(t, 2, b.metric(t, "switchboard_numbering_broken_total"), 0)
	})
}

func (b *bundle) metric(t *testing.T, name string) float64 {
	t.Helper()
	families, err := b.reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// The audit looks through every account, page after page.
func TestAuditPages(t *testing.T) {
	t.Parallel()
	b := setup(t, testkit.Engines(t)[0], 1)
	const accounts = 230
	for range accounts - 1 {
		require.NoError(t, b.store.CreatePackage(t.Context(), uuid.New(), books.Package{
			ID: uuid.New(), DisplayName: "P", State: books.Active, Revision: 1, CreateTime: noon,
		}))
	}
	require.NoError(t, b.Audit(t.Context()))
	require.InDelta(t, accounts, b.metric(t, "switchboard_numbering_audited_accounts_total"), 0)
}

// BenchmarkAssign gives a package to owners, 64 callers at a time: one owner per call, as the service does it and each in a
// transaction of its own (what the service would do without grouping); a hundred owners per call; and, as the floor, the same
// rows written a hundred at a time by bare statements of one caller.
func BenchmarkAssign(b *testing.B) {
	for _, e := range testkit.Engines(b) {
		for _, way := range []struct {
			name   string
			owners int
			do     func(context.Context, *bundle, books.Command) error
		}{{"grouped", 1, grouped}, {"alone", 1, alone}, {"hundreds", 100, grouped}} {
			b.Run(string(e.Kind())+"/"+way.name, func(b *testing.B) {
				k := setup(b, e, 10_000_000)
				b.SetParallelism(32)
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := way.do(b.Context(), k, k.assign(way.owners)); err != nil {
							b.Error(err)
							return
						}
					}
				})
				b.ReportMetric(float64(b.N*way.owners)/b.Elapsed().Seconds(), "owners/s")
			})
		}
		b.Run(string(e.Kind())+"/floor", func(b *testing.B) {
			k := setup(b, e, 10_000_000)
			for b.Loop() {
				require.NoError(b, bare(b.Context(), k, 100))
			}
			b.ReportMetric(float64(b.N*100)/b.Elapsed().Seconds(), "owners/s")
		})
	}
}

func grouped(ctx context.Context, b *bundle, c books.Command) error {
	_, err := b.Do(ctx, b.account, c)
	return err
}

// alone carries a command out in a transaction of its own.
func alone(ctx context.Context, b *bundle, c books.Command) error {
	return b.store.Change(ctx, b.account, c.Scope(), noon, func(l *books.Ledger) error {
		_, err := c.Apply(l)
		return err
	})
}

// bare writes what n assignments leave in the database, and looks at nothing.
func bare(ctx context.Context, b *bundle, n int) error {
	owners := make([]uuid.UUID, n)
	for i := range owners {
		owners[i] = uuid.New()
	}
	return b.db.Tx(ctx, "bench.Bare", func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE package_seats SET assigned = assigned + $3 WHERE account_id = $1 AND package_id = $2`, b.account, b.pkg, n); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO package_assignments (account_id, owner_id, package_id, create_time)
			SELECT $1::UUID, unnest($2::UUID[]), $3::UUID, $4::TIMESTAMPTZ`, b.account, owners, b.pkg, noon)
		return err
	})
}
