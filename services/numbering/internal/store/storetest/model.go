package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchboard-phone/switchboard/services/numbering/internal/books"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/store"
)

// model says in the plainest way what the books ought to hold: whole tables, searched from end to end.
type model struct {
	now     time.Time
	seats   map[uuid.UUID]int
	off     map[uuid.UUID]bool
	holds   map[uuid.UUID]uuid.UUID
	numbers []modelNumber
	order   []string // assigned numbers, oldest first
}

type modelNumber struct {
	number string
	owner  uuid.UUID
	until  time.Time
	before uuid.UUID // who had it last
}

func (m *model) taken(pkg uuid.UUID) (n int) {
	for _, p := range m.holds {
		if p == pkg {
			n++
		}
	}
	return n
}

func (m *model) find(number string) *modelNumber {
	for i := range m.numbers {
		if m.numbers[i].number == number {
			return &m.numbers[i]
		}
	}
	return nil
}

func (m *model) free(number string) bool {
	n := m.find(number)
	return n != nil && n.owner == uuid.Nil && !m.now.Before(n.until)
}

func (m *model) has(owner uuid.UUID, number string) bool {
	n := m.find(number)
	return n != nil && n.owner == owner
}

func (m *model) give(owner uuid.UUID, number string) {
	m.find(number).owner = owner
	m.order = append(m.order, number)
}

func (m *model) take(number string, quarantine time.Duration) {
	n := m.find(number)
	n.owner, n.until, n.before = uuid.Nil, m.now.Add(quarantine), n.owner
	m.order = slices.DeleteFunc(m.order, func(o string) bool { return o == number })
}

func (m *model) holding(owner uuid.UUID) books.Holding {
	h := books.Holding{Owner: owner, Package: m.holds[owner]}
	if h.Package != uuid.Nil {
		h.PackageState = books.Active
		if m.off[h.Package] {
			h.PackageState = books.Inactive
		}
	}
	for _, n := range m.order {
		if m.has(owner, n) {
			h.Numbers = append(h.Numbers, n)
		}
	}
	return h
}

// apply does what a command ought to do and says why it would not.
func (m *model) apply(c books.Command) (holdings []books.Holding, refused books.Kind) {
	switch c := c.(type) {
	case books.AssignPackage:
		return m.assignPackage(c)
	case books.AssignNumbers:
		switch {
		case m.holds[c.Want.Owner] == uuid.Nil:
			return nil, books.PackageRequired
		case !m.canGive(c.Want):
			return nil, books.NumberNotAvailable
		}
		m.giveAll(c.Want)
		return []books.Holding{m.holding(c.Want.Owner)}, ""
	case books.UnassignNumbers:
		for _, n := range c.Want.Numbers {
			if m.has(c.Want.Owner, n) {
				m.take(n, c.Quarantine)
			}
		}
		return []books.Holding{m.holding(c.Want.Owner)}, ""
	case books.Remove:
		for _, o := range c.Owners {
			h := m.holding(o)
			delete(m.holds, o)
			for _, n := range h.Numbers {
				m.take(n, c.Quarantine)
			}
			holdings = append(holdings, h)
		}
	case books.Restore:
		for _, w := range c.Wanted {
			if m.holds[w.Owner] == uuid.Nil && w.Package != uuid.Nil && !m.off[w.Package] && m.taken(w.Package) < m.seats[w.Package] {
				m.holds[w.Owner] = w.Package
			}
			for _, n := range w.Numbers {
				own := m.find(n).owner == uuid.Nil && m.find(n).before == w.Owner
				if m.holds[w.Owner] != uuid.Nil && (own || m.free(n)) {
					m.give(w.Owner, n)
				}
			}
			holdings = append(holdings, m.holding(w.Owner))
		}
	}
	return holdings, ""
}

func (m *model) assignPackage(c books.AssignPackage) (holdings []books.Holding, refused books.Kind) {
	fresh := 0
	for _, w := range c.Wants {
		if m.holds[w.Owner] != c.Package {
			fresh++
		}
	}
	switch {
	case fresh > 0 && m.off[c.Package]:
		return nil, books.PackageInactive
	case slices.ContainsFunc(c.Wants, func(w books.Want) bool { return !m.canGive(w) }):
		return nil, books.NumberNotAvailable
	case m.taken(c.Package)+fresh > m.seats[c.Package]:
		return nil, books.SeatsExhausted
	}
	for _, w := range c.Wants {
		m.holds[w.Owner] = c.Package
		m.giveAll(w)
		holdings = append(holdings, m.holding(w.Owner))
	}
	return holdings, ""
}

func (m *model) canGive(w books.Want) bool {
	return !slices.ContainsFunc(w.Numbers, func(n string) bool { return !m.free(n) && !m.has(w.Owner, n) })
}

func (m *model) giveAll(w books.Want) {
	for _, n := range w.Numbers {
		if !m.has(w.Owner, n) {
			m.give(w.Owner, n)
		}
	}
}

// testModel runs random commands, several of them in one transaction, and changes of packages in between, against the store
// and the model.
func testModel(t *testing.T, s store.Store) {
	rapid.Check(t, func(rt *rapid.T) {
		f := newFixture(t, s)
		packages := []uuid.UUID{f.pkg("P", 2), f.pkg("Q", 4)}
		owners, numbers := newIDs(t, 5), f.numbers(5)
		m := &model{now: f.now, seats: map[uuid.UUID]int{packages[0]: 2, packages[1]: 4}, off: map[uuid.UUID]bool{}, holds: map[uuid.UUID]uuid.UUID{}}
		for _, n := range numbers {
			m.numbers = append(m.numbers, modelNumber{number: n})
		}
		gen := generator{rt, packages, owners, numbers}
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			switch rapid.IntRange(0, 9).Draw(rt, "step") {
			case 0:
				f.now = f.now.Add(gen.hours())
				m.now = f.now
			case 1:
				modelPackage(rt, f, m, gen.pkg())
			default:
				modelCommands(rt, f, m, rapid.SliceOfN(rapid.Custom(gen.command), 1, 4).Draw(rt, "commands"))
			}
			modelCompare(rt, f, m, owners)
		}
	})
}

func modelPackage(rt *rapid.T, f *fixture, m *model, pkg uuid.UUID) {
	off, seats := rapid.Bool().Draw(rt, "off"), rapid.IntRange(0, 5).Draw(rt, "seats")
	_, err := f.store.UpdatePackage(f.Context(), f.account, pkg, func(p *books.Package) error {
		p.State, p.Seats = books.Active, int64(seats)
		if off {
			p.State = books.Inactive
		}
		return nil
	})
	if seats < m.taken(pkg) {
		require.Equal(rt, books.SeatsInUse, refusal(f, err).Kind)
		return
	}
	require.NoError(rt, err)
	m.off[pkg], m.seats[pkg] = off, seats
}

func modelCommands(rt *rapid.T, f *fixture, m *model, commands []books.Command) {
	outcomes, errs := make([]books.Outcome, len(commands)), make([]error, len(commands))
	require.NoError(rt, f.store.Change(f.Context(), f.account, books.Join(commands), f.now, func(l *books.Ledger) error {
		for i, c := range commands {
			outcomes[i], errs[i] = c.Apply(l)
		}
		return nil
	}))
	for i, c := range commands {
		holdings, refused := m.apply(c)
		if refused != "" {
			require.Equal(rt, refused, refusal(f, errs[i]).Kind, "%#v", c)
			continue
		}
		require.NoError(rt, errs[i], "%#v", c)
		require.Equal(rt, holdings, outcomes[i].Holdings, "%#v", c)
	}
}

func modelCompare(rt *rapid.T, f *fixture, m *model, owners []uuid.UUID) {
	var want []books.Holding
	for _, o := range owners {
		want = append(want, m.holding(o))
	}
	require.Equal(rt, want, f.read(owners...))
	for pkg := range m.seats {
		require.Equal(rt, int64(m.taken(pkg)), f.assigned(pkg))
	}
	all, err := f.store.ListNumbers(f.Context(), f.account, store.NumberQuery{Now: f.now}, "", 100)
	require.NoError(rt, err)
	require.Len(rt, all, len(m.numbers))
	for i, n := range m.numbers {
		require.Equal(rt, n.owner, all[i].Owner)
		require.Equal(rt, m.free(n.number), all[i].State == books.Available)
	}
}

// generator draws commands over a few packages, owners and numbers.
type generator struct {
	rt       *rapid.T
	packages []uuid.UUID
	owners   []uuid.UUID
	numbers  []string
}

func (g generator) pkg() uuid.UUID { return rapid.SampledFrom(g.packages).Draw(g.rt, "package") }

func (g generator) hours() time.Duration {
	return time.Duration(rapid.IntRange(0, 3).Draw(g.rt, "hours")) * time.Hour
}

func (g generator) someNumbers(least int) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(g.numbers), least, 3, rapid.ID[string]).Draw(g.rt, "numbers")
}

func (g generator) someOwners() []uuid.UUID {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(g.owners), 1, 3, rapid.ID[uuid.UUID]).Draw(g.rt, "owners")
}

func (g generator) want(least int) books.Want {
	return books.Want{Owner: rapid.SampledFrom(g.owners).Draw(g.rt, "owner"), Numbers: g.someNumbers(least)}
}

func (g generator) command(rt *rapid.T) books.Command {
	g.rt = rt
	switch rapid.IntRange(0, 6).Draw(rt, "command") {
	case 0:
		return books.AssignNumbers{Want: g.want(1)}
	case 1:
		return books.UnassignNumbers{Want: g.want(1), Quarantine: g.hours()}
	case 2:
		return books.Remove{Owners: g.someOwners(), Quarantine: g.hours()}
	case 3:
		var wanted []books.Holding
		for _, o := range g.someOwners() {
			wanted = append(wanted, books.Holding{Owner: o, Package: g.pkg(), Numbers: g.someNumbers(0)})
		}
		return books.Restore{Wanted: wanted}
	}
	c := books.AssignPackage{Package: g.pkg()}
	numbers := g.someNumbers(0)
	for i, o := range g.someOwners() {
		w := books.Want{Owner: o}
		if i < len(numbers) {
			w.Numbers = numbers[i : i+1]
		}
		c.Wants = append(c.Wants, w)
	}
	return c
}
