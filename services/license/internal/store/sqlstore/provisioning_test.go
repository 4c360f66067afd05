package sqlstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/store/sqlstore"
	"github.com/switchboard-phone/switchboard/services/license/internal/store/storetest"
	"github.com/switchboard-phone/switchboard/services/license/migrations"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestProvisioning(t *testing.T) {
	t.Parallel()
	runSuite(t, storetest.Provisioning)
}

// TestProvisioningLostAnswers runs the life of an operation while every transaction of it is executed and then reported as not
// known.
func TestProvisioningLostAnswers(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		script := &faults.Script{}
		s := sqlstore.New(e.New(t, migrations.FS, func(_ *crdb.Config, o *crdb.Options) { o.Faults = script }))
		ctx, account, site := t.Context(), uuid.New(), uuid.New()
		now := time.Now().UTC()
		_, err := s.CreateAccount(ctx, model.Account{ID: account, DisplayName: "Acme", Seats: 5, Revision: 1, CreateTime: now, UpdateTime: now},
			model.Site{AccountID: account, ID: site, DisplayName: "Main site", IsMain: true, Revision: 1, CreateTime: now}, store.Remember{})
		require.NoError(t, err)
		lost := &crdb.AmbiguousError{Op: "test", Err: errors.New("the answer was lost")}
		for _, op := range []string{"license.BeginSagas", "license.FinishSagas", "license.MarkUndoing", "license.AbortSagas"} {
			for n := 1; n <= 2; n++ {
				script.FailAfter(op, n, lost)
			}
		}
		begin := func() store.Begin {
			id, p := uuid.New(), uuid.New()
			return store.Begin{
				Saga: store.Saga{ID: id, AccountID: account, Kind: "ASSIGN", Plan: []byte("{}"), Seats: 1, PhoneUserIDs: []uuid.UUID{p}}, Claim: time.Minute,
				Insert: []model.PhoneUser{{
					AccountID: account, ID: p, AssigneeKind: model.KindRoom, AssigneeID: uuid.New(), DisplayName: "Room",
					State: model.StateProvisioning, SiteID: site, SagaID: id, Revision: 1, CreateTime: now, UpdateTime: now,
				}},
			}
		}
		finished, undone := begin(), begin()
		for _, b := range []store.Begin{finished, undone} {
			results, err := s.BeginSagas(ctx, account, []store.Begin{b})
			require.NoError(t, err)
			require.NoError(t, results[0].Err)
		}
		done, err := s.FinishSagas(ctx, account, []store.Finish{{Saga: &finished.Saga, Update: finished.Insert}})
		require.NoError(t, err)
		require.Equal(t, []bool{true}, done)
		marked, err := s.MarkUndoing(ctx, undone.Saga.ID, nil)
		require.NoError(t, err)
		require.True(t, marked)
		aborted, err := s.AbortSagas(ctx, account, []store.Abort{{Saga: &undone.Saga, DeletePhoneUsers: true}})
		require.NoError(t, err)
		require.Equal(t, []bool{true}, aborted)
		a, err := s.GetAccount(ctx, account)
		require.NoError(t, err)
		require.Equal(t, 1, a.Taken, "one operation finished, one undone")
	})
}
