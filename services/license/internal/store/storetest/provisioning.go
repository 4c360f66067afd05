package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// Provisioning shows that a store keeps operations as store.Provisioning, store.Outbox and store.PhoneUserWriter promise. open
// returns two stores over one fresh database, as two replicas of the service would have.
func Provisioning(t *testing.T, open func(t *testing.T) (a, b store.Store)) {
	for name, test := range map[string]func(t *testing.T, f *fixture){
		"AssignOperation":       testAssignOperation,
		"Refusals":              testBeginRefusals,
		"OneTransaction":        testBeginsOfOneTransaction,
		"RequestIDs":            testRequestIDs,
		"Undo":                  testUndo,
		"Lock":                  testLock,
		"FinishOnce":            testFinishOnce,
		"Claim":                 testClaim,
		"ChangePhoneUser":       testChangePhoneUser,
		"Outbox":                testOutbox,
		"SeatsUnderConcurrency": testSeatsUnderConcurrency,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := open(t)
			test(t, newFixture(t, a, b))
		})
	}
}

// fixture is an account with a site and 10 seats.
type fixture struct {
	store, other  store.Store
	account, site uuid.UUID
}

func newFixture(t *testing.T, a, b store.Store) *fixture {
	t.Helper()
	f := &fixture{store: a, other: b, account: newID(), site: newID()}
	now := time.Now().UTC().Truncate(time.Microsecond)
	_, err := a.CreateAccount(t.Context(), model.Account{ID: f.account, DisplayName: "Acme", Seats: 10, Revision: 1, CreateTime: now, UpdateTime: now},
		model.Site{AccountID: f.account, ID: f.site, DisplayName: "Main site", IsMain: true, Revision: 1, CreateTime: now}, store.Remember{})
	require.NoError(t, err)
	return f
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// assign is a Begin for n new phone users.
func (f *fixture) assign(n int, requestID string) store.Begin {
	b := store.Begin{
		Saga:  store.Saga{ID: newID(), AccountID: f.account, Kind: "ASSIGN", Plan: []byte(`{"k": [1]}`), Seats: n, RequestID: requestID, Actor: "ada", TraceID: "trace"},
		Claim: time.Minute, BodyHash: []byte("body"), SiteIDs: []uuid.UUID{f.site},
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	for i := range n {
		p := model.PhoneUser{
			AccountID: f.account, ID: newID(), AssigneeKind: model.KindUser, AssigneeID: newID(), DisplayName: fmt.Sprintf("Zoë %d", i),
			Email: fmt.Sprintf("zoe%d@example.com", i), State: model.StateProvisioning, SiteID: f.site, SagaID: b.Saga.ID,
			Settings: &licensev1.Settings{}, Revision: 1, CreateTime: now, UpdateTime: now,
		}
		b.Insert, b.Saga.PhoneUserIDs = append(b.Insert, p), append(b.Saga.PhoneUserIDs, p.ID)
	}
	return b
}

// lock is a Begin that holds phone users.
func (f *fixture) lock(ids ...uuid.UUID) store.Begin {
	return store.Begin{
		Saga:  store.Saga{ID: newID(), AccountID: f.account, Kind: "REMOVE", Plan: []byte(`{}`), PhoneUserIDs: ids},
		Claim: time.Minute, Lock: ids,
	}
}

func (f *fixture) begin(t *testing.T, b store.Begin) store.BeginResult {
	t.Helper()
	results, err := f.store.BeginSagas(t.Context(), f.account, []store.Begin{b})
	require.NoError(t, err)
	require.Len(t, results, 1)
	return results[0]
}

func (f *fixture) finish(t *testing.T, b *store.Begin) store.Finish {
	t.Helper()
	fin := store.Finish{Saga: &b.Saga, Response: []byte("answer")}
	for i, p := range b.Insert {
		p.State, p.ExtensionNumber = model.StateActive, fmt.Sprintf("0%d", 100+i)
		fin.Update = append(fin.Update, p)
		fin.Log = append(fin.Log, model.LogEntry{
			AccountID: f.account, ID: newID(), Time: time.Now().UTC(), Kind: model.LogAssigned, PhoneUserID: p.ID,
			AssigneeKind: p.AssigneeKind, AssigneeID: p.AssigneeID, DisplayName: p.DisplayName, Actor: "ada", RequestID: "trace",
			After: map[string]any{"extensionNumber": p.ExtensionNumber},
		})
		fin.Outbox = append(fin.Outbox, store.OutboxMessage{ID: newID(), AccountID: f.account, Message: []byte("mail")})
	}
	done, err := f.store.FinishSagas(t.Context(), f.account, []store.Finish{fin})
	require.NoError(t, err)
	require.Equal(t, []bool{true}, done)
	return fin
}

func (f *fixture) abort(t *testing.T, s *store.Saga, deletePhoneUsers bool) (bool, error) {
	t.Helper()
	done, err := f.store.AbortSagas(t.Context(), f.account, []store.Abort{{Saga: s, DeletePhoneUsers: deletePhoneUsers}})
	return len(done) == 1 && done[0], err
}

func (f *fixture) taken(t *testing.T) int {
	t.Helper()
	a, err := f.store.GetAccount(t.Context(), f.account)
	require.NoError(t, err)
	return a.Taken
}

func testAssignOperation(t *testing.T, f *fixture) {
	b := f.assign(3, "")
	require.NoError(t, f.begin(t, b).Err)
	require.Equal(t, 3, f.taken(t))
	count, _, err := f.store.CountSagas(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, count)

	f.finish(t, &b)
	ps, err := f.store.GetPhoneUsers(t.Context(), f.account, b.Saga.PhoneUserIDs)
	require.NoError(t, err)
	for i, p := range ps {
		require.Equal(t, model.StateActive, p.State)
		require.Equal(t, fmt.Sprintf("0%d", 100+i), p.ExtensionNumber, "leading zeros are kept")
		require.Equal(t, uuid.Nil, p.SagaID)
		require.EqualValues(t, 2, p.Revision)
	}
	count, oldest, err := f.store.CountSagas(t.Context())
	require.NoError(t, err)
	require.Zero(t, count)
	require.True(t, oldest.IsZero())
	count, _, err = f.store.CountOutbox(t.Context())
	require.NoError(t, err)
	require.Equal(t, 3, count)
}

func testBeginRefusals(t *testing.T, f *fixture) {
	licensed := f.assign(2, "")
	require.NoError(t, f.begin(t, licensed).Err)

	again := f.assign(3, "")
	again.Insert[1].AssigneeID = licensed.Insert[0].AssigneeID
	err := f.begin(t, again).Err
	require.Equal(t, commonv1.Reason_ALREADY_LICENSED, errs.Reason(err))
	refusal, _ := errs.From(err)
	require.Equal(t, "assignees[1]", refusal.Violations()[0].GetField())

	err = f.begin(t, f.assign(9, "")).Err
	require.Equal(t, commonv1.Reason_LICENSE_EXHAUSTED, errs.Reason(err))
	refusal, _ = errs.From(err)
	require.Equal(t, map[string]string{"seats": "10", "assigned": "2", "requested": "9"}, refusal.Metadata())

	elsewhere := f.assign(1, "")
	elsewhere.SiteIDs = []uuid.UUID{newID()}
	require.Equal(t, commonv1.Reason_NOT_FOUND, errs.Reason(f.begin(t, elsewhere).Err))

	require.Equal(t, 2, f.taken(t), "refused operations leave nothing")
	_, err = f.store.GetPhoneUser(t.Context(), f.account, again.Insert[0].ID)
	require.Equal(t, commonv1.Reason_NOT_FOUND, errs.Reason(err))
}

func testBeginsOfOneTransaction(t *testing.T, f *fixture) {
	a, b, c, d := f.assign(4, ""), f.assign(7, ""), f.assign(6, ""), f.assign(1, "")
	c.Insert[2].AssigneeID = a.Insert[1].AssigneeID
	results, err := f.store.BeginSagas(t.Context(), f.account, []store.Begin{a, b, c, d})
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
	require.Equal(t, commonv1.Reason_LICENSE_EXHAUSTED, errs.Reason(results[1].Err))
	require.Equal(t, commonv1.Reason_ALREADY_LICENSED, errs.Reason(results[2].Err), "operations of one transaction see each other")
	require.NoError(t, results[3].Err, "a refused operation does not spoil the others")
	require.Equal(t, 5, f.taken(t))
}

func testRequestIDs(t *testing.T, f *fixture) {
	first := f.assign(1, "r1")
	require.NoError(t, f.begin(t, first).Err)

	require.Equal(t, first.Saga.ID, f.begin(t, f.assign(1, "r1")).InProgress)
	f.finish(t, &first)
	require.Equal(t, []byte("answer"), f.begin(t, f.assign(1, "r1")).Response)

	other := f.assign(1, "r1")
	other.BodyHash = []byte("another body")
	require.Equal(t, commonv1.Reason_REQUEST_ID_REUSED, errs.Reason(f.begin(t, other).Err))

	x, y := f.assign(1, "r2"), f.assign(1, "r2")
	results, err := f.store.BeginSagas(t.Context(), f.account, []store.Begin{x, y})
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
	require.Equal(t, x.Saga.ID, results[1].InProgress)
	require.Equal(t, 2, f.taken(t))

	known, err := f.store.FindRequest(t.Context(), f.account, "r1")
	require.NoError(t, err)
	require.Equal(t, &store.Request{BodyHash: []byte("body"), Response: []byte("answer"), SagaID: first.Saga.ID}, known)
	known, err = f.store.FindRequest(t.Context(), f.account, "never")
	require.NoError(t, err)
	require.Nil(t, known)
}

func testUndo(t *testing.T, f *fixture) {
	b := f.assign(4, "r1")
	require.NoError(t, f.begin(t, b).Err)
	aborted, err := f.abort(t, &b.Saga, true)
	require.NoError(t, err)
	require.False(t, aborted, "only what is being undone is aborted")

	marked, err := f.store.MarkUndoing(t.Context(), b.Saga.ID, []byte("why"))
	require.NoError(t, err)
	require.True(t, marked)
	done, err := f.other.FinishSagas(t.Context(), f.account, []store.Finish{{Saga: &b.Saga, Update: b.Insert}})
	require.NoError(t, err)
	require.Equal(t, []bool{false}, done, "what is being undone cannot be finished")
	marked, err = f.other.MarkUndoing(t.Context(), b.Saga.ID, []byte("why"))
	require.NoError(t, err)
	require.False(t, marked)

	for i, want := range []bool{true, false} {
		aborted, err := f.abort(t, &b.Saga, true)
		require.NoError(t, err)
		require.Equal(t, want, aborted, "try %d", i)
	}
	require.Zero(t, f.taken(t), "the seats are back, once")
	known, err := f.store.FindRequest(t.Context(), f.account, "r1")
	require.NoError(t, err)
	require.Nil(t, known, "a refused call is not remembered")
	live, err := f.store.LivePhoneUsers(t.Context(), f.account, []uuid.UUID{b.Insert[0].AssigneeID})
	require.NoError(t, err)
	require.Empty(t, live)
}

func testLock(t *testing.T, f *fixture) {
	made := f.assign(2, "")
	require.NoError(t, f.begin(t, made).Err)
	require.Equal(t, commonv1.Reason_OPERATION_IN_PROGRESS, errs.Reason(f.begin(t, f.lock(made.Insert[0].ID)).Err), "still being assigned")
	f.finish(t, &made)

	missing := f.lock(made.Insert[0].ID, newID())
	err := f.begin(t, missing).Err
	require.Equal(t, commonv1.Reason_NOT_FOUND, errs.Reason(err))
	refusal, _ := errs.From(err)
	require.Equal(t, "phone_users[1]", refusal.Violations()[0].GetField())

	refused := f.lock(made.Insert[0].ID)
	refused.Check = func(locked []model.PhoneUser) error {
		return errs.New(commonv1.Reason_LICENSE_REQUIRED, "%s", locked[0].DisplayName)
	}
	require.Equal(t, commonv1.Reason_LICENSE_REQUIRED, errs.Reason(f.begin(t, refused).Err))

	held := f.lock(made.Insert[1].ID, made.Insert[0].ID)
	r := f.begin(t, held)
	require.NoError(t, r.Err)
	require.Equal(t, []uuid.UUID{made.Insert[1].ID, made.Insert[0].ID}, []uuid.UUID{r.Locked[0].ID, r.Locked[1].ID}, "in the order asked")
	require.Equal(t, commonv1.Reason_OPERATION_IN_PROGRESS, errs.Reason(f.begin(t, f.lock(made.Insert[0].ID)).Err))
	locked, err := f.store.LockedPhoneUsers(t.Context(), &held.Saga)
	require.NoError(t, err)
	require.Len(t, locked, 2)
	require.Equal(t, made.Insert[1].ID, locked[0].ID)

	marked, err := f.store.MarkUndoing(t.Context(), held.Saga.ID, nil)
	require.NoError(t, err)
	require.True(t, marked)
	aborted, err := f.abort(t, &held.Saga, false)
	require.NoError(t, err)
	require.True(t, aborted)
	require.NoError(t, f.begin(t, f.lock(made.Insert[0].ID)).Err, "unlocked again")
	require.Equal(t, 2, f.taken(t))
}

func testFinishOnce(t *testing.T, f *fixture) {
	made := f.assign(3, "")
	require.NoError(t, f.begin(t, made).Err)
	f.finish(t, &made)
	held := f.lock(made.Saga.PhoneUserIDs...)
	require.NoError(t, f.begin(t, held).Err)
	fin := store.Finish{Saga: &held.Saga, Delete: held.Lock, ReleaseSeats: 3}

	var finished atomic.Int32
	var all sync.WaitGroup
	for _, s := range []store.Store{f.store, f.other, f.store, f.other} {
		all.Go(func() {
			done, err := s.FinishSagas(t.Context(), f.account, []store.Finish{fin})
			if err == nil && done[0] {
				finished.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1, finished.Load(), "one of the workers finishes")
	require.Zero(t, f.taken(t))
}

func testClaim(t *testing.T, f *fixture) {
	held, free := f.assign(1, ""), f.assign(2, "r")
	free.Claim = 0
	require.NoError(t, f.begin(t, held).Err)
	require.NoError(t, f.begin(t, free).Err)
	claimed, err := f.other.ClaimSagas(t.Context(), time.Hour, 10, time.Minute)
	require.NoError(t, err)
	require.Len(t, claimed, 1, "what somebody works on is left alone")
	got := claimed[0]
	require.Equal(t, free.Saga.ID, got.ID)
	require.Equal(t, free.Saga.PhoneUserIDs, got.PhoneUserIDs)
	require.Equal(t, store.SagaRunning, got.State)
	require.Equal(t, 2, got.Attempts)
	require.Equal(t, 2, got.Seats)
	require.Equal(t, []string{"ASSIGN", "r", "ada", "trace"}, []string{got.Kind, got.RequestID, got.Actor, got.TraceID})
	require.JSONEq(t, `{"k": [1]}`, string(got.Plan))
	claimed, err = f.store.ClaimSagas(t.Context(), 0, 10, time.Minute)
	require.NoError(t, err)
	require.Empty(t, claimed)

	require.NoError(t, f.store.KeepSagas(t.Context(), []uuid.UUID{held.Saga.ID, free.Saga.ID, uuid.New()}, 0))
	require.NoError(t, f.store.KeepSagas(t.Context(), []uuid.UUID{free.Saga.ID}, time.Minute))
	claimed, err = f.other.ClaimSagas(t.Context(), time.Hour, 10, time.Minute)
	require.NoError(t, err)
	require.Len(t, claimed, 1, "what is given back is taken up, and what is kept is not")
	require.Equal(t, held.Saga.ID, claimed[0].ID)
}

func testChangePhoneUser(t *testing.T, f *fixture) {
	made := f.assign(1, "")
	require.NoError(t, f.begin(t, made).Err)
	id := made.Insert[0].ID
	ring := int32(45)
	change := func(p model.PhoneUser) (store.Change, error) {
		p.Settings, p.SetupComplete = &licensev1.Settings{RingSeconds: &ring}, true
		return store.Change{PhoneUser: p}, nil
	}
	_, err := f.store.ChangePhoneUser(t.Context(), f.account, id, change)
	require.Equal(t, commonv1.Reason_OPERATION_IN_PROGRESS, errs.Reason(err))
	f.finish(t, &made)
	p, err := f.store.ChangePhoneUser(t.Context(), f.account, id, change)
	require.NoError(t, err)
	require.EqualValues(t, 3, p.Revision)
	stored, err := f.store.GetPhoneUser(t.Context(), f.account, id)
	require.NoError(t, err)
	require.Equal(t, ring, stored.Settings.GetRingSeconds())
	require.True(t, stored.SetupComplete)
	require.EqualValues(t, 3, stored.Revision)
	_, err = f.store.ChangePhoneUser(t.Context(), f.account, newID(), change)
	require.Equal(t, commonv1.Reason_NOT_FOUND, errs.Reason(err))
}

func testOutbox(t *testing.T, f *fixture) {
	made := f.assign(5, "")
	require.NoError(t, f.begin(t, made).Err)
	f.finish(t, &made)
	first, err := f.store.ClaimOutbox(t.Context(), time.Hour, 3, time.Minute)
	require.NoError(t, err)
	require.Len(t, first, 3)
	require.Equal(t, []byte("mail"), first[0].Message)
	rest, err := f.other.ClaimOutbox(t.Context(), 0, 10, time.Minute)
	require.NoError(t, err)
	require.Len(t, rest, 2, "what is claimed is not handed out again")
	require.NoError(t, f.store.DeleteOutbox(t.Context(), []uuid.UUID{rest[0].ID, first[0].ID}))
	require.NoError(t, f.store.ReleaseOutbox(t.Context(), []uuid.UUID{first[0].ID, first[1].ID}))
	again, err := f.other.ClaimOutbox(t.Context(), time.Hour, 10, time.Minute)
	require.NoError(t, err)
	require.Len(t, again, 1, "what is given back is handed out at once, unless it is gone, and nothing else is")
	require.Equal(t, first[1].ID, again[0].ID)
	require.NoError(t, f.store.DeleteOutbox(t.Context(), []uuid.UUID{first[1].ID, first[2].ID, rest[1].ID}))
	count, _, err := f.store.CountOutbox(t.Context())
	require.NoError(t, err)
	require.Zero(t, count)
}

// testSeatsUnderConcurrency lets 40 callers over two replicas race for 10 seats.
func testSeatsUnderConcurrency(t *testing.T, f *fixture) {
	var accepted, exhausted atomic.Int32
	var all sync.WaitGroup
	for i := range 40 {
		s := f.store
		if i%2 == 1 {
			s = f.other
		}
		b := f.assign(1, "")
		all.Go(func() {
			results, err := s.BeginSagas(t.Context(), f.account, []store.Begin{b})
			switch {
			case err != nil:
				t.Errorf("begin: %v", err)
			case results[0].Err == nil:
				accepted.Add(1)
			case errs.Reason(results[0].Err) == commonv1.Reason_LICENSE_EXHAUSTED:
				exhausted.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 10, accepted.Load())
	require.EqualValues(t, 30, exhausted.Load())
	require.Equal(t, 10, f.taken(t))
}
