// Package allocator chooses extension numbers and has them written.
//
// It hands numbers out of blocks that this replica leases (see package lease) and knows from memory, lowest first, so that
// giving out a number costs one database write and no more. Where no block is to be had it looks for free numbers in the
// database. Either way the database's primary key decides; whoever finds a number taken picks another.
//
// Concurrent requests of one account are carried out together by platform/groupcommit: one statement for all of them.
package allocator

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/switchboard-phone/switchboard/services/extension/internal/lease"
	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/groupcommit"
)

// Leases is what the allocator needs of package lease.
type Leases interface {
	// Epoch identifies the session that leases are bound to now; 0 while there is none. Blocks of another epoch are lost.
	Epoch() int64
	// Take leases all the blocks and returns nil. When somebody holds one of them it takes none, and returns all blocks of the
	// same ranges that anybody holds, with the epoch of each. An epoch that is over is an error.
	Take(ctx context.Context, epoch int64, blocks []lease.Block) (map[lease.Key]int64, error)
	// GiveUp ends leases of this replica.
	GiveUp(ctx context.Context, epoch int64, blocks []lease.Block) error
}

// Config bounds what the allocator holds and waits for. The zero value of a field means that of DefaultConfig.
type Config struct {
	// MaxBlocks bounds the blocks held, over all accounts; the accounts idle for longest give theirs back first. A refill under
	// way may exceed it for a moment.
	MaxBlocks int `koanf:"max_blocks"`
	// IdleAfter is how long an account may be idle before its blocks are given back.
	IdleAfter time.Duration `koanf:"idle_after"`
	// AcquireTimeout bounds how long a request waits for a block before it goes to the database.
	AcquireTimeout time.Duration `koanf:"acquire_timeout"`
	// RefillTarget is how long the blocks of one refill should last: when they last less, the next refill takes twice as many,
	// when they last four times as long, half as many.
	RefillTarget time.Duration `koanf:"refill_target"`
	// RetryAfter is the pause of leasing after etcd could not be reached, and for a site after no block was to be had.
	RetryAfter time.Duration `koanf:"retry_after"`
	// MaxWaiting bounds the requests of one account that wait to be carried out.
	MaxWaiting int `koanf:"max_waiting"`
}

// DefaultConfig returns the settings used where Config says nothing.
func DefaultConfig() Config {
	return Config{
		MaxBlocks: 4096, IdleAfter: 5 * time.Minute, AcquireTimeout: 500 * time.Millisecond,
		RefillTarget: 5 * time.Second, RetryAfter: time.Second, MaxWaiting: 5000,
	}
}

func (c Config) withDefaults() Config {
	d := DefaultConfig()
	if c.MaxBlocks <= 0 {
		c.MaxBlocks = d.MaxBlocks
	}
	if c.IdleAfter <= 0 {
		c.IdleAfter = d.IdleAfter
	}
	if c.AcquireTimeout <= 0 {
		c.AcquireTimeout = d.AcquireTimeout
	}
	if c.RefillTarget <= 0 {
		c.RefillTarget = d.RefillTarget
	}
	if c.RetryAfter <= 0 {
		c.RetryAfter = d.RetryAfter
	}
	if c.MaxWaiting <= 0 {
		c.MaxWaiting = d.MaxWaiting
	}
	return c
}

// Deps are the parts that the allocator works with.
type Deps struct {
	Store store.Store
	// Leases is nil when leasing is off: then all numbers are looked for in the database.
	Leases Leases
	// Reserved numbers are never given out.
	Reserved number.Set
	// Clock, Logger and Registerer may be left out.
	Clock      clock.Clock
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

const (
	// maxTogether bounds the numbers of one group of requests, unless a single request has more.
	maxTogether = 1000
	// groupTimeout bounds one group.
	groupTimeout = 15 * time.Second
	// maxRuns bounds the groups of one account that are under way at a time, each with maxTogether numbers.
	maxRuns = 3
	// gather bounds the wait of a group for further requests while others keep coming.
	gather = 4 * time.Millisecond
	// maxBatch is how many blocks a refill takes at most for what is to come.
	maxBatch = 64
)

// Allocator gives out numbers. It is safe for concurrent use.
type Allocator struct {
	cfg      Config
	store    store.Store
	leases   Leases
	reserved number.Set
	clock    clock.Clock
	log      *slog.Logger
	metrics  *metrics
	group    *groupcommit.Group[uuid.UUID, *job, []store.Extension]

	base   context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup

	mu     sync.Mutex
	pools  map[uuid.UUID]*pool
	closed bool
	// down is until when leasing pauses because etcd could not be reached.
	down time.Time
}

// New returns an allocator. The caller closes it.
func New(cfg Config, deps Deps) *Allocator {
	a := &Allocator{
		cfg: cfg.withDefaults(), store: deps.Store, leases: deps.Leases, reserved: deps.Reserved,
		clock: deps.Clock, log: deps.Logger, pools: map[uuid.UUID]*pool{},
	}
	if a.clock == nil {
		a.clock = clock.System
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	a.metrics = newMetrics(deps.Registerer, a.held)
	a.group = groupcommit.New(a.run, (*job).weight, groupcommit.Options{
		MaxWeight: maxTogether, MaxQueue: a.cfg.MaxWaiting, MaxRuns: maxRuns, Timeout: groupTimeout, Gather: gather, Observe: a.metrics.group,
	})
	a.base, a.cancel = context.WithCancel(context.Background())
	if a.leases != nil {
		a.spawn(a.janitor)
	}
	return a
}

// Close refuses further requests, carries out those accepted, and gives the blocks back. ctx bounds the waiting.
func (a *Allocator) Close(ctx context.Context) error {
	err := a.group.Close(ctx)
	a.mu.Lock()
	a.closed = true
	pools := a.pools
	a.pools = map[uuid.UUID]*pool{}
	a.mu.Unlock()
	a.cancel()
	a.tasks.Wait()
	for _, p := range pools {
		a.abandon(ctx, p)
	}
	return err
}

// spawn runs fn in the background until Close, if that has not come yet.
func (a *Allocator) spawn(fn func(ctx context.Context)) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return false
	}
	a.tasks.Go(func() { fn(a.base) })
	return true
}

// pool returns what is held of an account, and notes that it is in use.
func (a *Allocator) pool(account uuid.UUID) *pool {
	a.mu.Lock()
	p := a.pools[account]
	if p == nil {
		p = newPool()
		p.gone = a.closed
		if !a.closed {
			a.pools[account] = p
		}
	}
	a.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used = a.clock.Now()
	return p
}

// peek returns what is held of an account; nil when nothing is.
func (a *Allocator) peek(account uuid.UUID) *pool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pools[account]
}

// Freed tells the allocator that numbers were given back, free from until on (at once, when that is not later than now).
func (a *Allocator) Freed(account uuid.UUID, rows []store.Extension, until time.Time) {
	if p := a.peek(account); p != nil {
		p.free(until, a.clock.Now(), a.reserved, rows...)
	}
}

// Used tells the allocator that numbers were taken.
func (a *Allocator) Used(account uuid.UUID, ns ...number.Number) {
	if p := a.peek(account); p != nil {
		p.mark(ns...)
	}
}

// RangeDeleted tells the allocator that a range is gone.
func (a *Allocator) RangeDeleted(account, rng uuid.UUID) {
	if p := a.peek(account); p != nil {
		a.giveUp(p.dropRange(rng))
	}
}

// held counts the blocks held.
func (a *Allocator) held() int {
	a.mu.Lock()
	pools := make([]*pool, 0, len(a.pools))
	for _, p := range a.pools {
		pools = append(pools, p)
	}
	a.mu.Unlock()
	count := 0
	for _, p := range pools {
		p.mu.Lock()
		count += p.blocks()
		p.mu.Unlock()
	}
	return count
}
