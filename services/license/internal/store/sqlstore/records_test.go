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

// runSuite runs a suite, and looks at its plans.
func runSuite(t *testing.T, suite func(t *testing.T, open func(t *testing.T) (store.Store, store.Store))) {
	s := testkit.Suite{Migrations: migrations.FS, Big: bigTables, ReadAll: readAll, Run: func(t *testing.T, e testkit.Engine, record testkit.Option) {
		suite(t, func(t *testing.T) (store.Store, store.Store) {
			url := e.NewURL(t, migrations.FS)
			return sqlstore.New(e.Open(t, url, record)), sqlstore.New(e.Open(t, url, record))
		})
	}}
	s.Check(t)
}

// bigTables grow with the phone users of an account, or with what happens to them.
var bigTables = map[string]string{
	"users": `INSERT INTO users (account_id, user_id, email, email_key, given_name, family_name, display_name, sort_key, search_text, role,
			status, features, create_time)
		SELECT md5((n % $1)::TEXT)::UUID, gen_random_uuid(), n::TEXT || '@example.com', n::TEXT || '@example.com', 'A', n::TEXT, 'A ' || n::TEXT, 'a ' || n::TEXT,
			'a ' || n::TEXT, 'MEMBER', 'ACTIVE', '', now() - n * INTERVAL '1 minute' FROM generate_series(1, $2) AS g (n)`,
	"phone_users": `INSERT INTO phone_users (account_id, phone_user_id, assignee_kind, assignee_id, live_assignee_id, display_name, email, sort_key,
			search_text, state, extension_number, site_id, phone_numbers, trashed_phone_numbers, settings, setup_complete, invited, revision,
			create_time, update_time)
		SELECT md5((n % $1)::TEXT)::UUID, gen_random_uuid(), 'USER', gen_random_uuid(), gen_random_uuid(), 'A ' || n::TEXT, n::TEXT || '@example.com', 'a ' || n::TEXT,
			' a ' || n::TEXT, 'ACTIVE', n::TEXT, md5((n % $1)::TEXT)::UUID, '', '', '{}', TRUE, FALSE, 1, now() - n * INTERVAL '1 minute', now()
		FROM generate_series(1, $2) AS g (n)`,
	"account_log": `INSERT INTO account_log (account_id, time, entry_id, kind, phone_user_id, assignee_kind, assignee_id, display_name, actor, request_id,
			before, after)
		SELECT md5((n % $1)::TEXT)::UUID, now() - n * INTERVAL '1 minute', gen_random_uuid(), 'ASSIGNED', gen_random_uuid(), 'USER', gen_random_uuid(),
			'A ' || n::TEXT, '', '', '{}', '{}' FROM generate_series(1, $2) AS g (n)`,
	"requests": `INSERT INTO requests (account_id, request_id, body_hash, response, create_time)
		SELECT md5((n % $1)::TEXT)::UUID, n::TEXT, '', '', now() - n * INTERVAL '1 minute' FROM generate_series(1, $2) AS g (n)`,
}

// readAll is what may look at all phone users, or all people, of an account: counts, and searches for what no index by name holds,
// direct numbers, and whether anybody is at a site.
var readAll = []string{
	"license.CountPhoneUsers", "license.CountUsers", "license.ListPhoneUsers strpos(phone_numbers", "license.DeleteSite EXISTS",
}

func TestRecords(t *testing.T) {
	t.Parallel()
	runSuite(t, storetest.Records)
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
