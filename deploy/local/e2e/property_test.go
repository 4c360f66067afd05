package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
)

// Everything is scarce in the accounts of this test, so that calls run into each other.
const (
	licenceSeats = 4
	templateRing = 45

	inactivePackage, unknownPackage = 2, 3
	unknownSite                     = 2
	ownExtension, noExtension       = 11, 12
	unknownNumber, invalidNumber    = "+441632960999", "12"
	// propertyAccounts is how many accounts each engine has; each sees as many sequences as rapid makes checks (100).
	propertyAccounts = 5
)

var (
	packageSeats = []int{2, 3, 5}
	extensionsOf = [][]string{{"1000", "1001", "1002", "1003", "1004"}, {"2000", "2001", "2002"}}
	// wishes are extensions that calls ask for. The last one stands for the one that the phone user has.
	wishes        = slices.Concat(extensionsOf[0], extensionsOf[1], []string{"1002", "7777", "1x34", "1003"})
	directNumbers = []string{"+441632960000", "+441632960001", "+441632960002", "+441632960003", unknownNumber, invalidNumber}
)

// fixture is an account that sequences use one after the other. Each leaves it without phone users.
type fixture struct {
	tn               *tenant
	sites, packages  []string
	template         string
	nobody, noPerson string
	people           []assignee
	trash            bool
	// ring is the template's settings.ringSeconds. clock is nil where time passes by itself.
	ring  int
	clock *clock.Fake
	// dirty says that a sequence did not come to its end.
	dirty bool
	// told is how often everybody was to be told of what, over all sequences.
	told     map[string]int
	outcomes *outcomes
}

// outcomes counts the calls that were made one after the other, by kind. It is safe for concurrent use.
type outcomes struct {
	mu              sync.Mutex
	worked, refused map[string]int
}

func (o *outcomes) count(kind string, worked bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.worked == nil {
		o.worked, o.refused = map[string]int{}, map[string]int{}
	}
	if worked {
		o.worked[kind]++
	} else {
		o.refused[kind]++
	}
}

// check tells the counts, and that sequences came to where every kind of call works: otherwise they would show little.
func (o *outcomes) check(t *testing.T) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	t.Logf("worked: %v\nrefused: %v", o.worked, o.refused)
	if t.Failed() || o.worked["sequences"] < 500 {
		return
	}
	for kind := range possibleRefusals {
		require.Positive(t, o.worked[kind], "%s worked", kind)
	}
}

func newFixture(t *testing.T, s *stack.Stack, clk *clock.Fake, sum *outcomes) *fixture {
	t.Helper()
	tn := newBareTenant(t, s, licenceSeats)
	f := &fixture{tn: tn, clock: clk, outcomes: sum, ring: templateRing, nobody: tn.unknown("phoneUsers"), noPerson: tn.unknown("users"), told: map[string]int{}}
	tn.ranges(tn.main, extensionsOf[0][0], extensionsOf[0][4])
	f.sites = []string{tn.main, tn.site("Branch", extensionsOf[1][0], extensionsOf[1][2]), tn.unknown("sites")}
	for i, seats := range packageSeats {
		f.packages = append(f.packages, tn.pkg(fmt.Sprint("Package ", i), seats))
	}
	require.NoError(t, tn.tryOn(f.packages[inactivePackage], "deactivate", map[string]any{}))
	f.packages = append(f.packages, tn.unknown("packages"))
	tn.numbers(4)
	ring := templateRing
	f.template = create(tn, "/templates", gatewayclient.Template{
		DisplayName: "Long", Site: tn.main, Settings: &gatewayclient.Settings{RingSeconds: &ring},
	}).Name
	for _, u := range tn.users(3) {
		f.people = append(f.people, assignee{name: u.Name, email: u.Email})
	}
	for _, name := range []string{"Blue"} {
		f.people = append(f.people, assignee{name: tn.room(name), display: name, room: true})
	}
	return f
}

func (f *fixture) siteName(i int) string {
	if i == none {
		return ""
	}
	return f.sites[i]
}

func (f *fixture) packageName(i int) string {
	if i == none {
		return ""
	}
	return f.packages[i]
}

// TestAnyOrderOfOperations draws sequences of operations on phone users: first one after the other, each answer compared with what the
// model says, then several callers at once, whose answers must be possible. After each, the books of all services agree.
func TestAnyOrderOfOperations(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		var sum outcomes
		t.Cleanup(func() { sum.check(t) })
		for i := range propertyAccounts - 1 {
			t.Run(fmt.Sprint("account", i), func(t *testing.T) {
				t.Parallel()
				sequences(t, s, nil, &sum)
			})
		}
		// The time passes for a whole stack: one account has one of its own.
		t.Run("time passes", func(t *testing.T) {
			t.Parallel()
			s, clk := timedStack(t, s.Database())
			sequences(t, s, clk, &sum)
		})
	})
}

// sequences draws and carries out sequences in an account of its own.
func sequences(t *testing.T, s *stack.Stack, clk *clock.Fake, sum *outcomes) {
	t.Helper()
	f := newFixture(t, s, clk, sum)
	rapid.Check(t, func(rt *rapid.T) {
		if f.dirty {
			f = newFixture(t, s, clk, sum)
		}
		f.dirty = true
		if err := f.sequence(rt); err != nil {
			rt.Fatal(err)
		}
		f.dirty = false
		sum.count("sequences", true)
	})
	require.NoError(t, f.toldInTheEnd(t.Context()))
}

// sequence draws and carries out one sequence.
func (f *fixture) sequence(rt *rapid.T) error {
	ctx := rt.Context()
	m := &model{fixture: f, assignees: slices.Clone(f.people), told: map[string]int{}, out: map[string]string{}, trash: f.trash}
	if pick(rt, "trash", false, true, true) != f.trash {
		if err := m.step(ctx, call{Kind: "policy"}); err != nil {
			return err
		}
	}
	for range pick(rt, "calls", 1, 5, 8, 9, 10, 11, 12, 13, 15, 18) {
		c := drawCall(rt, m)
		if err := m.step(ctx, c); err != nil {
			return fmt.Errorf("%+v: %w", c, err)
		}
	}
	l, err := f.tn.ledger(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(append(l.disagreements(), m.agrees(l)...)...); err != nil {
		return err
	}
	if err := m.together(ctx, drawActors(rt, m)); err != nil {
		return err
	}
	return m.end(ctx)
}

// step carries out one call while nobody else does anything.
func (m *model) step(ctx context.Context, c call) error {
	switch c.Kind {
	case "repeat", "reuse":
		if len(m.kept) == 0 {
			return nil
		}
		return m.again(ctx, c, m.kept[len(m.kept)-1])
	}
	c = m.resolve(c)
	switch c.Kind {
	case "import":
		return m.importRow(ctx, c)
	case "advance":
		return m.advance(ctx)
	case "resend":
		if l := m.resent(c); l != nil && m.coolingDown(l) == maybe {
			return nil
		}
	}
	want := m.refuses(c)
	r, err := m.prepare(ctx, c)
	if err != nil {
		return err
	}
	a, err := r.send(ctx)
	if want != nil || err != nil {
		m.outcomes.count(c.Kind, false)
		return want.is(err)
	}
	m.outcomes.count(c.Kind, true)
	if c.Preview {
		return m.clone().apply(c, r, a)
	}
	if id, ok := r.body["requestId"].(string); ok {
		m.kept = append(m.kept, keptCall{id, r, a})
	}
	// The answer that is kept is not looked into again by comparing it, so the comparison gets its own.
	a.Releases = slices.Clone(a.Releases)
	if err := m.apply(c, r, a); err != nil {
		return err
	}
	return m.noteEtags(c, a)
}

// again uses a request id once more: for the same call, which gets the same answer, or for another one, which is refused.
func (m *model) again(ctx context.Context, c call, k keptCall) error {
	if c.Kind == "reuse" {
		body := map[string]any{"phoneUsers": []string{m.nobody}, "requestId": k.id}
		return refuse("REQUEST_ID_REUSED").is(m.tn.admin.Do(ctx, http.MethodPost, m.tn.path+"/phoneUsers:batchRemovePackages", body, nil))
	}
	a, err := k.request.send(ctx)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(a, k.answer) {
		return fmt.Errorf("the first answer was\n%+v and its repetition is\n%+v", k.answer, a)
	}
	return nil
}

// is compares a refusal with what came. No refusal is expected from a nil one.
func (r *refusal) is(err error) error {
	var got *gatewayclient.Error
	switch {
	case r == nil:
		return fmt.Errorf("must work and is refused: %w", err)
	case err == nil:
		return fmt.Errorf("must be refused with %s %v and works", r.reason, r.fields)
	case !errors.As(err, &got):
		return err
	case got.Reason != r.reason || got.HTTPStatus != httpStatus[r.reason]:
		return fmt.Errorf("must be refused with %s and is: %w", r.reason, err)
	case r.fields != nil && !slices.Equal(r.fields, got.Fields()):
		return fmt.Errorf("%s must name %v and is: %w", r.reason, r.fields, err)
	}
	return nil
}

// await polls check until it answers nil, or for too long.
func await(ctx context.Context, check func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// end waits until everybody is told, and takes all licences away.
func (m *model) end(ctx context.Context) error {
	if err := await(ctx, func() error { return m.everybodyTold(ctx) }); err != nil {
		return err
	}
	for k, n := range m.told {
		m.fixture.told[k] += n
	}
	l, err := m.tn.ledger(ctx)
	if err != nil {
		return err
	}
	if err := m.endQuarantine(ctx); err != nil {
		return err
	}
	m.fixture.trash = m.trash
	if m.trash {
		if err := m.step(ctx, call{Kind: "policy"}); err != nil {
			return err
		}
		m.fixture.trash = m.trash
	}
	if len(l.users) == 0 {
		return nil
	}
	return m.tn.admin.Post(ctx, m.tn.path+"/phoneUsers:batchRemove", map[string]any{"phoneUsers": names(l.users)}, nil)
}
