package etcdx

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

// Session is one lease that is kept alive. Keys put under it vanish when it ends.
//
// Its end is noticed here by this process's own clock, so a process that was paused may still believe in a session that etcd
// has given up already: what a session guards must be judged elsewhere too.
type Session struct {
	lease clientv3.LeaseID
	done  <-chan struct{}
}

// Lease returns the id to put keys under.
func (s *Session) Lease() clientv3.LeaseID { return s.lease }

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.done }

// KeeperOptions say what a Keeper does. All may be left out.
type KeeperOptions struct {
	// TTL: see Config.SessionTTL. Default 10 s.
	TTL time.Duration
	// OnGained is told of every new session, OnLost of every session that ended without having been given back. Both run on the
	// keeper's own goroutine, one at a time and in order, so they must be quick.
	OnGained func(*Session)
	OnLost   func(*Session)
	// Log is told of sessions gained and lost.
	Log *slog.Logger
}

// Keeper holds a session, and gets another whenever it has lost one. Current never blocks.
type Keeper struct {
	client *clientv3.Client
	opts   KeeperOptions

	mu      sync.Mutex
	current *Session
	changed chan struct{} // closed and replaced whenever current changes
}

// attemptTimeout bounds one try to get a session, and giving one back.
const attemptTimeout = 2 * time.Second

// NewKeeper returns a keeper that does nothing before Run. client stays the caller's.
func NewKeeper(client *clientv3.Client, opts KeeperOptions) *Keeper {
	if opts.TTL < time.Second {
		opts.TTL = DefaultConfig().SessionTTL
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Keeper{client: client, opts: opts, changed: make(chan struct{})}
}

// Current returns the session held now, or nil when there is none: etcd is away, or has been until just now.
func (k *Keeper) Current() *Session {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.current
}

// Wait returns the session held now, or the next one, or the error of ctx.
func (k *Keeper) Wait(ctx context.Context) (*Session, error) {
	for {
		k.mu.Lock()
		current, changed := k.current, k.changed
		k.mu.Unlock()
		if current != nil {
			return current, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Run keeps a session until ctx ends, and then gives it back, so that its keys are gone at once. It returns nil.
func (k *Keeper) Run(ctx context.Context) error {
	for {
		s := k.gain(ctx)
		if s == nil {
			return nil
		}
		session := &Session{lease: s.Lease(), done: s.Done()}
		k.set(session)
		k.opts.Log.InfoContext(ctx, "etcd session gained", "lease", fmt.Sprintf("%x", s.Lease()))
		if k.opts.OnGained != nil {
			k.opts.OnGained(session)
		}
		select {
		case <-ctx.Done():
			k.set(nil)
			k.giveBack(ctx, s)
		case <-s.Done():
			k.set(nil)
			k.opts.Log.WarnContext(ctx, "etcd session lost", "lease", fmt.Sprintf("%x", s.Lease()))
			if k.opts.OnLost != nil {
				k.opts.OnLost(session)
			}
		}
	}
}

// gain tries until it has a session; nil when ctx has ended before.
func (k *Keeper) gain(ctx context.Context) *concurrency.Session {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 50*time.Millisecond, time.Second
	s, err := backoff.Retry(ctx, func() (*concurrency.Session, error) {
		grantCtx, cancel := context.WithTimeout(ctx, attemptTimeout)
		defer cancel()
		grant, err := k.client.Grant(grantCtx, int64(k.opts.TTL.Round(time.Second)/time.Second))
		if err != nil {
			k.opts.Log.DebugContext(ctx, "no etcd session yet", "error", err)
			return nil, err
		}
		// Its context outlives ours, which ends before the session is given back.
		return concurrency.NewSession(k.client, concurrency.WithLease(grant.ID), concurrency.WithContext(context.WithoutCancel(ctx)))
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(0))
	if err != nil {
		return nil
	}
	return s
}

// giveBack revokes the lease; when etcd cannot be reached it expires by itself.
func (k *Keeper) giveBack(ctx context.Context, s *concurrency.Session) {
	s.Orphan()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), attemptTimeout)
	defer cancel()
	if _, err := k.client.Revoke(ctx, s.Lease()); err != nil {
		k.opts.Log.WarnContext(ctx, "etcd session could not be given back and will expire", "error", err)
	}
}

func (k *Keeper) set(s *Session) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.current = s
	close(k.changed)
	k.changed = make(chan struct{})
}
