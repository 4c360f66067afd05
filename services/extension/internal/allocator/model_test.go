package allocator_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/extension/internal/allocator"
	"github.com/switchboard-phone/switchboard/services/extension/internal/book"
	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/etcdtest"
)

// TestAgainstModel does by chance everything that can be done to the numbers of an account, at either of two replicas, and
// compares with a model that fits on a page.
func TestAgainstModel(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		w := newWorld(t, e)
		w.clock = clock.NewFake(time.Now().Truncate(time.Microsecond))
		etcd := etcdtest.New(t)
		var sides []side
		for range 2 {
			r := w.replica(t, leasing(etcd), reservedSet)
			sides = append(sides, side{r, book.New(r.store, r.Allocator, modelReserved, w.clock)})
		}
		rapid.Check(t, func(rt *rapid.T) {
			m := &model{world: w, sides: sides, ctx: t, account: uuid.New(), site: uuid.New(), rows: map[string]entry{}, ranges: map[string]store.Range{}}
			for range 8 {
				m.owners = append(m.owners, uuid.New())
			}
			m.makeRange(rt, "10", "14")
			m.makeRange(rt, "110", "113")
			rt.Repeat(map[string]func(*rapid.T){
				"allocate": m.allocate, "allocate2": m.allocate, "swap": m.swap, "release": m.release, "hold": m.hold, "reclaim": m.reclaim,
				"reserve": m.reserve, "unreserve": m.unreserve, "range": m.toggleRange, "wait": m.wait, "": m.check,
			})
		})
	})
}

var modelReserved = number.NewSet(number.MustParse("112"), number.MustParse("911"))

type side struct {
	*replica
	book *book.Book
}

type entry struct {
	state store.State
	owner uuid.UUID
	until time.Time
}

type model struct {
	world         *world
	ctx           *testing.T
	sides         []side
	account, site uuid.UUID
	owners        []uuid.UUID
	rows          map[string]entry
	ranges        map[string]store.Range // by their first number
}

func (m *model) side(t *rapid.T) side {
	return m.sides[rapid.IntRange(0, len(m.sides)-1).Draw(t, "replica")]
}

// universe is every number that the model may meet.
var universe = func() (out []string) {
	for n := 9; n <= 26; n++ {
		out = append(out, fmt.Sprintf("%02d", n))
	}
	return append(out, "109", "110", "111", "112", "113", "114", "911")
}()

func (m *model) inRange(text string) bool {
	for _, r := range m.ranges {
		if r.Contains(number.MustParse(text)) {
			return true
		}
	}
	return false
}

// row returns what keeps a number from being given out.
func (m *model) row(text string) (entry, bool) {
	e, ok := m.rows[text]
	if ok && e.state == store.Quarantined && !e.until.After(m.world.clock.Now()) {
		return entry{}, false
	}
	return e, ok
}

func (m *model) isFree(text string) bool {
	_, used := m.row(text)
	return !used && m.inRange(text) && !modelReserved.Contains(number.MustParse(text))
}

func (m *model) free() (count int) {
	for _, text := range universe {
		if m.isFree(text) {
			count++
		}
	}
	return count
}

func (m *model) of(owner uuid.UUID) (string, bool) {
	for text, e := range m.rows {
		if e.owner == owner {
			return text, true
		}
	}
	return "", false
}

func (m *model) someOwners(t *rapid.T) []uuid.UUID {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(m.owners), 1, 4, rapid.ID[uuid.UUID]).Draw(t, "owners")
}

// refusalOf returns why a wish cannot be met; unspecified when it can.
func (m *model) refusalOf(wish string) commonv1.Reason {
	n, err := number.Parse(wish)
	e, used := m.row(wish)
	switch {
	case err != nil:
		return commonv1.Reason_EXTENSION_INVALID
	case modelReserved.Contains(n):
		return commonv1.Reason_EXTENSION_RESERVED
	case !m.inRange(wish):
		return commonv1.Reason_EXTENSION_OUT_OF_RANGE
	case used && e.state == store.Reserved:
		return commonv1.Reason_EXTENSION_RESERVED
	case used:
		return commonv1.Reason_EXTENSION_IN_USE
	}
	return commonv1.Reason_REASON_UNSPECIFIED
}

func (m *model) allocate(t *rapid.T) {
	req := allocator.Request{Account: m.account, Site: m.site}
	var mayFail []commonv1.Reason
	plain, wished, seen := 0, 0, map[string]bool{}
	for _, owner := range m.someOwners(t) {
		item := allocator.Item{Owner: owner}
		if rapid.IntRange(0, 3).Draw(t, "wishes") == 0 {
			item.Wish = rapid.SampledFrom(append([]string{"x"}, universe...)).Draw(t, "wish")
			if seen[item.Wish] {
				item.Wish = ""
			}
			seen[item.Wish] = true
		}
		req.Items = append(req.Items, item)
		if _, has := m.of(owner); has {
			continue
		}
		if item.Wish == "" {
			plain++
			continue
		}
		if why := m.refusalOf(item.Wish); why != 0 {
			mayFail = append(mayFail, why)
		} else {
			wished++
		}
	}
	if plain+wished > m.free() {
		mayFail = append(mayFail, commonv1.Reason_EXTENSION_RANGE_EXHAUSTED)
	}
	s := m.side(t)
	act := s.Allocate
	preview := rapid.IntRange(0, 4).Draw(t, "preview") == 0
	if preview {
		act = s.Preview
	}
	got, err := act(m.ctx.Context(), req)
	if len(mayFail) > 0 {
		require.Contains(t, mayFail, errs.Reason(err), "%v", err)
		return
	}
	require.NoError(t, err)
	m.accept(t, req, got, preview)
}

// accept checks an allocation against the model and takes it over.
func (m *model) accept(t *rapid.T, req allocator.Request, got []store.Extension, preview bool) {
	given := map[string]bool{}
	for i, item := range req.Items {
		text := got[i].Number.String()
		require.Equal(t, item.Owner, got[i].Owner)
		require.False(t, given[text], "%s was given twice", text)
		given[text] = true
		if has, ok := m.of(item.Owner); ok {
			require.Equal(t, has, text)
			require.Equal(t, m.rows[has].state, got[i].State)
			continue
		}
		require.True(t, m.isFree(text), "%s is not free", text)
		if item.Wish != "" {
			require.Equal(t, item.Wish, text)
		}
	}
	if preview {
		return
	}
	for i, item := range req.Items {
		if _, ok := m.of(item.Owner); !ok {
			m.rows[got[i].Number.String()] = entry{state: store.Assigned, owner: item.Owner}
		}
	}
}

func (m *model) quarantine(t *rapid.T) time.Duration {
	return rapid.SampledFrom([]time.Duration{0, 0, time.Hour}).Draw(t, "quarantine")
}

// leave frees a number.
func (m *model) leave(text string, quarantine time.Duration) {
	delete(m.rows, text)
	if quarantine > 0 {
		m.rows[text] = entry{state: store.Quarantined, until: m.world.clock.Now().Add(quarantine)}
	}
}

func (m *model) swap(t *rapid.T) {
	owner := rapid.SampledFrom(m.owners).Draw(t, "owner")
	wish := rapid.SampledFrom(append([]string{"", "", "x"}, universe...)).Draw(t, "wish")
	had, has := m.of(owner)
	req := allocator.SwapRequest{Account: m.account, Site: m.site, Owner: owner, Wish: wish, Quarantine: m.quarantine(t)}
	now, before, err := m.side(t).Swap(m.ctx.Context(), req)
	switch {
	case has && (wish == had || wish == "" && m.inRange(had)):
		require.NoError(t, err)
		require.Equal(t, had, now.String())
		require.Zero(t, before)
		return
	case wish == "" && m.free() == 0:
		require.Equal(t, commonv1.Reason_EXTENSION_RANGE_EXHAUSTED, errs.Reason(err))
		return
	case wish != "" && m.refusalOf(wish) != 0:
		require.Equal(t, m.refusalOf(wish).String(), errs.Reason(err).String(), "%v", err)
		return
	}
	require.NoError(t, err)
	require.Equal(t, had, before.String())
	require.True(t, m.isFree(now.String()))
	if wish != "" {
		require.Equal(t, wish, now.String())
	}
	state := store.Assigned
	if has {
		state = m.rows[had].state
		m.leave(had, req.Quarantine)
	}
	m.rows[now.String()] = entry{state: state, owner: owner}
}

func (m *model) release(t *rapid.T) {
	owners, quarantine := m.someOwners(t), m.quarantine(t)
	var want []string
	for _, o := range owners {
		if text, ok := m.of(o); ok {
			want = append(want, text)
		}
	}
	got, err := m.side(t).book.Release(m.ctx.Context(), m.account, owners, quarantine)
	require.NoError(t, err)
	require.ElementsMatch(t, want, texts(got))
	for _, text := range want {
		m.leave(text, quarantine)
	}
}

func (m *model) set(text string, state store.State) {
	e := m.rows[text]
	e.state = state
	m.rows[text] = e
}

func (m *model) hold(t *rapid.T) {
	owners := m.someOwners(t)
	var want []string
	for _, o := range owners {
		if text, ok := m.of(o); ok {
			want = append(want, text)
			m.set(text, store.Held)
		}
	}
	got, err := m.side(t).book.Hold(m.ctx.Context(), m.account, owners)
	require.NoError(t, err)
	require.ElementsMatch(t, want, texts(got))
}

func (m *model) reclaim(t *rapid.T) {
	owners := m.someOwners(t)
	var want []string
	for _, o := range owners {
		if text, ok := m.of(o); ok {
			want = append(want, text)
		}
	}
	got, err := m.side(t).book.Reclaim(m.ctx.Context(), m.account, owners)
	if len(want) < len(owners) {
		require.Equal(t, commonv1.Reason_NOT_FOUND, errs.Reason(err))
		return
	}
	require.NoError(t, err)
	require.Equal(t, want, texts(got))
	for _, text := range want {
		m.set(text, store.Assigned)
	}
}

func (m *model) someNumbers(t *rapid.T) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(universe), 1, 3, rapid.ID[string]).Draw(t, "numbers")
}

func (m *model) reserve(t *rapid.T) {
	texts := m.someNumbers(t)
	refused := slices.ContainsFunc(texts, func(text string) bool {
		e, used := m.row(text)
		return used && e.state != store.Reserved
	})
	_, err := m.side(t).book.Reserve(m.ctx.Context(), m.account, texts)
	if refused {
		require.Equal(t, commonv1.Reason_EXTENSION_IN_USE, errs.Reason(err))
		return
	}
	require.NoError(t, err)
	for _, text := range texts {
		m.rows[text] = entry{state: store.Reserved}
	}
}

func (m *model) unreserve(t *rapid.T) {
	texts := m.someNumbers(t)
	_, err := m.side(t).book.Unreserve(m.ctx.Context(), m.account, texts)
	require.NoError(t, err)
	for _, text := range texts {
		if e, used := m.row(text); used && e.state == store.Reserved {
			delete(m.rows, text)
		}
	}
}

func (m *model) makeRange(t *rapid.T, from, to string) {
	r, err := m.side(t).book.CreateRange(m.ctx.Context(), m.account, m.site, from, to)
	require.NoError(t, err)
	m.ranges[from] = r
}

// toggleRange makes or deletes a range.
func (m *model) toggleRange(t *rapid.T) {
	r, there := m.ranges["20"]
	if !there {
		m.makeRange(t, "20", "25")
		return
	}
	used := false
	for text, e := range m.rows {
		used = used || r.Contains(number.MustParse(text)) && e.owner != uuid.Nil
	}
	err := m.side(t).book.DeleteRange(m.ctx.Context(), m.account, m.site, r.ID)
	if used {
		require.Equal(t, commonv1.Reason_RANGE_IN_USE, errs.Reason(err))
		return
	}
	require.NoError(t, err)
	delete(m.ranges, "20")
}

func (m *model) wait(t *rapid.T) {
	m.world.clock.Advance(rapid.SampledFrom([]time.Duration{time.Second, 30 * time.Minute, time.Hour}).Draw(t, "time"))
}

// check compares every number.
func (m *model) check(t *rapid.T) {
	got, err := m.side(t).book.Check(m.ctx.Context(), m.account, uuid.Nil, universe)
	require.NoError(t, err)
	for i, text := range universe {
		e, used := m.row(text)
		switch {
		case !used && modelReserved.Contains(number.MustParse(text)):
			e.state = store.Reserved
		case !used && m.inRange(text):
			e.state = book.Free
		case !used:
			e.state = book.OutOfRange
		}
		seen := entry{state: got[i].State, owner: got[i].Owner, until: got[i].QuarantineUntil}
		require.Equal(t, e, seen, "number %s", text)
	}
}
