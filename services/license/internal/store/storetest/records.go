// Package storetest is the suite that every implementation of the license service's store must pass. An implementation's tests call its
// exported functions, each of which covers some of the interfaces in package store.
package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// Records shows that a store keeps accounts, sites, directory, templates, phone users and log as store.Records promises. open
// returns two stores over one fresh database, as two replicas of the service would have.
func Records(t *testing.T, open func(t *testing.T) (a, b store.Store)) {
	for name, test := range map[string]func(t *testing.T, f *fixture){
		"CreateAccount":         testCreateAccount,
		"CreateAccountOnce":     testCreateAccountOnce,
		"UpdateAccount":         testUpdateAccount,
		"Sites":                 testSites,
		"SiteNames":             testSiteNames,
		"SiteLimit":             testSiteLimit,
		"ResolveSite":           testResolveSite,
		"OneMainSite":           testOneMainSite,
		"DeleteSite":            testDeleteSite,
		"DeleteSiteInUse":       testDeleteSiteInUse,
		"Templates":             testTemplates,
		"CreateUsers":           testCreateUsers,
		"CreateUsersRefusals":   testCreateUsersRefusals,
		"CreateUsersOnce":       testCreateUsersOnce,
		"CreateUsersRace":       testCreateUsersRace,
		"ListUsers":             testListUsers,
		"ListUsersPages":        testListUsersPages,
		"LongNames":             testLongNames,
		"Rooms":                 testRooms,
		"ReadPhoneUsers":        testReadPhoneUsers,
		"ListPhoneUsersOrders":  testListPhoneUsersOrders,
		"ListPhoneUsersSearch":  testListPhoneUsersSearch,
		"ListPhoneUsersFilters": testListPhoneUsersFilters,
		"Log":                   testLog,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := open(t)
			test(t, newFixture(t, a, b))
		})
	}
}

func stamp() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// requireReason fails unless err is a refusal for that reason.
func requireReason(t *testing.T, want commonv1.Reason, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, errs.Reason(err), "%v", err)
}

// fieldsOf lists the fields that a refusal blames.
func fieldsOf(t *testing.T, err error) []string {
	t.Helper()
	e, ok := errs.From(err)
	require.True(t, ok)
	var fields []string
	for _, v := range e.Violations() {
		fields = append(fields, v.GetField())
	}
	return fields
}

// requireSame compares records; times are compared as instants.
func requireSame(t *testing.T, want, got any) {
	t.Helper()
	require.Empty(t, cmp.Diff(want, got, protocmp.Transform()))
}

func newAccount(seats int) (model.Account, model.Site) {
	now := stamp()
	a := model.Account{ID: newID(), DisplayName: "Åsa & Co", Seats: seats, Revision: 1, CreateTime: now, UpdateTime: now, Policy: model.Policy{
		SoftDelete: true, ExtensionQuarantine: time.Hour, PhoneNumberQuarantine: 365 * 24 * time.Hour,
	}}
	return a, model.Site{AccountID: a.ID, ID: newID(), DisplayName: "Main site", IsMain: true, Revision: 1, CreateTime: now}
}

func testCreateAccount(t *testing.T, f *fixture) {
	a, main := newAccount(7)
	replay, err := f.store.CreateAccount(t.Context(), a, main, store.Remember{})
	require.NoError(t, err)
	require.Nil(t, replay)
	got, err := f.other.GetAccount(t.Context(), a.ID)
	require.NoError(t, err)
	requireSame(t, a, got)
	sites, err := f.other.ListSites(t.Context(), a.ID, nil, 10)
	require.NoError(t, err)
	requireSame(t, []model.Site{main}, sites)
	_, err = f.store.GetAccount(t.Context(), newID())
	requireReason(t, commonv1.Reason_NOT_FOUND, err)
}

func testCreateAccountOnce(t *testing.T, f *fixture) {
	r := store.Remember{Owner: "ada", RequestID: "r1", BodyHash: []byte("body"), Answer: []byte("answer")}
	var made, replayed atomic.Int32
	var all sync.WaitGroup
	for i := range 8 {
		s := f.store
		if i%2 == 1 {
			s = f.other
		}
		all.Go(func() {
			a, main := newAccount(1)
			replay, err := s.CreateAccount(t.Context(), a, main, r)
			switch {
			case err != nil:
				t.Errorf("create account: %v", err)
			case replay == nil:
				made.Add(1)
			case string(replay) == "answer":
				replayed.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1, made.Load(), "one call acts")
	require.EqualValues(t, 7, replayed.Load(), "the others get its answer")

	a, main := newAccount(1)
	changed := r
	changed.BodyHash = []byte("another body")
	_, err := f.store.CreateAccount(t.Context(), a, main, changed)
	requireReason(t, commonv1.Reason_REQUEST_ID_REUSED, err)
	require.Equal(t, "r1", metadataOf(t, err)["request_id"], "the caller's own words")
	_, err = f.store.GetAccount(t.Context(), a.ID)
	requireReason(t, commonv1.Reason_NOT_FOUND, err)

	changed.Owner = "bob"
	replay, err := f.store.CreateAccount(t.Context(), a, main, changed)
	require.NoError(t, err)
	require.Nil(t, replay, "another caller's request id is another one")
}

func testUpdateAccount(t *testing.T, f *fixture) {
	later := stamp().Add(time.Hour)
	updated, err := f.store.UpdateAccount(t.Context(), f.account, func(a model.Account) (model.Account, error) {
		require.Equal(t, "Acme", a.DisplayName)
		a.DisplayName, a.Seats, a.UpdateTime = "Acme Ltd", 20, later
		a.Policy = model.Policy{SoftDelete: true, ExtensionQuarantine: time.Minute}
		return a, nil
	})
	require.NoError(t, err)
	require.EqualValues(t, 2, updated.Revision)
	got, err := f.store.GetAccount(t.Context(), f.account)
	require.NoError(t, err)
	requireSame(t, updated, got)
	require.Equal(t, 20, got.Seats)

	refusal := errors.New("no")
	_, err = f.store.UpdateAccount(t.Context(), f.account, func(a model.Account) (model.Account, error) {
		a.DisplayName = "other"
		return a, refusal
	})
	require.ErrorIs(t, err, refusal)
	again, err := f.store.GetAccount(t.Context(), f.account)
	require.NoError(t, err)
	requireSame(t, got, again)
	_, err = f.store.UpdateAccount(t.Context(), newID(), func(a model.Account) (model.Account, error) { return a, nil })
	requireReason(t, commonv1.Reason_NOT_FOUND, err)

	// Changes at the same time take turns: none is lost.
	var all sync.WaitGroup
	for i := range 10 {
		s := f.store
		if i%2 == 1 {
			s = f.other
		}
		all.Go(func() {
			_, err := s.UpdateAccount(t.Context(), f.account, func(a model.Account) (model.Account, error) {
				a.Seats++
				return a, nil
			})
			if err != nil {
				t.Errorf("update account: %v", err)
			}
		})
	}
	all.Wait()
	got, err = f.store.GetAccount(t.Context(), f.account)
	require.NoError(t, err)
	require.Equal(t, 30, got.Seats)
}

func (f *fixture) template(name string, site uuid.UUID) model.Template {
	return model.Template{
		AccountID: f.account, ID: newID(), DisplayName: name, SiteID: site, Revision: 1, CreateTime: stamp(),
		Settings: &licensev1.Settings{TimeZone: proto.String("Europe/Lisbon"), RingSeconds: proto.Int32(20)},
	}
}

func testTemplates(t *testing.T, f *fixture) {
	ctx := t.Context()
	b, a := f.template("Beta", f.site), f.template("alpha", uuid.Nil)
	for _, tpl := range []model.Template{b, a} {
		require.NoError(t, f.store.CreateTemplate(ctx, tpl, 3))
	}
	got, err := f.store.GetTemplate(ctx, f.account, b.ID)
	require.NoError(t, err)
	requireSame(t, b, got)
	list, err := f.other.ListTemplates(ctx, f.account, nil, 10)
	require.NoError(t, err)
	requireSame(t, []model.Template{a, b}, list)
	list, err = f.other.ListTemplates(ctx, f.account, &store.NameCursor{Key: model.Fold(a.DisplayName), ID: a.ID}, 10)
	require.NoError(t, err)
	requireSame(t, []model.Template{b}, list)

	requireReason(t, commonv1.Reason_NAME_IN_USE, f.store.CreateTemplate(ctx, f.template("ALPHA", uuid.Nil), 3))
	requireReason(t, commonv1.Reason_NOT_FOUND, f.store.CreateTemplate(ctx, f.template("c", newID()), 3))
	foreign := f.template("c", uuid.Nil)
	foreign.AccountID = newID()
	requireReason(t, commonv1.Reason_NOT_FOUND, f.store.CreateTemplate(ctx, foreign, 3))
	require.NoError(t, f.store.CreateTemplate(ctx, f.template("c", uuid.Nil), 3))
	err = f.store.CreateTemplate(ctx, f.template("d", uuid.Nil), 3)
	requireReason(t, commonv1.Reason_LIMIT_REACHED, err)
	require.Equal(t, "3", metadataOf(t, err)["limit"])

	updated, err := f.store.UpdateTemplate(ctx, f.account, a.ID, func(tpl model.Template) (model.Template, error) {
		tpl.DisplayName, tpl.Settings = "Alpha 2", &licensev1.Settings{CallWaiting: proto.Bool(false)}
		return tpl, nil
	})
	require.NoError(t, err)
	require.EqualValues(t, 2, updated.Revision)
	got, err = f.store.GetTemplate(ctx, f.account, a.ID)
	require.NoError(t, err)
	requireSame(t, updated, got)
	_, err = f.store.UpdateTemplate(ctx, f.account, a.ID, func(tpl model.Template) (model.Template, error) {
		tpl.DisplayName = "beta"
		return tpl, nil
	})
	requireReason(t, commonv1.Reason_NAME_IN_USE, err)
	_, err = f.store.UpdateTemplate(ctx, f.account, newID(), func(tpl model.Template) (model.Template, error) { return tpl, nil })
	requireReason(t, commonv1.Reason_NOT_FOUND, err)

	require.NoError(t, f.store.DeleteTemplate(ctx, f.account, a.ID))
	requireReason(t, commonv1.Reason_NOT_FOUND, f.store.DeleteTemplate(ctx, f.account, a.ID))
	_, err = f.store.GetTemplate(ctx, f.account, a.ID)
	requireReason(t, commonv1.Reason_NOT_FOUND, err)
}

// race runs n calls side by side over both replicas and returns how many succeeded; those refused must be so for that reason.
func (f *fixture) race(t *testing.T, n int, reason commonv1.Reason, call func(s store.Store, i int) error) int {
	t.Helper()
	var succeeded atomic.Int32
	var all sync.WaitGroup
	for i := range n {
		s := f.store
		if i%2 == 1 {
			s = f.other
		}
		all.Go(func() {
			err := call(s, i)
			switch {
			case err == nil:
				succeeded.Add(1)
			case errs.Reason(err) != reason:
				t.Errorf("call %d: %v", i, err)
			}
		})
	}
	all.Wait()
	return int(succeeded.Load())
}

func label(i int) string { return fmt.Sprintf("%c%d", 'a'+i%26, i) }

// metadataOf is what a refusal says beside its reason.
func metadataOf(t *testing.T, err error) map[string]string {
	t.Helper()
	e, ok := errs.From(err)
	require.True(t, ok)
	return e.Metadata()
}
