package sqlstore_test

import (
	"os"
	"testing"

	"github.com/switchboard-phone/switchboard/services/notification/internal/store"
	"github.com/switchboard-phone/switchboard/services/notification/internal/store/sqlstore"
	"github.com/switchboard-phone/switchboard/services/notification/internal/store/storetest"
	"github.com/switchboard-phone/switchboard/services/notification/migrations"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

func TestStore(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		storetest.Run(t, func(t *testing.T) store.Store { return sqlstore.New(e.New(t, migrations.FS)) })
	})
}
