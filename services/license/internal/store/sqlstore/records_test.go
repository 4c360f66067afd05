package sqlstore_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/store/sqlstore"
	"github.com/switchboard-phone/switchboard/services/license/internal/store/storetest"
	"github.com/switchboard-phone/switchboard/services/license/migrations"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

func TestRecords(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		storetest.Records(t, func(t *testing.T) (store.Store, store.Store) {
			url := e.NewURL(t, migrations.FS)
			return sqlstore.New(e.Open(t, url)), sqlstore.New(e.Open(t, url))
		})
	})
}

// TestRecordsLostAnswers carries out every write once while its result is not known: it counts as done, and is done once.
func TestRecordsLostAnswers(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		script := &faults.Script{}
		s := sqlstore.New(e.New(t, migrations.FS, func(_ *crdb.Config, o *crdb.Options) { o.Faults = script }))
		lost := &crdb.AmbiguousError{Op: "test", Err: errors.New("the answer was lost")}
		for _, op := range []string{"CreateAccount", "CreateSite", "CreateUsers", "CreateRoom", "CreateTemplate", "DeleteSite", "DeleteTemplate"} {
			script.FailAfter("license."+op, 1, lost)
		}
		ctx, now := t.Context(), time.Now().UTC()
		account, mainSite, site, user, room, template := uuid.New(), uuid.New(), uuid.New(), uuid.New(), uuid.New(), uuid.New()
		replay, err := s.CreateAccount(ctx, model.Account{ID: account, DisplayName: "Acme", Seats: 5, Revision: 1, CreateTime: now, UpdateTime: now},
			model.Site{AccountID: account, ID: mainSite, DisplayName: "Main site", IsMain: true, Revision: 1, CreateTime: now},
			store.Remember{RequestID: "r", BodyHash: []byte("h"), Answer: []byte("a")})
		require.NoError(t, err)
		require.Nil(t, replay, "it was this call that acted")
		require.NoError(t, s.CreateSite(ctx, model.Site{AccountID: account, ID: site, DisplayName: "Two", Revision: 1, CreateTime: now}, 10))
		_, err = s.CreateUsers(ctx, account, store.NewUsers{Path: func(int) string { return "user" }, Users: []model.User{{
			AccountID: account, ID: user, Email: "a@example.com", DisplayName: "A", Role: model.RoleMember, Status: model.UserActive, CreateTime: now,
		}}}, store.Remember{})
		require.NoError(t, err)
		_, err = s.CreateRoom(ctx, model.Room{AccountID: account, ID: room, DisplayName: "Blue", SiteID: mainSite, CreateTime: now})
		require.NoError(t, err)
		require.NoError(t, s.CreateTemplate(ctx, model.Template{
			AccountID: account, ID: template, DisplayName: "T", Settings: &licensev1.Settings{}, Revision: 1, CreateTime: now,
		}, 10))
		require.NoError(t, s.DeleteSite(ctx, account, site))
		require.NoError(t, s.DeleteTemplate(ctx, account, template))

		_, err = s.GetUser(ctx, account, user)
		require.NoError(t, err)
		rooms, err := s.ListRooms(ctx, account, store.RoomQuery{Limit: 10})
		require.NoError(t, err)
		require.Len(t, rooms, 1)
		_, err = s.GetSite(ctx, account, site)
		require.Equal(t, commonv1.Reason_NOT_FOUND, errs.Reason(err))
		_, err = s.GetTemplate(ctx, account, template)
		require.Equal(t, commonv1.Reason_NOT_FOUND, errs.Reason(err))
	})
}
