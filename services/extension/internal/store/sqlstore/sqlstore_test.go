package sqlstore_test

import (
	"os"
	"testing"

	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store/sqlstore"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store/storetest"
	"github.com/switchboard-phone/switchboard/services/extension/migrations"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

// bigTables grow with the phone users of an account.
var bigTables = map[string]string{
	"extensions": `INSERT INTO extensions (account_id, number, state, owner_id, create_time, update_time)
		SELECT md5((n % $1)::TEXT)::UUID, 40000001000 + n, 'ASSIGNED', gen_random_uuid(), now(), now() FROM generate_series(1, $2) AS g (n)`,
}

func TestStore(t *testing.T) {
	t.Parallel()
	s := testkit.Suite{Migrations: migrations.FS, Big: bigTables, Run: func(t *testing.T, e testkit.Engine, record testkit.Option) {
		storetest.Run(t, func(t *testing.T) (store.Store, store.Store) {
			url := e.NewURL(t, migrations.FS)
			return sqlstore.New(e.Open(t, url, record)), sqlstore.New(e.Open(t, url, record))
		})
	}}
	s.Check(t)
}
