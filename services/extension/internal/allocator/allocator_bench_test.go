package allocator_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/migrations"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/etcdtest"
)

// BenchmarkSingles compares, on one database and with 32 callers at once, numbers given out one by one: by this allocator, with
// blocks and without; by the obvious way, which looks for the next number in the transaction that writes it; and the floor,
// one-row commits of numbers that nobody has to choose.
//
//	go test -run '^$' -bench Singles ./extension/internal/allocator
func BenchmarkSingles(b *testing.B) {
	for _, e := range testkit.Engines(b) {
		b.Run(string(e.Kind()), func(b *testing.B) {
			w := &world{engine: e, url: e.NewURL(b, migrations.FS)}
			db := e.Open(b, w.url, func(c *crdb.Config, _ *crdb.Options) { c.MaxConns = 32 })
			b.Run("leased", func(b *testing.B) { w.bench(b, leasing(etcdtest.New(b))) })
			b.Run("database", func(b *testing.B) { w.bench(b) })
			b.Run("naive", func(b *testing.B) { parallel(b, naive(db)) })
			b.Run("floor", func(b *testing.B) { parallel(b, floor(db)) })
		})
	}
}

func parallel(b *testing.B, one func(ctx context.Context) error) {
	b.Helper()
	b.SetParallelism(16) // times GOMAXPROCS
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := one(b.Context()); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "numbers/s")
}

func (w *world) bench(b *testing.B, opts ...option) {
	b.Helper()
	w.account, w.site = uuid.New(), uuid.New()
	r := w.replica(b, opts...)
	w.newRange(b, r, "1000000", "9999999")
	parallel(b, func(ctx context.Context) error {
		_, err := r.Allocate(ctx, w.request(1))
		return err
	})
}

const insertRow = `INSERT INTO extensions (account_id, number, state, owner_id, create_time, update_time) VALUES ($1, $2, 'ASSIGNED', $3, $4, $4)`

func floor(db *crdb.DB) func(ctx context.Context) error {
	account := uuid.New()
	var last atomic.Int64
	last.Store(int64(number.MustParse("1000000")))
	return func(ctx context.Context) error {
		_, err := db.Pool().Exec(ctx, insertRow, account, last.Add(1), uuid.New(), time.Now())
		return err
	}
}

func naive(db *crdb.DB) func(ctx context.Context) error {
	account := uuid.New()
	return func(ctx context.Context) error {
		for {
			err := db.Tx(ctx, "bench.Naive", func(ctx context.Context, tx pgx.Tx) error {
				var next int64
				if err := tx.QueryRow(ctx, `SELECT coalesce(max(number), $2::INT8) + 1 FROM extensions WHERE account_id = $1`,
					account, int64(number.MustParse("1000000"))).Scan(&next); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, insertRow, account, next, uuid.New(), time.Now())
				return err
			})
			if c := crdb.Classify(err); c != crdb.UniqueViolation && c != crdb.Retryable || errors.Is(err, context.Canceled) {
				return err
			}
		}
	}
}
