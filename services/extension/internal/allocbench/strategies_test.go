package allocbench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/switchboard-phone/switchboard/services/extension/internal/allocator"
	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/etcdx"
)

// insertRows is the durable row that every strategy and the floor write.
const insertRows = `INSERT INTO extensions (account_id, number, state, owner_id, create_time, update_time)
	SELECT $1::UUID, unnest($2::INT8[]), 'ASSIGNED', unnest($3::UUID[]), $4::TIMESTAMPTZ, $4::TIMESTAMPTZ`

// errUnused is the answer of what is not measured.
var errUnused = errors.New("this strategy only allocates")

// strategy allocates in some other way than the product: simple ones, as they are found in the field. None of them is idempotent,
// groups requests, reserves, wishes or says truthfully that a range is exhausted; all of that is in the product's price.
type strategy struct {
	// allocate gives the owners numbers and writes the rows.
	allocate func(ctx context.Context, to tenant, owners []uuid.UUID) ([]number.Number, error)
}

// Allocate implements api.Allocator.
func (s strategy) Allocate(ctx context.Context, r allocator.Request) ([]store.Extension, error) {
	owners := make([]uuid.UUID, len(r.Items))
	for i, item := range r.Items {
		owners[i] = item.Owner
	}
	numbers, err := s.allocate(ctx, tenant{account: r.Account, site: r.Site}, owners)
	if err != nil {
		return nil, err
	}
	out := make([]store.Extension, len(numbers))
	for i, n := range numbers {
		out[i] = store.Extension{Number: n, State: store.Assigned, Owner: owners[i]}
	}
	return out, nil
}

// Preview implements api.Allocator.
func (strategy) Preview(context.Context, allocator.Request) ([]store.Extension, error) {
	return nil, errUnused
}

// Swap implements api.Allocator.
func (strategy) Swap(context.Context, allocator.SwapRequest) (now, before number.Number, err error) {
	return 0, 0, errUnused
}

func ints(ns []number.Number) []int64 {
	out := make([]int64, len(ns))
	for i, n := range ns {
		out[i] = int64(n)
	}
	return out
}

// uuids turns ids into what the driver encodes fastest.
func uuids(ids []uuid.UUID) pgtype.FlatArray[pgtype.UUID] {
	out := make([]pgtype.UUID, len(ids))
	for i, id := range ids {
		out[i] = pgtype.UUID{Bytes: id, Valid: true}
	}
	return out
}

func insert(ctx context.Context, q crdb.Querier, to tenant, ns []number.Number, owners []uuid.UUID) error {
	_, err := q.Exec(ctx, insertRows, to.account, ints(ns), uuids(owners), time.Now())
	return err
}

// again runs fn until it meets neither a conflict nor a number that another was first to take.
func again(ctx context.Context, fn func() error) error {
	for {
		err := fn()
		if c := crdb.Classify(err); err == nil || c != crdb.UniqueViolation && c != crdb.Retryable || ctx.Err() != nil {
			return err
		} // numbers go to somebody at every conflict, so that this ends
	}
}

// nothing answers without writing anything: what remains is what every call of a service costs, whatever it does.
func nothing(first number.Number) strategy {
	return strategy{allocate: func(_ context.Context, _ tenant, owners []uuid.UUID) ([]number.Number, error) {
		ns := make([]number.Number, len(owners))
		for i := range ns {
			ns[i] = first + number.Number(i)
		}
		return ns, nil
	}}
}

// perKey creates one key in etcd for every number, if it is not there, and then writes the row. The candidates come from memory, in
// order, so that this one replica never meets a key that is there already: the cheapest way to do it. A batch is one
// transaction of etcd.
func perKey(tb testing.TB, endpoint string, first number.Number) func(db *crdb.DB) strategy {
	tb.Helper()
	client, err := etcdx.Open(etcdx.Config{Endpoints: []string{endpoint}})
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = client.Close() })
	var mu sync.Mutex
	next := map[uuid.UUID]number.Number{}
	candidates := func(account uuid.UUID, count int) []number.Number {
		mu.Lock()
		defer mu.Unlock()
		out := make([]number.Number, count)
		for i := range out {
			out[i] = first + next[account]
			next[account]++
		}
		return out
	}
	return func(db *crdb.DB) strategy {
		return strategy{allocate: func(ctx context.Context, to tenant, owners []uuid.UUID) ([]number.Number, error) {
			for {
				ns := candidates(to.account, len(owners))
				var ifs []clientv3.Cmp
				var thens []clientv3.Op
				for i, n := range ns {
					key := fmt.Sprintf("/bench/%s/%s", to.account, n)
					ifs = append(ifs, clientv3.Compare(clientv3.CreateRevision(key), "=", 0))
					thens = append(thens, clientv3.OpPut(key, owners[i].String()))
				}
				res, err := client.Txn(ctx).If(ifs...).Then(thens...).Commit()
				if err != nil {
					return nil, err
				}
				if !res.Succeeded {
					continue
				}
				return ns, insert(ctx, db.Pool(), to, ns, owners)
			}
		}}
	}
}

const counterTable = `CREATE TABLE IF NOT EXISTS bench_counters (account_id UUID PRIMARY KEY, next INT8 NOT NULL)`

// counter keeps the next number of an account in a row that every allocation raises.
func counter(tb testing.TB, first number.Number) func(db *crdb.DB) strategy {
	tb.Helper()
	return func(db *crdb.DB) strategy {
		_, err := db.Pool().Exec(tb.Context(), counterTable)
		require.NoError(tb, err)
		return strategy{allocate: func(ctx context.Context, to tenant, owners []uuid.UUID) (ns []number.Number, err error) {
			err = again(ctx, func() error {
				return db.Tx(ctx, "bench.Counter", func(ctx context.Context, tx pgx.Tx) error {
					var next int64
					err := tx.QueryRow(ctx, `INSERT INTO bench_counters (account_id, next) VALUES ($1, $2::INT8 + $3::INT8)
						ON CONFLICT (account_id) DO UPDATE SET next = bench_counters.next + $3::INT8 RETURNING next`,
						to.account, int64(first), len(owners)).Scan(&next)
					if err != nil {
						return err
					}
					ns = ns[:0]
					for i := range owners {
						ns = append(ns, number.Number(next)-number.Number(len(owners)-i))
					}
					return insert(ctx, tx, to, ns, owners)
				})
			})
			return ns, err
		}}
	}
}

const (
	lowestGap = `SELECT e.number + 1 FROM extensions e LEFT JOIN extensions n ON n.account_id = e.account_id AND n.number = e.number + 1
		WHERE e.account_id = $1 AND n.number IS NULL ORDER BY e.number LIMIT 1`
	usedAbove = `SELECT number FROM extensions WHERE account_id = $1 AND number >= $2 ORDER BY number LIMIT $3`
)

// gap looks for the lowest number that has no row, and for a batch upwards from there, and inserts.
func gap(first number.Number) func(db *crdb.DB) strategy {
	return func(db *crdb.DB) strategy {
		return strategy{allocate: func(ctx context.Context, to tenant, owners []uuid.UUID) (ns []number.Number, err error) {
			err = again(ctx, func() error {
				return db.Tx(ctx, "bench.Gap", func(ctx context.Context, tx pgx.Tx) error {
					from := int64(first)
					if err := tx.QueryRow(ctx, lowestGap, to.account).Scan(&from); err != nil && !errors.Is(err, pgx.ErrNoRows) {
						return err
					}
					if ns, err = freeFrom(ctx, tx, to, number.Number(from), len(owners)); err != nil {
						return err
					}
					return insert(ctx, tx, to, ns, owners)
				})
			})
			return ns, err
		}}
	}
}

// freeFrom returns the lowest count free numbers from a free one upwards.
func freeFrom(ctx context.Context, tx pgx.Tx, to tenant, from number.Number, count int) ([]number.Number, error) {
	used := map[number.Number]bool{}
	if count > 1 {
		rows, err := tx.Query(ctx, usedAbove, to.account, int64(from), count)
		if err != nil {
			return nil, err
		}
		all, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			return nil, err
		}
		for _, n := range all {
			used[number.Number(n)] = true
		}
	}
	var out []number.Number
	for n := from; len(out) < count; n++ {
		if !used[n] {
			out = append(out, n)
		}
	}
	return out, nil
}
