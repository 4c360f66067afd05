package provisioning_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	notificationv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/notification/v1"
	numberingv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/numbering/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/store/sqlstore"
	"github.com/switchboard-phone/switchboard/services/license/internal/token"
	"github.com/switchboard-phone/switchboard/services/license/internal/view"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/logtest"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

// books stands for the extension and the numbering service: it keeps what they would keep, refuses where they would refuse, and
// every method is a fault point of its own ("extension.Allocate"), before and after.
type books struct {
	faults faults.Injector

	mu       sync.Mutex
	first    int // lowest extension number
	capacity int
	owners   map[string]uuid.UUID // extension number → owner
	held     map[uuid.UUID]bool
	seats    int
	active   bool
	holdings map[uuid.UUID]provisioning.Holding
	refusals map[string]error // what a point answers instead of doing anything
}

func newBooks(inj faults.Injector) *books {
	return &books{
		faults: inj, first: 1000, capacity: 50, owners: map[string]uuid.UUID{}, held: map[uuid.UUID]bool{}, seats: 50, active: true,
		holdings: map[uuid.UUID]provisioning.Holding{}, refusals: map[string]error{},
	}
}

// refuse makes a point refuse from now on; nil ends that.
func (b *books) refuse(point string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refusals[point] = err
}

// at runs do under the lock between two fault points.
func (b *books) at(ctx context.Context, point string, do func() error) error {
	if err := faults.Before(ctx, b.faults, point); err != nil {
		return err
	}
	b.mu.Lock()
	err := b.refusals[point]
	if err == nil {
		err = do()
	}
	b.mu.Unlock()
	return faults.After(ctx, b.faults, point, err)
}

func (b *books) numberOf(owner uuid.UUID) string {
	for n, o := range b.owners {
		if o == owner {
			return n
		}
	}
	return ""
}

func (b *books) lowestFree() string {
	for i := range b.capacity {
		if n := fmt.Sprint(b.first + i); b.owners[n] == uuid.Nil {
			return n
		}
	}
	return ""
}

type extensions struct{ *books }

func (x extensions) Allocate(ctx context.Context, _, _ uuid.UUID, owners []uuid.UUID, wishes []string, validateOnly bool) (numbers []string, err error) {
	err = x.at(ctx, "extension.Allocate", func() error {
		numbers = nil
		before := map[string]uuid.UUID{}
		for n, o := range x.owners {
			before[n] = o
		}
		for i, owner := range owners {
			n := x.numberOf(owner)
			if n == "" && wishes != nil && wishes[i] != "" {
				if n = wishes[i]; x.owners[n] != uuid.Nil {
					x.owners = before
					return errs.New(commonv1.Reason_EXTENSION_IN_USE, "taken").Violation(fmt.Sprintf("allocations[%d]", i), "taken")
				}
			}
			if n == "" {
				n = x.lowestFree()
			}
			if n == "" {
				x.owners = before
				return errs.New(commonv1.Reason_EXTENSION_RANGE_EXHAUSTED, "no extension is left")
			}
			x.owners[n] = owner
			numbers = append(numbers, n)
		}
		if validateOnly {
			x.owners = before
		}
		return nil
	})
	return numbers, err
}

func (x extensions) Swap(ctx context.Context, _, _, owner uuid.UUID, number string, _ time.Duration) (now string, err error) {
	err = x.at(ctx, "extension.Swap", func() error {
		holder := x.owners[number]
		if holder != uuid.Nil && holder != owner {
			return errs.New(commonv1.Reason_EXTENSION_IN_USE, "%s is taken", number).With("number", number)
		}
		before := x.numberOf(owner)
		if number == "" {
			number = x.lowestFree()
		}
		delete(x.owners, before)
		x.owners[number] = owner
		now = number
		return nil
	})
	return now, err
}

func (x extensions) Release(ctx context.Context, _ uuid.UUID, owners []uuid.UUID, _ time.Duration) error {
	return x.at(ctx, "extension.Release", func() error {
		for _, o := range owners {
			delete(x.owners, x.numberOf(o))
			delete(x.held, o)
		}
		return nil
	})
}

func (x extensions) Hold(ctx context.Context, _ uuid.UUID, owners []uuid.UUID) error {
	return x.at(ctx, "extension.Hold", func() error {
		for _, o := range owners {
			x.held[o] = true
		}
		return nil
	})
}

func (x extensions) Reclaim(ctx context.Context, _ uuid.UUID, owners []uuid.UUID) (numbers []string, err error) {
	err = x.at(ctx, "extension.Reclaim", func() error {
		numbers = nil
		for _, o := range owners {
			delete(x.held, o)
			numbers = append(numbers, x.numberOf(o))
		}
		return nil
	})
	return numbers, err
}

type numbering struct{ *books }

func (n numbering) AssignPackages(ctx context.Context, _, pkg uuid.UUID, owners []uuid.UUID, numbers [][]string, validateOnly bool) (out []provisioning.Holding, err error) {
	err = n.at(ctx, "numbering.AssignPackages", func() error {
		out = nil
		needed := 0
		for _, o := range owners {
			if n.holdings[o].PackageID == uuid.Nil {
				needed++
			}
		}
		switch {
		case !n.active:
			return errs.New(commonv1.Reason_PACKAGE_INACTIVE, "inactive")
		case len(n.holdings)+needed > n.seats:
			return errs.New(commonv1.Reason_PACKAGE_SEATS_EXHAUSTED, "no seat is left")
		}
		for i, o := range owners {
			h := n.holdings[o]
			h.PackageID, h.PackageState = pkg, numberingv1.Package_ACTIVE
			if numbers != nil {
				h.PhoneNumbers = union(h.PhoneNumbers, numbers[i])
			}
			if !validateOnly {
				n.holdings[o] = h
			}
			out = append(out, h)
		}
		return nil
	})
	return out, err
}

func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func (n numbering) AssignNumbers(ctx context.Context, _, owner uuid.UUID, numbers []string) (h provisioning.Holding, err error) {
	err = n.at(ctx, "numbering.AssignNumbers", func() error {
		h = n.holdings[owner]
		h.PhoneNumbers = union(h.PhoneNumbers, numbers)
		n.holdings[owner] = h
		return nil
	})
	return h, err
}

func (n numbering) UnassignNumbers(ctx context.Context, _, owner uuid.UUID, numbers []string, _ time.Duration) (h provisioning.Holding, err error) {
	err = n.at(ctx, "numbering.UnassignNumbers", func() error {
		h = n.holdings[owner]
		h.PhoneNumbers = slices.DeleteFunc(slices.Clone(h.PhoneNumbers), func(s string) bool { return slices.Contains(numbers, s) })
		n.holdings[owner] = h
		return nil
	})
	return h, err
}

func (n numbering) Remove(ctx context.Context, _ uuid.UUID, owners []uuid.UUID, _ time.Duration) error {
	return n.at(ctx, "numbering.Remove", func() error {
		for _, o := range owners {
			delete(n.holdings, o)
		}
		return nil
	})
}

func (n numbering) Restore(ctx context.Context, _ uuid.UUID, owners []uuid.UUID, wanted []provisioning.Holding, validateOnly bool) (restored, missing []provisioning.Holding, err error) {
	err = n.at(ctx, "numbering.Restore", func() error {
		restored, missing = nil, nil
		for i, o := range owners {
			back := wanted[i]
			back.PackageState = numberingv1.Package_ACTIVE
			if back.PackageID != uuid.Nil && !validateOnly {
				n.holdings[o] = back
			}
			restored, missing = append(restored, back), append(missing, provisioning.Holding{})
		}
		return nil
	})
	return restored, missing, err
}

func (n numbering) PackageStates(ctx context.Context, _ uuid.UUID) (states view.PackageStates, err error) {
	err = n.at(ctx, "numbering.PackageStates", func() error {
		states = view.PackageStates{}
		for _, h := range n.holdings {
			states[h.PackageID] = h.PackageState
		}
		return nil
	})
	return states, err
}

// reader reads what the others hold, as the doctor's operation asks for it.
type reader struct {
	*books
	mail *mailbox
}

func (r reader) HeldExtensions(ctx context.Context, _ uuid.UUID, owners []uuid.UUID) (held map[uuid.UUID]provisioning.HeldExtension, err error) {
	err = r.at(ctx, "books.HeldExtensions", func() error {
		held = map[uuid.UUID]provisioning.HeldExtension{}
		for _, o := range owners {
			if n := r.numberOf(o); n != "" {
				held[o] = provisioning.HeldExtension{Number: n, Held: r.held[o]}
			}
		}
		return nil
	})
	return held, err
}

func (r reader) Holdings(ctx context.Context, _ uuid.UUID, owners []uuid.UUID) (all []provisioning.Holding, err error) {
	err = r.at(ctx, "books.Holdings", func() error {
		all = nil
		for _, o := range owners {
			all = append(all, r.holdings[o])
		}
		return nil
	})
	return all, err
}

func (r reader) Told(ctx context.Context, _ uuid.UUID, phoneUsers []uuid.UUID) (told map[uuid.UUID]bool, err error) {
	err = r.at(ctx, "books.Told", func() error {
		told = map[uuid.UUID]bool{}
		r.mail.mu.Lock()
		defer r.mail.mu.Unlock()
		for _, m := range r.mail.mail {
			for _, p := range phoneUsers {
				told[p] = told[p] || strings.HasSuffix(m.GetPhoneUser(), p.String())
			}
		}
		return nil
	})
	return told, err
}

// mailbox counts the messages handed over, each id once.
type mailbox struct {
	faults faults.Injector

	mu   sync.Mutex
	mail map[string]*notificationv1.Message
}

func (m *mailbox) Enqueue(ctx context.Context, messages []*notificationv1.Message) error {
	if err := faults.Before(ctx, m.faults, "notification.Enqueue"); err != nil {
		return err
	}
	m.mu.Lock()
	for _, msg := range messages {
		m.mail[msg.GetMessageId()] = msg
	}
	m.mu.Unlock()
	return faults.After(ctx, m.faults, "notification.Enqueue", nil)
}

// kinds notes which kinds of operations are begun and resumed.
type kinds struct {
	*sqlstore.Store

	mu             sync.Mutex
	began, resumed map[string]int
}

func newKinds(s *sqlstore.Store) *kinds {
	return &kinds{Store: s, began: map[string]int{}, resumed: map[string]int{}}
}

func (k *kinds) BeginSagas(ctx context.Context, account uuid.UUID, begins []store.Begin) ([]store.BeginResult, error) {
	k.mu.Lock()
	for i := range begins {
		k.began[begins[i].Saga.Kind]++
	}
	k.mu.Unlock()
	return k.Store.BeginSagas(ctx, account, begins)
}

func (k *kinds) LockedPhoneUsers(ctx context.Context, s *store.Saga) ([]model.PhoneUser, error) {
	k.mu.Lock()
	k.resumed[s.Kind]++
	k.mu.Unlock()
	return k.Store.LockedPhoneUsers(ctx, s)
}

// world is an account on a real database with an engine over it.
type world struct {
	store         *kinds          // as the engine has it, with faults
	reader        *sqlstore.Store // for looking at the outcome, without
	pool          *pgxpool.Pool
	logged        logtest.Buffer
	engine        *provisioning.Engine
	relay         *provisioning.Relay
	books         *books
	mail          *mailbox
	clock         *clock.Fake
	script        *faults.Script
	account, site uuid.UUID
	branch        uuid.UUID // another site
	tokens        *token.Signer
	people        []model.User
	// close ends the reconciler and the engine. Worlds share a database, and a reconciler takes up whatever it finds there, so only
	// one is open at a time.
	close func()
}

func newWorld(t *testing.T, db, quiet *crdb.DB, script *faults.Script, seats, people int, change ...func(*provisioning.Config)) *world {
	t.Helper()
	w := &world{
		store: newKinds(sqlstore.New(db)), reader: sqlstore.New(quiet), pool: quiet.Pool(), books: newBooks(script),
		mail:  &mailbox{faults: script, mail: map[string]*notificationv1.Message{}},
		clock: clock.NewFake(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)), script: script, account: uuid.New(), site: uuid.New(), branch: uuid.New(),
	}
	var err error
	w.tokens, err = token.NewSigner(token.DefaultConfig())
	require.NoError(t, err)
	cfg := provisioning.DefaultConfig()
	// Claims are long, so that no operation is taken up while its driver still drives, however slow the machine is: see quiet.
	cfg.Claim, cfg.ReconcileInterval = time.Hour, 20*time.Millisecond
	cfg.OutboxClaim = 300 * time.Millisecond
	for _, c := range change {
		c(&cfg)
	}
	log := slog.New(slog.NewTextHandler(&w.logged, nil))
	w.relay = provisioning.NewRelay(cfg, w.store, w.mail, log, nil)
	w.engine = provisioning.New(cfg, provisioning.Deps{
		Store: w.store, Extensions: extensions{w.books}, Numbering: numbering{w.books}, Books: reader{w.books, w.mail}, Relay: w.relay, Tokens: w.tokens,
		Clock: w.clock, Logger: log,
	})
	reconciling, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); w.engine.RunReconciler(reconciling) }()
	w.close = sync.OnceFunc(func() {
		stop()
		<-done
		require.NoError(t, w.engine.Close(context.Background()))
	})
	t.Cleanup(w.close)
	now := w.clock.Now()
	_, err = w.store.CreateAccount(t.Context(), model.Account{
		ID: w.account, DisplayName: "Acme", Seats: seats, Policy: model.Policy{SoftDelete: true}, Revision: 1, CreateTime: now, UpdateTime: now,
	}, model.Site{AccountID: w.account, ID: w.site, DisplayName: "Main site", IsMain: true, Revision: 1, CreateTime: now}, store.Remember{})
	require.NoError(t, err)
	require.NoError(t, w.store.CreateSite(t.Context(), model.Site{AccountID: w.account, ID: w.branch, DisplayName: "Branch", Revision: 1, CreateTime: now}, 10))
	for i := range people {
		w.people = append(w.people, model.User{
			AccountID: w.account, ID: uuid.New(), Email: fmt.Sprintf("p%d@example.com", i), DisplayName: fmt.Sprintf("Person %d", i),
			Role: model.RoleMember, Status: model.UserActive, CreateTime: now,
		})
	}
	_, err = w.store.CreateUsers(t.Context(), w.account, store.NewUsers{Users: w.people, Path: func(i int) string { return fmt.Sprint(i) }}, store.Remember{})
	require.NoError(t, err)
	return w
}

func (w *world) assignment(requestID string, pkg uuid.UUID, people ...int) provisioning.Assignment {
	a := provisioning.Assignment{
		Account: w.account, Caller: provisioning.Caller{Actor: "ada", TraceID: "t"}, SiteID: w.site, PackageID: pkg,
		RequestID: requestID, BodyHash: []byte(fmt.Sprint(pkg, people)),
	}
	for _, i := range people {
		u := w.people[i]
		a.Assignees = append(a.Assignees, provisioning.Assignee{
			Kind: model.KindUser, ID: u.ID, DisplayName: u.DisplayName, Email: u.Email, Settings: &licensev1.Settings{},
		})
	}
	return a
}

func (w *world) targets(requestID string, ids ...uuid.UUID) provisioning.Targets {
	return provisioning.Targets{
		Account: w.account, Caller: provisioning.Caller{Actor: "ada", TraceID: "t"}, PhoneUsers: ids, RequestID: requestID,
		BodyHash: []byte(fmt.Sprint(ids)),
	}
}

// phoneUsers reads all phone users there are, in whatever state.
func (w *world) phoneUsers(t *testing.T) []model.PhoneUser {
	t.Helper()
	ps, err := w.reader.ListPhoneUsers(t.Context(), w.account, store.PhoneUserQuery{
		States: []model.State{model.StatePending, model.StateProvisioning, model.StateActive, model.StateTrashed}, Limit: 1000,
	})
	require.NoError(t, err)
	return ps
}

// quiet ends the claims of drivers, who have all returned, and waits until the reconciler has ended every operation.
func (w *world) quiet(t *testing.T) {
	t.Helper()
	testkit.Eventually(t, 20*time.Second, func() error {
		if _, err := w.pool.Exec(t.Context(), `UPDATE sagas SET claimed_until = now() WHERE claimed_until > now()`); err != nil {
			return err
		}
		n, _, err := w.reader.CountSagas(t.Context())
		if err == nil && n > 0 {
			err = fmt.Errorf("%d operations are under way", n)
		}
		return err
	})
}

// settle lets the reconciler end every operation, whose claims are short here.
func (w *world) settle(t *testing.T) {
	t.Helper()
	w.quiet(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.relay.Run(ctx) }()
	testkit.Eventually(t, 10*time.Second, func() error {
		n, _, err := w.reader.CountOutbox(ctx)
		if err == nil && n > 0 {
			w.relay.Wake()
			err = fmt.Errorf("%d mails are left", n)
		}
		return err
	})
	// Another look begins when the one that took the last mails has heard that they are gone.
	looks := w.script.Hits("license.ClaimOutbox")
	testkit.Eventually(t, 10*time.Second, func() error {
		if w.relay.Wake(); w.script.Hits("license.ClaimOutbox") == looks {
			return errors.New("the relay is still at it")
		}
		return nil
	})
	cancel()
	<-done
}

// check shows that all books agree.
func (w *world) check(t *testing.T) {
	t.Helper()
	account, err := w.reader.GetAccount(t.Context(), w.account)
	require.NoError(t, err)
	live, owners := 0, map[string]uuid.UUID{}
	for _, p := range w.phoneUsers(t) {
		if p.State == model.StatePending {
			require.Empty(t, p.ExtensionNumber, "%s", p.DisplayName)
			live++
			continue
		}
		require.NotEmpty(t, p.ExtensionNumber, "%s", p.DisplayName)
		require.NotContains(t, owners, p.ExtensionNumber, "one owner a number")
		owners[p.ExtensionNumber] = p.ID
		require.Equal(t, p.State == model.StateTrashed, w.books.held[p.ID], "%s: held while in the trash", p.DisplayName)
		h := w.books.holdings[p.ID]
		require.Equal(t, h.PackageID, p.PackageID, "%s: package", p.DisplayName)
		require.ElementsMatch(t, h.PhoneNumbers, p.PhoneNumbers, "%s: numbers", p.DisplayName)
		if p.Live() {
			live++
		}
	}
	require.Equal(t, live, account.Taken, "seats")
	require.Equal(t, owners, w.books.owners, "extensions")
	for owner := range w.books.holdings {
		require.Contains(t, owners, w.books.numberOf(owner), "a package without a phone user")
	}
}
