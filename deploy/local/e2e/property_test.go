package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

// Everything is scarce in the accounts of this test, so that calls run into each other.
const (
	licenceSeats = 6
	templateRing = 45

	inactivePackage, unknownPackage = 2, 3
	unknownSite                     = 2
	ownExtension                    = 11
	unknownNumber, invalidNumber    = "+441632960999", "12"
	// propertyAccounts is how many accounts each engine has; each sees as many sequences as rapid makes checks (100).
	propertyAccounts = 6
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
	// dirty says that a sequence did not come to its end.
	dirty bool
	// told is how often everybody was to be told of what, over all sequences.
	told map[string]int
	// worked is how many calls of each kind worked, and refused how many were refused, one after the other.
	worked, refused map[string]int
}

func newFixture(t *testing.T, s *stack.Stack) *fixture {
	t.Helper()
	tn := newBareTenant(t, s, licenceSeats)
	f := &fixture{tn: tn, nobody: tn.unknown("phoneUsers"), noPerson: tn.unknown("users"), told: map[string]int{}, worked: map[string]int{}, refused: map[string]int{}}
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
	for _, name := range tn.userNames(4) {
		f.people = append(f.people, assignee{name: name})
	}
	for _, name := range []string{"Blue", "Red"} {
		f.people = append(f.people, assignee{name: tn.room(name), room: true})
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
		for i := range propertyAccounts {
			t.Run(fmt.Sprint("account", i), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t, s)
				rapid.Check(t, func(rt *rapid.T) {
					if f.dirty {
						f = newFixture(t, s)
					}
					f.dirty = true
					if err := f.sequence(rt); err != nil {
						rt.Fatal(err)
					}
					f.dirty = false
				})
				require.NoError(t, f.toldInTheEnd(t.Context()))
				t.Logf("worked: %v, refused: %v", f.worked, f.refused)
			})
		}
	})
}

// sequence draws and carries out one sequence.
func (f *fixture) sequence(rt *rapid.T) error {
	ctx := rt.Context()
	m := &model{fixture: f, assignees: slices.Clone(f.people), told: map[string]int{}, trash: f.trash}
	if pick(rt, "trash", false, true, true) != f.trash {
		if err := m.step(ctx, call{Kind: "policy"}); err != nil {
			return err
		}
	}
	for range pick(rt, "calls", 1, 4, 5, 6, 7, 8, 8, 9, 10, 12) {
		c := drawCall(rt)
		if err := m.step(ctx, c); err != nil {
			return fmt.Errorf("%+v: %w", c, err)
		}
	}
	l, err := f.ledger(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(append(l.disagreements(f), m.agrees(l)...)...); err != nil {
		return err
	}
	if err := m.together(ctx, drawActors(rt)); err != nil {
		return err
	}
	return m.end(ctx)
}

// drawActors draws what several callers do at once; in half of the cases there are none.
func drawActors(rt *rapid.T) [][]call {
	actors := make([][]call, pick(rt, "actors", 0, 0, 2, 3))
	for i := range actors {
		for range pick(rt, "actor calls", 1, 2) {
			actors[i] = append(actors[i], drawCall(rt))
		}
	}
	return actors
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
	want := m.refuses(c)
	r, err := m.prepare(ctx, c)
	if err != nil {
		return err
	}
	a, err := r.send(ctx)
	if want != nil || err != nil {
		m.refused[c.Kind]++
		return want.is(err)
	}
	m.worked[c.Kind]++
	if c.Preview {
		return m.clone().apply(c, r, a)
	}
	if id, ok := r.body["requestId"].(string); ok {
		m.kept = append(m.kept, keptCall{id, r, a})
	}
	// The answer that is kept is not looked into again by comparing it, so the comparison gets its own.
	a.Releases = slices.Clone(a.Releases)
	return m.apply(c, r, a)
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

// tokenOf takes an invited person's token out of the mail, and waits for the mail.
func (f *fixture) tokenOf(ctx context.Context, l *licence) (string, error) {
	if l.token != "" {
		return l.token, nil
	}
	err := await(ctx, func() error {
		mails := f.tn.mails(l.email)
		if len(mails) == 0 {
			return fmt.Errorf("%s got no mail", l.email)
		}
		if found := tokenInLink.FindStringSubmatch(mails[len(mails)-1].Text); found != nil {
			l.token = found[1]
			return nil
		}
		return errors.New("the invitation has no token")
	})
	return l.token, err
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
	l, err := m.ledger(ctx)
	if err != nil {
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

// everybodyTold compares the notifications of the sequence with those that there must be: newest first, they are on the first page.
func (m *model) everybodyTold(ctx context.Context) error {
	var page struct{ Notifications []gatewayclient.Notification }
	if err := m.tn.admin.Get(ctx, m.tn.path+"/notifications?pageSize=200", &page); err != nil {
		return err
	}
	mine := map[string]bool{}
	for _, l := range m.licences {
		mine[l.name] = true
	}
	for k := range m.told {
		name, _, _ := strings.Cut(k, " ")
		mine[name] = true
	}
	got := map[string]int{}
	for _, n := range page.Notifications {
		if mine[n.PhoneUser] {
			got[n.PhoneUser+" "+n.Kind]++
		}
	}
	if !reflect.DeepEqual(got, m.told) {
		return fmt.Errorf("people must be told\n%v and are\n%v", m.told, got)
	}
	return nil
}

// toldInTheEnd looks at all notifications of all sequences, when all have been sent.
func (f *fixture) toldInTheEnd(ctx context.Context) error {
	return await(ctx, func() error {
		all, err := gatewayclient.List[gatewayclient.Notification](ctx, f.tn.admin, f.tn.path+"/notifications", "notifications", nil)
		if err != nil {
			return err
		}
		got, mails := map[string]int{}, map[string]int{}
		for _, n := range all {
			got[n.PhoneUser+" "+n.Kind]++
			mails[n.Recipient]++
			if n.State != "SENT" {
				return fmt.Errorf("%s is not sent", n.Name)
			}
		}
		if !reflect.DeepEqual(got, f.told) {
			return fmt.Errorf("people must be told %d times and are %d times", len(f.told), len(all))
		}
		for to, n := range mails {
			if arrived := len(f.tn.mails(to)); arrived != n {
				return fmt.Errorf("%s got %d mails instead of %d", to, arrived, n)
			}
		}
		return nil
	})
}

// together lets several callers act at once and checks that each answer is possible and the books agree in the end.
func (m *model) together(ctx context.Context, actors [][]call) error {
	if len(actors) == 0 {
		return nil
	}
	var (
		mu   sync.Mutex
		errs []error
		wg   sync.WaitGroup
	)
	for _, calls := range actors {
		var ready []func() error
		for _, c := range calls {
			act, err := m.act(ctx, &mu, c)
			if err != nil {
				return err
			}
			ready = append(ready, act)
		}
		wg.Go(func() {
			for i, act := range ready {
				if err := act(); err != nil {
					mu.Lock()
					errs = append(errs, fmt.Errorf("at the same time as others, %+v: %w", calls[i], err))
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	l, err := m.ledger(ctx)
	if err != nil {
		return err
	}
	m.trash = l.account.Policy != nil && l.account.Policy.SoftDelete
	return errors.Join(l.disagreements(m.fixture)...)
}

// act prepares a call of one of several callers. One with a request id is made twice at the same time. mu guards the model's told.
func (m *model) act(ctx context.Context, mu *sync.Mutex, c call) (func() error, error) {
	if c.Kind == "repeat" || c.Kind == "reuse" {
		return func() error { return nil }, nil
	}
	c = m.resolve(c)
	predicted, before := m.refuses(c), ""
	if c.Kind == "confirm" {
		if l := m.invited(c.Who[0]); l != nil && l.state == pending {
			before = l.name
		}
	}
	r, err := m.prepare(ctx, c)
	if err != nil {
		return nil, err
	}
	times := 1
	if c.Keyed {
		times = 2
	}
	return func() error {
		answers, errs := make([]answer, times), make([]error, times)
		var wg sync.WaitGroup
		for i := range times {
			wg.Go(func() { answers[i], errs[i] = r.send(ctx) })
		}
		wg.Wait()
		mu.Lock()
		defer mu.Unlock()
		for i := range times {
			if err := possible(c, predicted, errs[i]); err != nil {
				return err
			}
			if errs[i] == nil && !c.Preview {
				m.tellOf(c, before, answers[i])
			}
		}
		if times == 2 && errs[0] == nil && errs[1] == nil && !reflect.DeepEqual(answers[0], answers[1]) {
			return fmt.Errorf("two answers under one request id:\n%+v\n%+v", answers[0], answers[1])
		}
		return nil
	}, nil
}

// tellOf notes who is told because of a call that worked.
func (m *model) tellOf(c call, confirmed string, a answer) {
	switch {
	case c.Kind == "invite":
		m.told[a.User.PhoneUser+" INVITATION"] = 1
	case c.Kind == "confirm" && confirmed != "":
		m.told[confirmed+" CONFIRMED"] = 1
	case c.Kind == "assign":
		for _, u := range a.PhoneUsers {
			if u.Kind == "USER" {
				m.told[u.Name+" WELCOME"] = 1
			}
		}
	}
}
