// Package clock is the one way to ask for the time in code that decides something by it.
package clock

import (
	"sync"
	"time"
)

// Clock tells the time. Implementations are safe for concurrent use.
type Clock interface {
	// Now returns the present time in UTC, in microseconds: what the databases keep, so that an answer made in memory shows
	// what a later read shows.
	Now() time.Time
}

// Precision is that of every clock here.
const Precision = time.Microsecond

// System is the machine's clock.
var System Clock = system{}

type system struct{}

func (system) Now() time.Time { return time.Now().UTC().Truncate(Precision) }

// Fake is a clock that stands still until it is told otherwise. It is safe for concurrent use.
type Fake struct {
	mu  sync.Mutex
	now time.Time
}

// NewFake returns a clock that shows at.
func NewFake(at time.Time) *Fake { return &Fake{now: at.UTC().Truncate(Precision)} }

// Now implements Clock.
func (f *Fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// Set makes the clock show at, which may lie in its past.
func (f *Fake) Set(at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = at.UTC().Truncate(Precision)
}

// Advance moves the clock by d (backwards when negative) and returns the new time.
func (f *Fake) Advance(d time.Duration) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d).Truncate(Precision)
	return f.now
}
