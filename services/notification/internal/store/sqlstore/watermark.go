package sqlstore

import (
	"sync"
	"time"
)

const (
	// settle is how long a row may take from the time it carries to being visible, as a rule.
	settle = 5 * time.Second
	// wholeInterval is how often the whole queue is looked at. It bounds the delay of a row that took longer.
	wholeInterval = time.Minute
)

// watermark knows where the due part of the queue begins, so that a claim need not walk over what was there before.
//
// A row that leaves the queue's index stays in CockroachDB's storage, deleted, until it is collected as garbage, a day later by
// default. A claim that began at the queue's beginning would walk over all the rows of that day. So it begins where the
// last one ended, a little before, and only once in a while at the beginning.
type watermark struct {
	whole time.Duration

	mu        sync.Mutex
	low       time.Time // nothing due before it was left in the queue
	lastWhole time.Time
}

// from says where a claim at now begins; the zero time is the beginning.
func (w *watermark) from(now time.Time) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Sub(w.lastWhole) >= w.whole || now.Before(w.lastWhole) {
		return time.Time{}
	}
	return w.low.Add(-settle)
}

// claimed notes that a claim at now that began at from left nothing due before low.
func (w *watermark) claimed(now, from, low time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if from.IsZero() {
		w.lastWhole = now
	}
	w.low = low
}
