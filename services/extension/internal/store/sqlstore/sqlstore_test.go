package sqlstore_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store/sqlstore"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store/storetest"
	"github.com/switchboard-phone/switchboard/services/extension/migrations"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

func TestStore(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		storetest.Run(t, func(t *testing.T) (store.Store, store.Store) {
			url := e.NewURL(t, migrations.FS)
			return sqlstore.New(e.Open(t, url)), sqlstore.New(e.Open(t, url))
		})
	})
}

// TestReadsByNumberOfANewAccount reads by number in an account that the table's statistics do not know, so that the planner takes it
// for empty. No row may be found by way of its owner: of those that are looked at that way, there are as many as the account has.
func TestReadsByNumberOfANewAccount(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		if e.Kind() != crdb.PostgreSQL {
			t.Skip("CockroachDB is told which index to use, and does not count what is read by which")
		}
		// One connection, so that what it did is counted before it is asked.
		db := e.Open(t, e.NewURL(t, migrations.FS), func(c *crdb.Config, _ *crdb.Options) { c.MaxConns = 1 })
		s, rows := sqlstore.New(db), 5000
		fill := func() uuid.UUID {
			account := uuid.New()
			_, err := db.Pool().Exec(t.Context(), `INSERT INTO extensions (account_id, number, state, owner_id, create_time, update_time)
				SELECT $1::UUID, 40000001000 + n, 'ASSIGNED', gen_random_uuid(), now(), now() FROM generate_series(1, $2::INT8) AS n`, account, rows)
			require.NoError(t, err)
			return account
		}
		for range 30 {
			fill()
		}
		_, err := db.Pool().Exec(t.Context(), "ANALYZE extensions")
		require.NoError(t, err)
		account, now := fill(), time.Now()
		span := number.Span{From: number.MustParse("3000"), To: number.MustParse("3255")}
		used, err := s.Used(t.Context(), account, []number.Span{span}, now)
		require.NoError(t, err)
		require.Len(t, used, 256)
		uses, err := s.Occupancy(t.Context(), account, []number.Span{span}, nil, now)
		require.NoError(t, err)
		require.Equal(t, [][]store.BlockUse{{{Block: 0, Used: 256}}}, uses)
		count, err := s.CountUsed(t.Context(), []store.UseQuery{{Account: account, Span: span}}, nil, now)
		require.NoError(t, err)
		require.Equal(t, []int64{256}, count)
		gaps, err := s.Gaps(t.Context(), account, span, now, 10)
		require.NoError(t, err)
		require.Empty(t, gaps)
		found, err := s.Lookup(t.Context(), account, []number.Number{span.From, span.To}, now)
		require.NoError(t, err)
		require.Len(t, found, 2)
		page, err := s.ListExtensions(t.Context(), account, store.List{After: span.From, Limit: 100}, now)
		require.NoError(t, err)
		require.Len(t, page, 100)

		read := func() (byNumber, byOwner int64) {
			_, err := db.Pool().Exec(t.Context(), "SELECT pg_stat_force_next_flush()")
			require.NoError(t, err)
			require.NoError(t, db.Pool().QueryRow(t.Context(), `SELECT
				sum(idx_tup_read) FILTER (WHERE indexrelname = 'extensions_pkey')::INT8, sum(idx_tup_read) FILTER (WHERE indexrelname = 'extensions_owner_key')::INT8
				FROM pg_stat_user_indexes WHERE relname = 'extensions'`).Scan(&byNumber, &byOwner))
			return byNumber, byOwner
		}
		testkit.Eventually(t, 10*time.Second, func() error {
			if byNumber, _ := read(); byNumber < 4*256 {
				return fmt.Errorf("%d rows were read by number", byNumber)
			}
			return nil
		})
		_, byOwner := read()
		require.Zero(t, byOwner)
	})
}
