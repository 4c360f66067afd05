package books

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Scope names the rows that a command looks at or changes. What an owner holds is always included.
type Scope struct {
	// Packages that may be given out.
	Packages []uuid.UUID
	// Owners that are given something, or from whom something is taken.
	Owners []uuid.UUID
	// Numbers that may be given out.
	Numbers []string
}

// Join returns the scope of all commands together, without repetitions.
func Join(commands []Command) Scope {
	packages, owners, numbers := map[uuid.UUID]bool{}, map[uuid.UUID]bool{}, map[string]bool{}
	for _, c := range commands {
		s := c.Scope()
		for _, id := range s.Packages {
			packages[id] = true
		}
		for _, id := range s.Owners {
			owners[id] = true
		}
		for _, n := range s.Numbers {
			numbers[n] = true
		}
	}
	return Scope{
		Packages: slices.Collect(maps.Keys(packages)), Owners: slices.Collect(maps.Keys(owners)),
		Numbers: slices.Collect(maps.Keys(numbers)),
	}
}

// PackageRow is a package that may be given out, as a ledger needs it.
type PackageRow struct {
	ID              uuid.UUID
	State           State
	Seats, Assigned int64
}

// HolderRow says which package an owner holds, and that package's state.
type HolderRow struct {
	Owner, Package uuid.UUID
	State          State
}

// NumberRow is a direct number and its place among its owner's numbers.
type NumberRow struct {
	Number          string
	State           NumberState
	Owner           uuid.UUID
	Position        int64
	QuarantineUntil time.Time
	// PreviousOwner is, of a Quarantined number, whose it was; uuid.Nil when that is not known.
	PreviousOwner uuid.UUID
}

// Snapshot is what the books say about a scope. Numbers includes all numbers of the scope's owners; one may occur twice.
type Snapshot struct {
	Packages []PackageRow
	Holders  []HolderRow
	Numbers  []NumberRow
}

// Ledger is the part of an account's books that a few commands are about. Commands are applied to it one after the other, each
// wholly or not at all; what differs from the snapshot in the end is what has to be written. It is not safe for concurrent use.
type Ledger struct {
	now      time.Time
	packages map[uuid.UUID]*PackageRow
	states   map[uuid.UUID]State
	held     map[uuid.UUID]uuid.UUID
	numbers  map[string]*NumberRow
	owned    map[uuid.UUID][]string // numbers of an owner in the order of their positions

	heldBefore    map[uuid.UUID]uuid.UUID
	numbersBefore map[string]NumberRow
}

// Open makes a ledger out of a snapshot. now decides which quarantines are over.
func Open(s Snapshot, now time.Time) *Ledger {
	l := &Ledger{
		now: now, packages: map[uuid.UUID]*PackageRow{}, states: map[uuid.UUID]State{}, held: map[uuid.UUID]uuid.UUID{},
		numbers: map[string]*NumberRow{}, owned: map[uuid.UUID][]string{}, numbersBefore: map[string]NumberRow{},
	}
	for _, p := range s.Packages {
		l.packages[p.ID], l.states[p.ID] = &p, p.State
	}
	for _, h := range s.Holders {
		l.held[h.Owner], l.states[h.Package] = h.Package, h.State
	}
	for _, n := range s.Numbers {
		if _, twice := l.numbers[n.Number]; twice {
			continue
		}
		l.numbers[n.Number], l.numbersBefore[n.Number] = &n, n
		if n.State == Assigned {
			l.owned[n.Owner] = append(l.owned[n.Owner], n.Number)
		}
	}
	for _, numbers := range l.owned {
		slices.SortFunc(numbers, func(a, b string) int { return cmp.Compare(l.numbers[a].Position, l.numbers[b].Position) })
	}
	l.heldBefore = maps.Clone(l.held)
	return l
}

// Holding returns what an owner of the scope holds now. Numbers are in the order assigned.
func (l *Ledger) Holding(owner uuid.UUID) Holding {
	h := Holding{Owner: owner, Package: l.held[owner], Numbers: append([]string(nil), l.owned[owner]...)}
	h.PackageState = l.states[h.Package]
	return h
}

// Holding is what an owner holds.
type Holding struct {
	Owner uuid.UUID
	// Package is uuid.Nil for none; PackageState is empty then.
	Package      uuid.UUID
	PackageState State
	// Numbers are in the order assigned.
	Numbers []string
}

// give makes owner hold pkg, in place of what it held.
func (l *Ledger) give(owner, pkg uuid.UUID) {
	if old, ok := l.held[owner]; ok {
		if old == pkg {
			return
		}
		l.drop(owner)
	}
	l.held[owner] = pkg
	l.packages[pkg].Assigned++
}

// drop takes the package from an owner, if it has one.
func (l *Ledger) drop(owner uuid.UUID) {
	old, ok := l.held[owner]
	if !ok {
		return
	}
	delete(l.held, owner)
	if p := l.packages[old]; p != nil {
		p.Assigned--
	}
}

// isFree says whether a number can be given to anybody.
func (l *Ledger) isFree(number string) bool {
	n := l.numbers[number]
	return n != nil && (n.State == Available || n.State == Quarantined && !n.QuarantineUntil.After(l.now))
}

// canReturn says whether a number can be given back to owner, whose it was: it can also while it is kept from everybody else.
func (l *Ledger) canReturn(owner uuid.UUID, number string) bool {
	n := l.numbers[number]
	return l.isFree(number) || n != nil && n.State == Quarantined && n.PreviousOwner == owner
}

// has says whether owner holds the number.
func (l *Ledger) has(owner uuid.UUID, number string) bool {
	n := l.numbers[number]
	return n != nil && n.State == Assigned && n.Owner == owner
}

// attach gives a free number to owner, behind those it has.
func (l *Ledger) attach(owner uuid.UUID, number string) {
	position := int64(1)
	if own := l.owned[owner]; len(own) > 0 {
		position = l.numbers[own[len(own)-1]].Position + 1
	}
	*l.numbers[number] = NumberRow{Number: number, State: Assigned, Owner: owner, Position: position}
	l.owned[owner] = append(l.owned[owner], number)
}

// detach takes a number from its owner. With quarantine it stays out of use for that long.
func (l *Ledger) detach(number string, quarantine time.Duration) {
	row := l.numbers[number]
	l.owned[row.Owner] = slices.DeleteFunc(l.owned[row.Owner], func(n string) bool { return n == number })
	freed := NumberRow{Number: number, State: Available}
	if quarantine > 0 {
		freed.State, freed.QuarantineUntil, freed.PreviousOwner = Quarantined, l.now.Add(quarantine), row.Owner
	}
	*row = freed
}

// Changes is what differs between a ledger and its snapshot.
type Changes struct {
	// Held are owners with the package that they hold now; Dropped are owners that hold none any more.
	Held    []HolderRow
	Dropped []uuid.UUID
	// Seats says how many holders more (or, negative, fewer) each package has, for those where that is not 0.
	Seats map[uuid.UUID]int64
	// Numbers are the direct numbers that are not as they were.
	Numbers []NumberRow
}

// Empty says whether there is nothing to write.
func (c Changes) Empty() bool { return len(c.Held)+len(c.Dropped)+len(c.Seats)+len(c.Numbers) == 0 }

// Changes returns what has to be written, in a fixed order, so that transactions lock rows in the same order.
func (l *Ledger) Changes() Changes {
	c := Changes{Seats: map[uuid.UUID]int64{}}
	for owner, pkg := range l.held {
		if old, had := l.heldBefore[owner]; !had || old != pkg {
			c.Held = append(c.Held, HolderRow{Owner: owner, Package: pkg, State: l.states[pkg]})
			c.Seats[pkg]++
		}
	}
	for owner, old := range l.heldBefore {
		pkg, has := l.held[owner]
		if !has {
			c.Dropped = append(c.Dropped, owner)
		}
		if pkg != old {
			c.Seats[old]--
		}
	}
	maps.DeleteFunc(c.Seats, func(_ uuid.UUID, n int64) bool { return n == 0 })
	for number, row := range l.numbers {
		if *row != l.numbersBefore[number] {
			c.Numbers = append(c.Numbers, *row)
		}
	}
	byID := func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) }
	slices.SortFunc(c.Held, func(a, b HolderRow) int { return byID(a.Owner, b.Owner) })
	slices.SortFunc(c.Dropped, byID)
	slices.SortFunc(c.Numbers, func(a, b NumberRow) int { return strings.Compare(a.Number, b.Number) })
	return c
}
