package sender

import (
	"sync"
	"time"
)

// outage knows whether the mail server can be reached. While it cannot, nothing is claimed, save one message after each pause
// that finds out; so an outage costs few attempts, however long the queue is.
type outage struct {
	first, longest time.Duration
	// changed gets a signal whenever there is a reason to look again.
	changed chan struct{}

	mu    sync.Mutex
	on    bool
	pause time.Duration
	until time.Time // no probe before; elapsed time, and no time of day
}

func newOutage(first, longest time.Duration) *outage {
	return &outage{first: first, longest: longest, changed: make(chan struct{}, 1)}
}

// down says whether the server was out of reach last time.
func (o *outage) down() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.on
}

// wait says for how long nothing may be claimed.
func (o *outage) wait() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.on {
		return 0
	}
	return time.Until(o.until)
}

// probe notes that a message is on its way to find out. Until it has, or took too long, no other follows.
func (o *outage) probe() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.until = time.Now().Add(o.longest)
}

// unreachable notes a failure to reach the server, by the probe or by another message. It returns true when that is news.
func (o *outage) unreachable(probe bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	news := !o.on
	switch {
	case news:
		o.on, o.pause = true, o.first
	case probe:
		o.pause = min(2*o.pause, o.longest)
	default:
		return false // was on its way when it began
	}
	o.until = time.Now().Add(o.pause)
	signal(o.changed)
	return news
}

// reached notes that the server answered. It returns true when that is news.
func (o *outage) reached() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	news := o.on
	o.on = false
	if news {
		signal(o.changed)
	}
	return news
}
