package api_test

import (
	"context"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	extensionv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/extension/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	numberingv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/numbering/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/api"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/store/sqlstore"
	"github.com/switchboard-phone/switchboard/services/license/internal/view"
	"github.com/switchboard-phone/switchboard/services/license/migrations"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

// world is the record-keeping servers over a fresh database, with an account of 10 seats.
type world struct {
	store      store.Store
	clock      *clock.Fake
	accounts   *api.AccountServer
	sites      *api.SiteServer
	directory  *api.DirectoryServer
	templates  *api.TemplateServer
	log        *api.AccountLogServer
	phoneUsers *api.PhoneUserReader
	ranges     *fakeRanges
	packages   *fakePackages

	operator, admin context.Context
	account         *licensev1.Account
	mainSite        *licensev1.Site
}

// eachWorld runs test in a world of its own on every engine.
func eachWorld(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		w := &world{
			store: sqlstore.New(e.New(t, migrations.FS)), clock: clock.NewFake(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)),
			ranges: &fakeRanges{}, packages: &fakePackages{states: view.PackageStates{}},
		}
		w.accounts, w.sites = api.NewAccountServer(w.store, w.clock), api.NewSiteServer(w.store, w.ranges, w.clock)
		w.directory, w.templates = api.NewDirectoryServer(w.store, nil, w.clock, api.NewRoles(w.store)), api.NewTemplateServer(w.store, w.clock)
		w.log, w.phoneUsers = api.NewAccountLogServer(w.store), api.NewPhoneUserReader(w.store, w.packages)
		w.operator = authn.NewContext(t.Context(), authn.Identity{Subject: "olga", Operator: true})
		var err error
		w.account, err = w.accounts.CreateAccount(w.operator, &licensev1.CreateAccountRequest{
			Account: &licensev1.Account{DisplayName: "Acme", LicenseSeats: 10},
		})
		require.NoError(t, err)
		w.admin = authn.NewContext(t.Context(), authn.Identity{Subject: "ada", Account: w.id(t).String(), Role: "ADMIN"})
		sites, err := w.sites.ListSites(w.admin, &licensev1.ListSitesRequest{Parent: w.account.GetName()})
		require.NoError(t, err)
		require.Len(t, sites.GetSites(), 1)
		w.mainSite = sites.GetSites()[0]
		test(t, w)
	})
}

func (w *world) id(t *testing.T) uuid.UUID {
	t.Helper()
	id, err := model.ParseAccount(w.account.GetName())
	require.NoError(t, err)
	return id
}

// fakeRanges stands for the extension service: sites in it have ranges.
type fakeRanges struct {
	extensionv1.ExtensionRangeServiceClient
	sites map[string]bool
	err   error
}

func (f *fakeRanges) ListExtensionRanges(_ context.Context, req *extensionv1.ListExtensionRangesRequest, _ ...grpc.CallOption) (*extensionv1.ListExtensionRangesResponse, error) {
	out := &extensionv1.ListExtensionRangesResponse{}
	if f.sites[req.GetParent()] {
		out.ExtensionRanges = append(out.ExtensionRanges, &extensionv1.ExtensionRange{Name: req.GetParent() + "/extensionRanges/r"})
	}
	return out, f.err
}

// fakePackages stands for the numbering service and counts how often it is asked.
type fakePackages struct {
	states view.PackageStates
	err    error
	calls  atomic.Int32
}

func (f *fakePackages) PackageStates(context.Context, uuid.UUID) (view.PackageStates, error) {
	f.calls.Add(1)
	return f.states, f.err
}

func (f *fakePackages) add(state numberingv1.Package_State) uuid.UUID {
	id := uuid.New()
	f.states[id] = state
	return id
}

// seed makes phone users as they are given, which must have names, and returns their ids.
func (w *world) seed(t *testing.T, log []model.LogEntry, ps ...model.PhoneUser) []uuid.UUID {
	t.Helper()
	account := w.id(t)
	_, site, err := model.ParseSite(w.mainSite.GetName())
	require.NoError(t, err)
	saga := store.Saga{ID: uuid.New(), AccountID: account, Kind: "SEED", Plan: []byte("{}"), Seats: len(ps)}
	begin, finish := store.Begin{Claim: time.Minute}, store.Finish{Saga: &saga, Log: log}
	for _, p := range ps {
		p.AccountID, p.ID, p.AssigneeKind, p.Revision = account, uuid.Must(uuid.NewV7()), model.KindUser, 1
		p.CreateTime, p.UpdateTime, p.SiteID = w.clock.Now(), w.clock.Now(), site
		if p.AssigneeID == uuid.Nil {
			p.AssigneeID = uuid.New()
		}
		saga.PhoneUserIDs = append(saga.PhoneUserIDs, p.ID)
		finish.Update = append(finish.Update, p)
		p.State, p.SagaID = model.StateProvisioning, saga.ID
		begin.Insert = append(begin.Insert, p)
	}
	begin.Saga = saga
	results, err := w.store.BeginSagas(t.Context(), account, []store.Begin{begin})
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
	_, err = w.store.FinishSagas(t.Context(), account, []store.Finish{finish})
	require.NoError(t, err)
	return saga.PhoneUserIDs
}

func requireReason(t *testing.T, want commonv1.Reason, err error, fields ...string) {
	t.Helper()
	require.Error(t, err)
	e, ok := errs.From(err)
	require.True(t, ok, "%v", err)
	require.Equal(t, want, e.Reason(), "%v", err)
	if fields == nil {
		return
	}
	var got []string
	for _, v := range e.Violations() {
		got = append(got, v.GetField())
	}
	require.ElementsMatch(t, fields, got)
}

func requireSame(t *testing.T, want, got proto.Message) {
	t.Helper()
	require.Empty(t, cmp.Diff(want, got, protocmp.Transform()))
}
