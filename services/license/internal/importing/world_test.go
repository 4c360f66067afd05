package importing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/store/sqlstore"
	"github.com/switchboard-phone/switchboard/services/license/internal/token"
	"github.com/switchboard-phone/switchboard/services/license/migrations"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

// world is an account on a real database, with an importer over it and books for the other services: the sites Lisbon (main, code
// LX, extensions 1000 and up) and Porto (2000 and up), the packages World and Local (active) and Old (inactive), the templates Sales (every
// site) and Desk (Porto), the rooms Atrium and Lab.
type world struct {
	db              *crdb.DB
	store           *sqlstore.Store // as the importer has it, with faults
	reader          *sqlstore.Store // for looking at the outcome, without
	script          *faults.Script
	books           *books
	engine          *provisioning.Engine
	importer        *Importer
	account         uuid.UUID
	lisbon, porto   uuid.UUID
	world, loc, old uuid.UUID
	seats           int
	clock           *clock.Fake
}

type worldOption func(w *world, engine *provisioning.Config, cfg *Config)

// impatient has operations left to the reconciler soon.
func impatient(_ *world, engine *provisioning.Config, _ *Config) {
	engine.Claim, engine.DriveTimeout = 400*time.Millisecond, 300*time.Millisecond
}

// eachWorld runs fn with a world of its own on every engine. people are p0@example.com and so on, named Person 0….
func eachWorld(t *testing.T, seats, people int, fn func(t *testing.T, w *world), options ...worldOption) {
	t.Helper()
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		fn(t, newWorld(t, e, seats, people, options...))
	})
}

func newWorld(t testing.TB, e testkit.Engine, seats, people int, options ...worldOption) *world {
	t.Helper()
	script := &faults.Script{}
	url := e.NewURL(t, migrations.FS)
	db := e.Open(t, url)
	w := &world{
		db:     db,
		store:  sqlstore.New(e.Open(t, url, func(_ *crdb.Config, o *crdb.Options) { o.Faults = script })),
		reader: sqlstore.New(db), script: script, books: newBooks(script), seats: seats,
		account: uuid.New(), lisbon: uuid.New(), porto: uuid.New(), world: uuid.New(), loc: uuid.New(), old: uuid.New(),
		clock: clock.NewFake(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)),
	}
	engine := provisioning.DefaultConfig()
	engine.Claim, engine.DriveTimeout = 1200*time.Millisecond, time.Second
	cfg := DefaultConfig()
	cfg.Chunk, cfg.Batch, cfg.Parallel = 50, 10, 4
	for _, o := range options {
		o(w, &engine, &cfg)
	}
	w.engine = w.newEngine(t, engine)
	w.importer = w.newImporter(cfg)
	w.fill(t, people)
	return w
}

func (w *world) newEngine(t testing.TB, cfg provisioning.Config) *provisioning.Engine {
	signer, err := token.NewSigner(token.DefaultConfig())
	require.NoError(t, err)
	log := slog.New(slog.DiscardHandler)
	e := provisioning.New(cfg, provisioning.Deps{
		Store: w.store, Extensions: extensionBook{w.books}, Numbering: numberBook{w.books}, Tokens: signer, Clock: w.clock, Logger: log,
		Relay: provisioning.NewRelay(cfg, w.store, mailbox{}, log, nil),
	})
	t.Cleanup(func() { require.NoError(t, e.Close(context.Background())) })
	return e
}

func (w *world) newImporter(cfg Config) *Importer {
	return New(cfg, Deps{
		Store: w.store, Engine: w.engine, Extensions: extensionBook{w.books}, Numbering: numberBook{w.books}, Catalogue: catalogue{w.books},
		Logger: slog.New(slog.DiscardHandler),
	})
}

func (w *world) fill(t testing.TB, people int) {
	t.Helper()
	ctx, now := t.Context(), w.clock.Now()
	_, err := w.reader.CreateAccount(ctx, model.Account{ID: w.account, DisplayName: "Acme", Seats: w.seats, Revision: 1, CreateTime: now, UpdateTime: now},
		model.Site{AccountID: w.account, ID: w.lisbon, DisplayName: "Lisbon", SiteCode: "LX", IsMain: true, Revision: 1, CreateTime: now}, store.Remember{})
	require.NoError(t, err)
	require.NoError(t, w.reader.CreateSite(ctx, model.Site{AccountID: w.account, ID: w.porto, DisplayName: "Porto", Revision: 1, CreateTime: now}, 10))
	for name, site := range map[string]uuid.UUID{"Sales": uuid.Nil, "Desk": w.porto} {
		require.NoError(t, w.reader.CreateTemplate(ctx, model.Template{
			AccountID: w.account, ID: uuid.New(), DisplayName: name, SiteID: site, Settings: settings(name), Revision: 1, CreateTime: now,
		}, 10))
	}
	for _, name := range []string{"Atrium", "Lab"} {
		_, err := w.reader.CreateRoom(ctx, model.Room{AccountID: w.account, ID: uuid.New(), DisplayName: name, SiteID: w.lisbon, CreateTime: now})
		require.NoError(t, err)
	}
	for first := 0; first < people; first += 1000 {
		var users []model.User
		for i := first; i < min(people, first+1000); i++ {
			users = append(users, model.User{
				AccountID: w.account, ID: uuid.New(), Email: email(i), DisplayName: fmt.Sprintf("Person %d", i), Role: model.RoleMember,
				Status: model.UserActive, CreateTime: now,
			})
		}
		w.addPeople(t, users...)
	}
	w.books.ranges[w.lisbon], w.books.ranges[w.porto] = [2]int{1000, 1999}, [2]int{2000, 2999}
	for id, name := range map[uuid.UUID]string{w.world: "World", w.loc: "Local", w.old: "Old"} {
		w.books.packages[id] = &Package{ID: id, DisplayName: name, Active: name != "Old", Seats: 500}
	}
	for i := range 100 {
		w.books.numbers[number(i)] = uuid.Nil
	}
}

func (w *world) addPeople(t testing.TB, users ...model.User) {
	t.Helper()
	_, err := w.reader.CreateUsers(t.Context(), w.account, store.NewUsers{Users: users, Path: func(i int) string { return fmt.Sprint(i) }}, store.Remember{})
	require.NoError(t, err)
}

func email(i int) string  { return fmt.Sprintf("p%d@example.com", i) }
func number(i int) string { return fmt.Sprintf("+351210000%03d", i) }

func settings(language string) *licensev1.Settings {
	tag := map[string]string{"Sales": "pt", "Desk": "de"}[language]
	return &licensev1.Settings{Language: &tag}
}

// submit takes in a file of these lines, of which the first is the header.
func (w *world) submit(t testing.TB, req Request, lines ...string) model.Import {
	t.Helper()
	req.Account, req.Actor, req.TraceID, req.File = w.account, "ada", "trace", []byte(strings.Join(lines, "\n")+"\n")
	m, err := w.importer.Submit(t.Context(), req)
	require.NoError(t, err)
	return m
}

// finish works until there is nothing to be done.
func (w *world) finish(t testing.TB, id uuid.UUID) model.Import {
	t.Helper()
	defer w.reconcile(t)()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	found, err := w.importer.Step(ctx)
	require.NoError(t, err, "%s", w.stuck(id))
	require.True(t, found)
	m, err := w.reader.GetImport(t.Context(), id)
	require.NoError(t, err)
	require.True(t, m.Done(), "%s", m.State)
	return m
}

// stuck describes what an import waits for.
func (w *world) stuck(id uuid.UUID) string {
	var out strings.Builder
	rows, err := w.reader.ListImportRows(context.Background(), id, store.ImportRowQuery{OnlyOutcome: true, Limit: 5})
	fmt.Fprintf(&out, "rows %+v (%v)", rows, err)
	count, oldest, err := w.reader.CountSagas(context.Background())
	fmt.Fprintf(&out, ", operations %d since %s (%v)", count, oldest, err)
	return out.String()
}

// run is submit and finish, and the rows.
func (w *world) run(t testing.TB, req Request, lines ...string) (model.Import, []model.ImportRow) {
	t.Helper()
	m := w.finish(t, w.submit(t, req, lines...).ID)
	return m, w.rows(t, m.ID)
}

func (w *world) rows(t testing.TB, id uuid.UUID) []model.ImportRow {
	t.Helper()
	rows, err := w.reader.ListImportRows(t.Context(), id, store.ImportRowQuery{Limit: 200_000})
	require.NoError(t, err)
	return rows
}

// outcomes counts rows by outcome.
func outcomes(rows []model.ImportRow) map[model.ImportOutcome]int {
	out := map[model.ImportOutcome]int{}
	for i := range rows {
		out[rows[i].Outcome]++
	}
	return out
}

// phoneUsers are all phone users there are, by e-mail address or name.
func (w *world) phoneUsers(t testing.TB) map[string]model.PhoneUser {
	t.Helper()
	out := map[string]model.PhoneUser{}
	var after *store.PhoneUserCursor
	for {
		ps, err := w.reader.ListPhoneUsers(t.Context(), w.account, store.PhoneUserQuery{
			States: []model.State{model.StatePending, model.StateProvisioning, model.StateActive, model.StateTrashed}, Limit: 1000, After: after,
		})
		require.NoError(t, err)
		for _, p := range ps {
			key := p.Email
			if key == "" {
				key = p.DisplayName
			}
			require.NotContains(t, out, key, "one licence each")
			out[key] = p
		}
		if len(ps) < 1000 {
			return out
		}
		c := store.PhoneUserAfter(&ps[len(ps)-1], store.ByDisplayName)
		after = &c
	}
}

// check shows that all books agree, and that the counts of an import are those of its rows.
func (w *world) check(t testing.TB, imports ...uuid.UUID) {
	t.Helper()
	account, err := w.reader.GetAccount(t.Context(), w.account)
	require.NoError(t, err)
	all := w.phoneUsers(t)
	require.Equal(t, len(all), account.Taken, "seats")
	byOwner, holdings := w.books.snapshot()
	require.Len(t, byOwner, len(all), "extensions")
	for key, p := range all {
		require.Equal(t, model.StateActive, p.State, key)
		require.Equal(t, byOwner[p.ID], p.ExtensionNumber, "%s: extension", key)
		require.Equal(t, holdings[p.ID].PackageID, p.PackageID, "%s: package", key)
		require.ElementsMatch(t, holdings[p.ID].PhoneNumbers, p.PhoneNumbers, "%s: numbers", key)
		delete(holdings, p.ID)
	}
	require.Empty(t, holdings, "packages without a phone user")
	for _, id := range imports {
		m, err := w.reader.GetImport(t.Context(), id)
		require.NoError(t, err)
		n := outcomes(w.rows(t, id))
		require.Equal(t, m.Counts.Succeeded, n[model.RowAssigned]+n[model.RowUpdated])
		require.Equal(t, m.Counts.Unchanged, n[model.RowUnchanged])
		require.Equal(t, m.Counts.Failed, n[model.RowFailed])
	}
}

var errKilled = errors.New("killed")
