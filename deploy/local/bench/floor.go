package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

// outboxBytes is about what a welcome message takes in the outbox.
const outboxBytes = 700

// floor writes what an assign leaves behind with nothing but the driver: no services, no checks, no reads. It takes the fewest
// transactions that the flow needs, since the intent must be durable before an extension is taken and the extension before the
// caller is answered: begin (license), extensions (extension), finish (license).
type floor struct {
	license, extension *pgxpool.Pool
	account            uuid.UUID

	// begun are phone users as the begin step leaves them, finished the same as the finish step does.
	begun, finished, log, extensions *rowset

	outboxID []*uuid.UUID
	outbox   [][]byte
}

// newFloor takes what the product wrote for an account of n people as its model.
func newFloor(ctx context.Context, s *stack.Stack, model uuid.UUID, n, conns int) (_ *floor, err error) {
	f := &floor{account: uuid.New()}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	if f.license, err = open(ctx, s.DatabaseURL(stack.License), conns); err != nil {
		return nil, err
	}
	if f.extension, err = open(ctx, s.DatabaseURL(stack.Extension), conns); err != nil {
		return nil, err
	}
	for _, x := range []struct {
		pool  *pgxpool.Pool
		table string
		into  **rowset
	}{
		{f.license, "phone_users", &f.begun},
		{f.license, "phone_users", &f.finished},
		{f.license, "account_log", &f.log},
		{f.extension, "extensions", &f.extensions},
	} {
		if *x.into, err = readModel(ctx, x.pool, x.table, model, n); err != nil {
			return nil, err
		}
	}
	if err := f.prepare(n); err != nil {
		return nil, err
	}
	_, err = f.license.Exec(ctx, `INSERT INTO account_seats (account_id, seats, taken) VALUES ($1, $2, 0)`, f.account, n)
	return f, err
}

func open(ctx context.Context, url string, conns int) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("the database URL cannot be parsed")
	}
	cfg.MaxConns, cfg.MinConns = int32(conns), int32(conns)
	cfg.ConnConfig.RuntimeParams["default_transaction_isolation"] = "serializable"
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	return pool, nil
}

func readModel(ctx context.Context, pool *pgxpool.Pool, table string, model uuid.UUID, n int) (*rowset, error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	defer conn.Release()
	set, err := readRows(ctx, conn.Conn(), table, model, n)
	if err != nil {
		return nil, err
	}
	if set.count != n {
		return nil, fmt.Errorf("table %s holds %d rows of the account, not %d", table, set.count, n)
	}
	return set, nil
}

// prepare gives all rows keys of their own and puts those of the begin step into its state.
func (f *floor) prepare(n int) error {
	mask := rand.Uint64() >> 2 // the two bits in front say which kind of UUID it is
	for _, set := range []*rowset{f.begun, f.finished, f.log, f.extensions} {
		set.rekey(f.account, mask)
	}
	for name, value := range map[string]string{"extension_number": "", "state": "PROVISIONING"} {
		c, err := f.begun.find(name)
		if err != nil {
			return err
		}
		for i := range c.texts {
			c.texts[i] = &value
		}
	}
	f.outboxID, f.outbox = make([]*uuid.UUID, n), make([][]byte, n)
	for i := range n {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("making an id: %w", err)
		}
		f.outboxID[i], f.outbox[i] = &id, make([]byte, outboxBytes)
	}
	return nil
}

func (f *floor) close() {
	for _, pool := range []*pgxpool.Pool{f.license, f.extension} {
		if pool != nil {
			pool.Close()
		}
	}
}

// assign writes the people from..to. What workers of the product could pick up is claimed for long enough that none does.
func (f *floor) assign(ctx context.Context, from, to int) error {
	saga := uuid.New()
	if err := transaction(ctx, f.license, func(batch *pgx.Batch) { f.begin(batch, saga, from, to) }); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := transaction(ctx, f.extension, func(batch *pgx.Batch) {
		sql, params := f.extensions.insert(from, to)
		batch.Queue(sql, params...)
	}); err != nil {
		return fmt.Errorf("extensions: %w", err)
	}
	if err := transaction(ctx, f.license, func(batch *pgx.Batch) { f.finish(batch, saga, from, to) }); err != nil {
		return fmt.Errorf("finish: %w", err)
	}
	return nil
}

func (f *floor) begin(batch *pgx.Batch, saga uuid.UUID, from, to int) {
	batch.Queue(`UPDATE account_seats SET taken = taken + $2 WHERE account_id = $1`, f.account, to-from)
	sql, params := f.begun.insert(from, to)
	batch.Queue(sql, params...)
	batch.Queue(`INSERT INTO sagas (saga_id, account_id, kind, state, plan, phone_users, seats, request_id, actor, trace_id, attempts, claimed_until, create_time)
		VALUES ($1, $2, 'ASSIGN', 'RUNNING', '{}', '', $3, '', 'bench', '', 0, now() + INTERVAL '1 hour', now())`, saga, f.account, to-from)
}

func (f *floor) finish(batch *pgx.Batch, saga uuid.UUID, from, to int) {
	batch.Queue(`DELETE FROM sagas WHERE saga_id = $1`, saga)
	// The form of an update that finds each row by its key on both engines.
	sql, params := f.finished.insert(from, to)
	batch.Queue(sql+` ON CONFLICT (account_id, phone_user_id) DO UPDATE SET state = excluded.state,
		extension_number = excluded.extension_number, revision = excluded.revision, update_time = excluded.update_time`, params...)
	sql, params = f.log.insert(from, to)
	batch.Queue(sql, params...)
	batch.Queue(`INSERT INTO outbox (message_id, account_id, message, claimed_until, create_time)
		SELECT unnest($2::UUID[]), $1::UUID, unnest($3::BYTEA[]), now() + INTERVAL '1 hour', now()`, f.account, f.outboxID[from:to], f.outbox[from:to])
}

// cleanUp takes the outbox rows away, which nobody is to send.
func (f *floor) cleanUp(ctx context.Context) error {
	if _, err := f.license.Exec(ctx, `DELETE FROM outbox WHERE account_id = $1`, f.account); err != nil {
		return fmt.Errorf("cleaning up: %w", err)
	}
	return nil
}

// transaction runs statements in one round trip and commits, again where the database asks for it.
func transaction(ctx context.Context, pool *pgxpool.Pool, queue func(*pgx.Batch)) error {
	for {
		err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			var batch pgx.Batch
			queue(&batch)
			return tx.SendBatch(ctx, &batch).Close()
		})
		if crdb.Classify(err) != crdb.Retryable {
			return err
		}
	}
}
