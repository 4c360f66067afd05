package books

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// Command is one change to who holds what. Commands are idempotent: applied again, they change nothing more.
type Command interface {
	// Scope names what Apply looks at.
	Scope() Scope
	// Apply carries the command out on a ledger opened on (at least) its scope. The error is a *RefusalError and means that nothing
	// was changed.
	Apply(l *Ledger) (Outcome, error)
}

// Outcome is the answer to a command.
type Outcome struct {
	// Holdings are those of the owners in the order asked: as they are now, or, of Remove, what was taken.
	Holdings []Holding
	// Missing is, of Restore, what could not be given back, in the same order.
	Missing []Holding
}

// Want is an owner and direct numbers for it. A number named twice counts once.
type Want struct {
	Owner   uuid.UUID
	Numbers []string
}

// AssignPackage gives every owner a package, in place of the one it holds, and adds numbers. Owners are distinct, and no number
// is wanted by two of them.
type AssignPackage struct {
	Package uuid.UUID
	Wants   []Want
}

// Scope implements Command.
func (c AssignPackage) Scope() Scope {
	s := Scope{Packages: []uuid.UUID{c.Package}}
	for _, w := range c.Wants {
		s.Owners = append(s.Owners, w.Owner)
		s.Numbers = append(s.Numbers, w.Numbers...)
	}
	return s
}

// Apply implements Command. Owners that hold the package already need no seat and do not mind that it is inactive.
func (c AssignPackage) Apply(l *Ledger) (Outcome, error) {
	p := l.packages[c.Package]
	if p == nil {
		return Outcome{}, &RefusalError{Kind: PackageNotFound, Package: c.Package}
	}
	var fresh []Item
	for i, w := range c.Wants {
		if l.held[w.Owner] != c.Package {
			fresh = append(fresh, Item{Owner: i, Index: -1})
		}
	}
	if len(fresh) > 0 && p.State == Inactive {
		return Outcome{}, &RefusalError{Kind: PackageInactive, Package: c.Package, Items: fresh}
	}
	if err := l.checkNumbers(c.Wants); err != nil {
		return Outcome{}, err
	}
	if free := max(0, p.Seats-p.Assigned); int64(len(fresh)) > free {
		return Outcome{}, &RefusalError{
			Kind: SeatsExhausted, Package: c.Package, Seats: p.Seats, Assigned: p.Assigned, Requested: int64(len(fresh)),
			Items: fresh[free:],
		}
	}
	var out Outcome
	for _, w := range c.Wants {
		l.give(w.Owner, c.Package)
		l.attachAll(w)
		out.Holdings = append(out.Holdings, l.Holding(w.Owner))
	}
	return out, nil
}

// checkNumbers refuses wants that cannot all be met.
func (l *Ledger) checkNumbers(wants []Want) error {
	var taken, tooMany []Item
	for i, w := range wants {
		have := len(l.owned[w.Owner])
		for j, n := range w.Numbers {
			switch {
			case l.has(w.Owner, n) || slices.Contains(w.Numbers[:j], n):
			case !l.isFree(n):
				taken = append(taken, Item{Owner: i, Index: j, Number: n})
			default:
				have++
			}
		}
		if have > MaxNumbersPerOwner {
			tooMany = append(tooMany, Item{Owner: i, Index: -1})
		}
	}
	switch {
	case len(taken) > 0:
		return &RefusalError{Kind: NumberNotAvailable, Items: taken}
	case len(tooMany) > 0:
		return &RefusalError{Kind: TooManyNumbers, Limit: MaxNumbersPerOwner, Items: tooMany}
	}
	return nil
}

// attachAll gives an owner those numbers that it lacks.
func (l *Ledger) attachAll(w Want) {
	for _, n := range w.Numbers {
		if !l.has(w.Owner, n) {
			l.attach(w.Owner, n)
		}
	}
}

// AssignNumbers gives numbers to an owner that holds a package.
type AssignNumbers struct{ Want Want }

// Scope implements Command.
func (c AssignNumbers) Scope() Scope {
	return Scope{Owners: []uuid.UUID{c.Want.Owner}, Numbers: c.Want.Numbers}
}

// Apply implements Command.
func (c AssignNumbers) Apply(l *Ledger) (Outcome, error) {
	if _, ok := l.held[c.Want.Owner]; !ok {
		return Outcome{}, &RefusalError{Kind: PackageRequired, Items: []Item{{Index: -1}}}
	}
	if err := l.checkNumbers([]Want{c.Want}); err != nil {
		return Outcome{}, err
	}
	l.attachAll(c.Want)
	return Outcome{Holdings: []Holding{l.Holding(c.Want.Owner)}}, nil
}

// UnassignNumbers takes numbers from an owner. Those that it does not hold are left alone.
type UnassignNumbers struct {
	Want Want
	// Quarantine is how long the numbers stay out of use; 0 for not at all.
	Quarantine time.Duration
}

// Scope implements Command.
func (c UnassignNumbers) Scope() Scope { return Scope{Owners: []uuid.UUID{c.Want.Owner}} }

// Apply implements Command.
func (c UnassignNumbers) Apply(l *Ledger) (Outcome, error) {
	for _, n := range c.Want.Numbers {
		if l.has(c.Want.Owner, n) {
			l.detach(n, c.Quarantine)
		}
	}
	return Outcome{Holdings: []Holding{l.Holding(c.Want.Owner)}}, nil
}

// Remove takes everything from owners. Those that hold nothing are left alone.
type Remove struct {
	Owners []uuid.UUID
	// Quarantine is how long the numbers stay out of use; 0 for not at all.
	Quarantine time.Duration
}

// Scope implements Command.
func (c Remove) Scope() Scope { return Scope{Owners: c.Owners} }

// Apply implements Command.
func (c Remove) Apply(l *Ledger) (Outcome, error) {
	var out Outcome
	for _, owner := range c.Owners {
		h := l.Holding(owner)
		l.drop(owner)
		for _, n := range h.Numbers {
			l.detach(n, c.Quarantine)
		}
		out.Holdings = append(out.Holdings, h)
	}
	return out, nil
}

// Restore gives owners back what they held before, as far as it is to be had: the package if it is active and has a seat, and
// numbers that are free or in quarantine since that owner had them, if the owner holds a package then. An owner that holds another
// package by now keeps that one. Restore is never refused.
type Restore struct{ Wanted []Holding }

// Scope implements Command.
func (c Restore) Scope() Scope {
	var s Scope
	for _, h := range c.Wanted {
		s.Owners = append(s.Owners, h.Owner)
		if h.Package != uuid.Nil {
			s.Packages = append(s.Packages, h.Package)
		}
		for _, n := range h.Numbers {
			if ValidNumber(n) {
				s.Numbers = append(s.Numbers, n)
			}
		}
	}
	return s
}

// Apply implements Command.
func (c Restore) Apply(l *Ledger) (Outcome, error) {
	var out Outcome
	for _, want := range c.Wanted {
		missing := Holding{Owner: want.Owner}
		if want.Package != uuid.Nil && !l.restorePackage(want.Owner, want.Package) {
			missing.Package, missing.PackageState = want.Package, l.states[want.Package]
		}
		_, hasPackage := l.held[want.Owner]
		for i, n := range want.Numbers {
			switch {
			case slices.Contains(want.Numbers[:i], n) || l.has(want.Owner, n):
			case hasPackage && l.canReturn(want.Owner, n) && len(l.owned[want.Owner]) < MaxNumbersPerOwner:
				l.attach(want.Owner, n)
			default:
				missing.Numbers = append(missing.Numbers, n)
			}
		}
		out.Holdings = append(out.Holdings, l.Holding(want.Owner))
		out.Missing = append(out.Missing, missing)
	}
	return out, nil
}

// restorePackage says whether owner holds pkg in the end.
func (l *Ledger) restorePackage(owner, pkg uuid.UUID) bool {
	if held, ok := l.held[owner]; ok {
		return held == pkg
	}
	p := l.packages[pkg]
	if p == nil || p.State != Active || p.Assigned >= p.Seats {
		return false
	}
	l.give(owner, pkg)
	return true
}
