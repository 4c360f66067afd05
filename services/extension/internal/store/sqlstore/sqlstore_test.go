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

func TestStore(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		storetest.Run(t, func(t *testing.T) (store.Store, store.Store) {
			url := e.NewURL(t, migrations.FS)
			return sqlstore.New(e.Open(t, url)), sqlstore.New(e.Open(t, url))
		})
	})
}
