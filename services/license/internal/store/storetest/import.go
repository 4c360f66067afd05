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
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

// Imports shows that a store keeps bulk imports as store.Imports promises. open returns two stores over one fresh database, as two
// replicas of the service would have.
func Imports(t *testing.T, open func(t *testing.T) (a, b store.Store)) {
	for name, test := range map[string]func(t *testing.T, f *fixture){
		"Upload":          testImportUpload,
		"RequestIDs":      testImportRequestIDs,
		"Work":            testImportWork,
		"RecordAgain":     testImportRecordAgain,
		"Claims":          testImportClaims,
		"ClaimsAtOnce":    testImportClaimsAtOnce,
		"Cancel":          testImportCancel,
		"Delete":          testImportDelete,
		"FindByKeys":      testImportLookups,
		"LoggedUsers":     testLoggedPhoneUsers,
		"RowsOfOneImport": testImportRowsApart,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := open(t)
			test(t, newFixture(t, a, b))
		})
	}
}

func (f *fixture) newImport() model.Import {
	return model.Import{ID: newID(), AccountID: f.account, AssignOnly: true, Actor: "ada", TraceID: "trace"}
}

func importRows(n int) []model.ImportRow {
	rows := make([]model.ImportRow, n)
	for i := range rows {
		rows[i] = model.ImportRow{Number: i + 1, Line: i + 2, Cells: model.ImportCells{Email: fmt.Sprintf("p%d@example.com", i)}}
	}
	return rows
}

// started makes an import of n rows that waits for a worker.
func (f *fixture) started(t *testing.T, n int) uuid.UUID {
	t.Helper()
	id, err := f.store.CreateImport(t.Context(), f.newImport(), store.Remember{})
	require.NoError(t, err)
	require.NoError(t, f.store.AddImportRows(t.Context(), id, importRows(n)))
	require.NoError(t, f.store.StartImport(t.Context(), id, model.ImportCounts{Rows: n}, nil))
	return id
}

func (f *fixture) getImport(t *testing.T, id uuid.UUID) model.Import {
	t.Helper()
	m, err := f.other.GetImport(t.Context(), id)
	require.NoError(t, err)
	return m
}

func (f *fixture) rows(t *testing.T, id uuid.UUID, q store.ImportRowQuery) []model.ImportRow {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 1000
	}
	rows, err := f.other.ListImportRows(t.Context(), id, q)
	require.NoError(t, err)
	return rows
}

func testImportUpload(t *testing.T, f *fixture) {
	ctx := t.Context()
	m := f.newImport()
	m.ValidateOnly, m.RequestID = true, "r"
	id, err := f.store.CreateImport(ctx, m, store.Remember{RequestID: "r", BodyHash: []byte("h")})
	require.NoError(t, err)
	require.Equal(t, m.ID, id)
	claimed, err := f.store.ClaimImport(ctx, 0, time.Minute)
	require.NoError(t, err)
	require.Nil(t, claimed, "an upload is not worked on")

	rows := importRows(3)
	rows[1].Warnings = []string{"odd", "very odd"}
	rows[2].Outcome, rows[2].Error = model.RowFailed, []byte("status")
	rows[2].Cells = model.ImportCells{Room: "Atrium\n東", Site: "s", Package: "p", Template: "t", Extension: "01", PhoneNumbers: "+1;+2"}
	require.NoError(t, f.store.AddImportRows(ctx, id, rows[:2]))
	again := importRows(3)
	again[0].Cells.Email = "other@example.com"
	again[2] = rows[2]
	require.NoError(t, f.other.AddImportRows(ctx, id, again), "an upload that was interrupted is repeated")
	require.Equal(t, rows, f.rows(t, id, store.ImportRowQuery{}), "rows that are there stay")
	require.Equal(t, rows[2:], f.rows(t, id, store.ImportRowQuery{Wish: store.WithWish}))
	require.Equal(t, rows[:2], f.rows(t, id, store.ImportRowQuery{Wish: store.WithoutWish}))

	first := []*licensev1.ImportRow{{Row: 3, Key: "Atrium"}}
	counts := model.ImportCounts{Rows: 3, Failed: 1, Warnings: 1}
	require.NoError(t, f.store.StartImport(ctx, id, counts, first))
	require.NoError(t, f.store.StartImport(ctx, id, model.ImportCounts{}, nil), "has no effect")
	require.ErrorIs(t, f.store.AddImportRows(ctx, id, importRows(4)), store.ErrImportLost)

	got := f.getImport(t, id)
	require.WithinDuration(t, time.Now(), got.CreateTime, time.Minute)
	require.False(t, got.ReadTime.Before(got.CreateTime))
	requireSame(t, first, got.FirstErrors)
	want := m
	want.State, want.Counts, want.CreateTime, want.ReadTime, want.FirstErrors = model.ImportQueued, counts, got.CreateTime, got.ReadTime, got.FirstErrors
	require.Equal(t, want, got)

	requireReason(t, commonv1.Reason_NOT_FOUND, f.store.AddImportRows(ctx, newID(), rows))
	_, err = f.store.GetImport(ctx, newID())
	requireReason(t, commonv1.Reason_NOT_FOUND, err)
}

func testImportRequestIDs(t *testing.T, f *fixture) {
	ctx := t.Context()
	r := store.Remember{RequestID: "r", BodyHash: []byte("body")}
	m := f.newImport()
	m.RequestID = "r"
	id, err := f.store.CreateImport(ctx, m, r)
	require.NoError(t, err)
	m.ID = newID()
	same, err := f.other.CreateImport(ctx, m, r)
	require.NoError(t, err)
	require.Equal(t, id, same)
	_, err = f.other.CreateImport(ctx, m, store.Remember{RequestID: "r", BodyHash: []byte("other")})
	requireReason(t, commonv1.Reason_REQUEST_ID_REUSED, err)
	_, err = f.store.GetImport(ctx, m.ID)
	requireReason(t, commonv1.Reason_NOT_FOUND, err)

	// A dry run uses no id up, and has the answer of the real one under its id.
	dry := m
	dry.ValidateOnly = true
	same, err = f.other.CreateImport(ctx, dry, r)
	require.NoError(t, err)
	require.Equal(t, id, same)
	_, err = f.other.CreateImport(ctx, dry, store.Remember{RequestID: "r", BodyHash: []byte("other")})
	requireReason(t, commonv1.Reason_REQUEST_ID_REUSED, err)
	later := store.Remember{RequestID: "later", BodyHash: []byte("body")}
	dry.ID, dry.RequestID = newID(), "later"
	dryID, err := f.store.CreateImport(ctx, dry, later)
	require.NoError(t, err)
	dry.ID = newID()
	same, err = f.other.CreateImport(ctx, dry, later)
	require.NoError(t, err)
	require.Equal(t, dryID, same)
	_, err = f.other.CreateImport(ctx, dry, store.Remember{RequestID: "later", BodyHash: []byte("other")})
	requireReason(t, commonv1.Reason_REQUEST_ID_REUSED, err)
	begun := dry
	begun.ID, begun.ValidateOnly = newID(), false
	same, err = f.store.CreateImport(ctx, begun, later)
	require.NoError(t, err)
	require.Equal(t, begun.ID, same)

	m.AccountID = newID() // request ids belong to an account
	other, err := f.store.CreateImport(ctx, m, r)
	require.NoError(t, err)
	require.Equal(t, m.ID, other)

	// An operation of another kind cannot use the id either.
	begin := f.assign(1, "r")
	begin.BodyHash = []byte("of another call")
	requireReason(t, commonv1.Reason_REQUEST_ID_REUSED, f.begin(t, begin).Err)
}

func testImportWork(t *testing.T, f *fixture) {
	ctx := t.Context()
	id := f.started(t, 5)
	m, err := f.store.ClaimImport(ctx, 0, time.Minute)
	require.NoError(t, err)
	require.Equal(t, id, m.ID)
	require.Equal(t, model.ImportRunning, m.State)
	require.NotEqual(t, uuid.Nil, m.Claim)
	require.False(t, m.StartTime.IsZero())

	cancel, err := f.store.RenewImport(ctx, m, time.Minute, 4)
	require.NoError(t, err)
	require.False(t, cancel)
	_, err = f.store.RenewImport(ctx, m, time.Minute, 0)
	require.NoError(t, err)
	require.Equal(t, 4, f.getImport(t, id).BegunRow, "does not go back")

	require.NoError(t, f.store.MarkChanging(ctx, m, []int{1, 4}))
	rows := f.rows(t, id, store.ImportRowQuery{})
	require.True(t, rows[0].Changing && rows[3].Changing)
	require.False(t, rows[1].Changing || rows[2].Changing || rows[4].Changing)

	site, pkg, user := newID(), newID(), newID()
	m.Tally = model.ImportTally{Seats: 2, Extensions: map[uuid.UUID]int{site: 2}, Packages: map[uuid.UUID]int{pkg: 1}}
	m.FirstErrors = []*licensev1.ImportRow{{Row: 4}}
	require.NoError(t, f.store.RecordRows(ctx, m, []model.ImportRow{
		{Number: 1, Outcome: model.RowAssigned, PhoneUserID: user}, {Number: 2, Outcome: model.RowUpdated, PhoneUserID: newID()},
		{Number: 3, Outcome: model.RowUnchanged}, {Number: 4, Outcome: model.RowFailed, Error: []byte("no")},
	}))
	got := f.getImport(t, id)
	require.Equal(t, model.ImportCounts{Rows: 5, Succeeded: 2, Unchanged: 1, Failed: 1}, got.Counts)
	require.Equal(t, 4, got.Counts.Processed())
	require.Equal(t, m.Tally, got.Tally)
	requireSame(t, m.FirstErrors, got.FirstErrors)

	rows = f.rows(t, id, store.ImportRowQuery{})
	require.Equal(t, user, rows[0].PhoneUserID)
	require.Equal(t, []byte("no"), rows[3].Error)
	numbers := func(q store.ImportRowQuery) (out []int) {
		for _, r := range f.rows(t, id, q) {
			out = append(out, r.Number)
		}
		return out
	}
	require.Equal(t, []int{5}, numbers(store.ImportRowQuery{OnlyOutcome: true}))
	require.Equal(t, []int{4}, numbers(store.ImportRowQuery{OnlyOutcome: true, Outcome: model.RowFailed}))
	require.Equal(t, []int{2, 3}, numbers(store.ImportRowQuery{After: 1, Limit: 2}))
	require.Equal(t, []int{2, 3}, numbers(store.ImportRowQuery{After: 1, UpTo: 3}))

	require.NoError(t, f.store.EndImport(ctx, m, model.ImportSucceeded))
	require.NoError(t, f.store.EndImport(ctx, m, model.ImportSucceeded), "repeated")
	require.ErrorIs(t, f.store.EndImport(ctx, m, model.ImportCancelled), store.ErrImportLost)
	got = f.getImport(t, id)
	require.Equal(t, model.ImportSucceeded, got.State)
	require.False(t, got.EndTime.Before(got.StartTime))
	claimed, err := f.store.ClaimImport(ctx, 0, time.Minute)
	require.NoError(t, err)
	require.Nil(t, claimed)
}

func testImportRecordAgain(t *testing.T, f *fixture) {
	ctx := t.Context()
	id := f.started(t, 3)
	m, err := f.store.ClaimImport(ctx, 0, time.Minute)
	require.NoError(t, err)
	rows := []model.ImportRow{{Number: 1, Outcome: model.RowAssigned}, {Number: 2, Outcome: model.RowFailed, Error: []byte("x")}}
	require.NoError(t, f.store.RecordRows(ctx, m, rows))
	rows[1].Outcome = model.RowUpdated
	require.NoError(t, f.store.RecordRows(ctx, m, append(rows, model.ImportRow{Number: 3, Outcome: model.RowUnchanged})))
	require.Equal(t, model.ImportCounts{Rows: 3, Succeeded: 1, Failed: 1, Unchanged: 1}, f.getImport(t, id).Counts, "what has an outcome keeps it")
	require.Equal(t, model.RowFailed, f.rows(t, id, store.ImportRowQuery{})[1].Outcome)
}

func testImportClaims(t *testing.T, f *fixture) {
	ctx := t.Context()
	id := f.started(t, 2)
	first, err := f.store.ClaimImport(ctx, 0, time.Minute)
	require.NoError(t, err)
	none, err := f.other.ClaimImport(ctx, 0, time.Minute)
	require.NoError(t, err)
	require.Nil(t, none, "somebody works on it")

	_, err = f.store.RenewImport(ctx, first, -time.Hour, 1) // a claim that is long over
	require.NoError(t, err)
	none, err = f.other.ClaimImport(ctx, time.Minute, time.Minute)
	require.NoError(t, err)
	require.Nil(t, none, "a look at the last minute does not find it")
	second := f.eventuallyClaim(t)
	require.Equal(t, id, second.ID)
	require.Equal(t, 1, second.BegunRow)
	require.NotEqual(t, first.Claim, second.Claim)
	require.True(t, first.StartTime.Equal(second.StartTime), "it began when it began")

	_, err = f.store.RenewImport(ctx, first, time.Minute, 2)
	require.ErrorIs(t, err, store.ErrImportLost)
	require.ErrorIs(t, f.store.MarkChanging(ctx, first, []int{1}), store.ErrImportLost)
	require.ErrorIs(t, f.store.RecordRows(ctx, first, []model.ImportRow{{Number: 1, Outcome: model.RowFailed}}), store.ErrImportLost)
	require.ErrorIs(t, f.store.EndImport(ctx, first, model.ImportCancelled), store.ErrImportLost)
	require.NoError(t, f.store.ReleaseImport(ctx, first))
	require.Equal(t, model.ImportCounts{Rows: 2}, f.getImport(t, id).Counts, "who has lost a claim changes nothing")
	require.Equal(t, second.Claim, f.getImport(t, id).Claim)

	require.NoError(t, f.other.ReleaseImport(ctx, second))
	third, err := f.store.ClaimImport(ctx, 0, time.Minute)
	require.NoError(t, err)
	require.Equal(t, id, third.ID, "given back, it is handed out at once")
}

func (f *fixture) eventuallyClaim(t *testing.T) (m *model.Import) {
	t.Helper()
	testkit.Eventually(t, 10*time.Second, func() (err error) {
		if m, err = f.other.ClaimImport(t.Context(), 0, time.Minute); err == nil && m == nil {
			err = fmt.Errorf("nothing to claim")
		}
		return err
	})
	return m
}

func testImportClaimsAtOnce(t *testing.T, f *fixture) {
	ids := map[uuid.UUID]bool{}
	for range 3 {
		ids[f.started(t, 1)] = true
	}
	var mu sync.Mutex
	var failed atomic.Int32
	claims := map[uuid.UUID]int{}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			s := []store.Store{f.store, f.other}[i%2]
			for range 3 {
				m, err := s.ClaimImport(t.Context(), 0, time.Minute)
				if err != nil {
					failed.Add(1)
					return
				}
				if m != nil {
					mu.Lock()
					claims[m.ID]++
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	require.Zero(t, failed.Load())
	for m := f.mayClaim(t); m != nil; m = f.mayClaim(t) { // conflicts may have kept some from being seen
		claims[m.ID]++
	}
	require.Len(t, claims, 3)
	for id, n := range claims {
		require.True(t, ids[id])
		require.Equal(t, 1, n, "each is handed out once")
	}
}

func (f *fixture) mayClaim(t *testing.T) *model.Import {
	t.Helper()
	m, err := f.store.ClaimImport(t.Context(), 0, time.Minute)
	require.NoError(t, err)
	return m
}

func testImportCancel(t *testing.T, f *fixture) {
	ctx := t.Context()
	id := f.started(t, 1)
	m := f.mayClaim(t)
	require.NoError(t, f.other.CancelImport(ctx, id))
	require.NoError(t, f.other.CancelImport(ctx, id))
	cancel, err := f.store.RenewImport(ctx, m, time.Minute, 0)
	require.NoError(t, err)
	require.True(t, cancel)
	require.True(t, f.getImport(t, id).CancelRequested)
	require.NoError(t, f.store.EndImport(ctx, m, model.ImportCancelled))
	require.Equal(t, model.ImportCancelled, f.getImport(t, id).State)

	over := f.started(t, 1)
	require.NoError(t, f.store.EndImport(ctx, f.mayClaim(t), model.ImportSucceeded))
	require.NoError(t, f.store.CancelImport(ctx, over))
	require.False(t, f.getImport(t, over).CancelRequested, "it was over before")
	requireReason(t, commonv1.Reason_NOT_FOUND, f.store.CancelImport(ctx, newID()))
}

func testImportDelete(t *testing.T, f *fixture) {
	ctx := t.Context()
	const hour = time.Hour
	r := store.Remember{RequestID: "r", BodyHash: []byte("h")}
	m := f.newImport()
	m.RequestID = "r"
	abandoned, err := f.store.CreateImport(ctx, m, r)
	require.NoError(t, err)
	require.NoError(t, f.store.AddImportRows(ctx, abandoned, importRows(1000)))
	running := f.started(t, 1)
	f.mayClaim(t)
	over := f.started(t, 2)
	require.NoError(t, f.store.EndImport(ctx, f.mayClaim(t), model.ImportSucceeded))

	n, err := f.store.DeleteImports(ctx, hour, hour)
	require.NoError(t, err)
	require.Zero(t, n)
	n, err = f.store.DeleteImports(ctx, hour, 0)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	_, err = f.store.GetImport(ctx, abandoned)
	requireReason(t, commonv1.Reason_NOT_FOUND, err)
	require.Empty(t, f.rows(t, abandoned, store.ImportRowQuery{}))
	requireReason(t, commonv1.Reason_NOT_FOUND, f.store.AddImportRows(ctx, abandoned, importRows(1)))
	m.ID = newID()
	fresh, err := f.store.CreateImport(ctx, m, r)
	require.NoError(t, err)
	require.Equal(t, m.ID, fresh, "its request id is forgotten with it")

	dry := m
	dry.ID, dry.RequestID, dry.ValidateOnly = newID(), "dry", true
	r.RequestID = "dry"
	_, err = f.store.CreateImport(ctx, dry, r)
	require.NoError(t, err)
	n, err = f.store.DeleteImports(ctx, hour, 0)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	dry.ID = newID()
	fresh, err = f.store.CreateImport(ctx, dry, r)
	require.NoError(t, err)
	require.Equal(t, dry.ID, fresh, "that of a dry run too")

	n, err = f.store.DeleteImports(ctx, 0, hour)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	_, err = f.store.GetImport(ctx, over)
	requireReason(t, commonv1.Reason_NOT_FOUND, err)
	require.Equal(t, model.ImportRunning, f.getImport(t, running).State)
	require.Len(t, f.rows(t, running, store.ImportRowQuery{}), 1)
}

func testImportLookups(t *testing.T, f *fixture) {
	ctx := t.Context()
	ana, bea := f.person("Ana", "Ito", "Ana.Ito@example.com"), f.person("Bea", "Ode", "bea@example.com")
	bea.Status = model.UserPending
	f.addPeople(t, ana, bea)
	room, err := f.store.CreateRoom(ctx, model.Room{AccountID: f.account, ID: newID(), DisplayName: "Atrium  Nord", SiteID: f.site, CreateTime: stamp()})
	require.NoError(t, err)

	people, err := f.store.FindUsers(ctx, f.account, []string{model.EmailKey("ANA.ito@EXAMPLE.com"), "bea@example.com", "nobody@example.com"})
	require.NoError(t, err)
	require.Len(t, people, 2)
	require.Equal(t, ana.ID, people["ana.ito@example.com"].ID)
	require.Equal(t, model.UserPending, people["bea@example.com"].Status)
	rooms, err := f.store.FindRooms(ctx, f.account, []string{model.Fold("ATRIUM nord"), "none"})
	require.NoError(t, err)
	require.Equal(t, map[string]uuid.UUID{"atrium nord": room.ID}, map[string]uuid.UUID{"atrium nord": rooms["atrium nord"].ID})
	require.Len(t, rooms, 1)

	begin := f.assign(2, "")
	require.NoError(t, f.begin(t, begin).Err)
	holders := []uuid.UUID{begin.Insert[0].AssigneeID, begin.Insert[1].AssigneeID, ana.ID}
	licences, err := f.store.FindLicences(ctx, f.account, holders)
	require.NoError(t, err)
	require.Len(t, licences, 2)
	require.Equal(t, begin.Insert[1].ID, licences[holders[1]].ID)
	require.Equal(t, begin.Saga.ID, licences[holders[1]].SagaID)

	for _, account := range []uuid.UUID{newID()} { // somebody else's
		people, err := f.store.FindUsers(ctx, account, []string{"bea@example.com"})
		require.NoError(t, err)
		require.Empty(t, people)
		licences, err := f.store.FindLicences(ctx, account, holders)
		require.NoError(t, err)
		require.Empty(t, licences)
	}
	none, err := f.store.FindUsers(ctx, f.account, nil)
	require.NoError(t, err)
	require.Empty(t, none)
}

func testLoggedPhoneUsers(t *testing.T, f *fixture) {
	ctx := t.Context()
	begin := f.assign(1, "")
	require.NoError(t, f.begin(t, begin).Err)
	underWay := f.assign(1, "")
	require.NoError(t, f.begin(t, underWay).Err)
	ids := []uuid.UUID{begin.Insert[0].ID, underWay.Insert[0].ID, newID()}
	known, err := f.store.LoggedPhoneUsers(ctx, f.account, ids)
	require.NoError(t, err)
	require.Empty(t, known, "on its way is not assigned")

	f.finish(t, &begin)
	remove := f.lock(ids[0])
	require.NoError(t, f.begin(t, remove).Err)
	_, err = f.store.FinishSagas(ctx, f.account, []store.Finish{{Saga: &remove.Saga, Delete: ids[:1], ReleaseSeats: 1}})
	require.NoError(t, err)
	known, err = f.other.LoggedPhoneUsers(ctx, f.account, ids)
	require.NoError(t, err)
	require.Equal(t, map[uuid.UUID]bool{ids[0]: true}, known, "also when it is gone")
}

func testImportRowsApart(t *testing.T, f *fixture) {
	ctx := t.Context()
	one, two := f.started(t, 3), f.started(t, 3)
	m := f.mayClaim(t)
	require.NoError(t, f.store.RecordRows(ctx, m, []model.ImportRow{{Number: 2, Outcome: model.RowAssigned}}))
	other := one
	if m.ID == one {
		other = two
	}
	require.Equal(t, model.ImportCounts{Rows: 3}, f.getImport(t, other).Counts)
	require.Len(t, f.rows(t, other, store.ImportRowQuery{OnlyOutcome: true}), 3)
	require.Len(t, f.rows(t, m.ID, store.ImportRowQuery{OnlyOutcome: true}), 2)
}
