// Package sender takes messages out of the queue and hands them to the mail server, many at a time, each exactly once as far
// as that can be done: a mail can go out twice only if the process dies, or loses the database for longer than the claim
// lasts, between the mail server's acceptance and the note of it; both copies then carry the same Message-ID.
//
// Three parts work hand in hand. The dispatcher claims messages in batches and keeps a short list of them ready. Workers take
// from the list and deliver. The recorder writes down what became of them, as many at once as have come together.
package sender

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/switchboard-phone/switchboard/services/notification/internal/message"
	"github.com/switchboard-phone/switchboard/services/notification/internal/smtp"
	"github.com/switchboard-phone/switchboard/services/notification/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
)

// recordTimeout is how long the recorder tries to write down the last outcomes when the service ends.
const recordTimeout = 5 * time.Second

// claimTimeout bounds one look at the queue, and so how long one may hold up the end of the service.
const claimTimeout = 5 * time.Second

// Options are the parts that a composition root hands over. All may be left out.
type Options struct {
	// Logger gets failures and outages. Mails are named by id; neither recipients nor texts are logged.
	Logger *slog.Logger
	// Registerer gets the metrics.
	Registerer prometheus.Registerer
	// Name tells this process from others in the notes of attempts.
	Name string
	// Faults is asked around every delivery, at the point DeliverPoint.
	Faults faults.Injector
	// TracerProvider makes a span of every delivery, in the trace of the call that caused the mail. Default: none.
	TracerProvider trace.TracerProvider
}

// DeliverPoint is the fault point around handing one mail to the mail server.
const DeliverPoint = "notification.Deliver"

// Sender sends mails. Run it once.
type Sender struct {
	queue   store.Queue
	client  *smtp.Client
	cfg     Config
	retry   message.RetryPolicy
	name    string
	faults  faults.Injector
	log     *slog.Logger
	metrics *metrics
	tracer  trace.Tracer

	wake    chan struct{}
	jobs    chan job
	taken   chan struct{} // a job left the list
	results chan result
	outage  *outage
}

// job is a claimed message on its way to a worker.
type job struct {
	message.Claimed
	// closes is when it is too late to begin: a delivery that began later might outlast the claim.
	closes time.Time
	// probe is set for the one message that finds out whether the mail server can be reached again.
	probe bool
}

// New returns a Sender. It fails when cfg is not valid.
func New(queue store.Queue, client *smtp.Client, cfg Config, opts Options) (*Sender, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.TracerProvider == nil {
		opts.TracerProvider = noop.NewTracerProvider()
	}
	return &Sender{
		tracer: opts.TracerProvider.Tracer("switchboard/notification"),
		queue:  queue, client: client, cfg: cfg, retry: cfg.Retry(), name: opts.Name, faults: opts.Faults, log: opts.Logger,
		metrics: newMetrics(opts.Registerer),
		wake:    make(chan struct{}, 1), taken: make(chan struct{}, 1),
		jobs: make(chan job, cfg.Batch), results: make(chan result, cfg.Batch),
		outage: newOutage(cfg.OutagePause, cfg.OutagePauseMax),
	}, nil
}

// Wake makes the sender look at the queue at once. It does not block.
func (s *Sender) Wake() { signal(s.wake) }

// Run sends until ctx ends. Then it claims nothing more, gives back what has not been begun, lets the mails under way go on
// for at most Config.StopTimeout, writes down what became of them, and returns nil.
func (s *Sender) Run(ctx context.Context) error {
	// Deliveries and notes outlive ctx; these end them when the time is up.
	deliver, stopDelivering := context.WithCancel(context.WithoutCancel(ctx))
	defer stopDelivering()
	record, stopRecording := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRecording()

	var workers, background sync.WaitGroup
	for range s.cfg.Concurrency {
		workers.Go(func() { s.work(ctx, deliver, record) })
	}
	background.Go(func() { s.recordAll(record) })
	background.Go(func() { s.watchBacklog(ctx) })

	s.dispatch(ctx)

	close(s.jobs)
	hurry := time.AfterFunc(s.cfg.StopTimeout, stopDelivering)
	giveUp := time.AfterFunc(s.cfg.StopTimeout+recordTimeout, stopRecording)
	defer hurry.Stop()
	defer giveUp.Stop()
	workers.Wait()
	close(s.results)
	background.Wait()
	return nil
}

// dispatch keeps the list of jobs filled until ctx ends.
func (s *Sender) dispatch(ctx context.Context) {
	poll := time.NewTicker(s.cfg.PollInterval)
	defer poll.Stop()
	for s.awaitRoom(ctx) && s.awaitServer(ctx) {
		room, probe := cap(s.jobs)-len(s.jobs), s.outage.down()
		if probe {
			room = 1
		}
		if s.claim(ctx, room, probe) == room && !probe {
			continue // there may be more
		}
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-s.outage.changed:
		case <-poll.C:
		}
	}
}

// awaitRoom waits until half of the list is free, so that claims come in batches. It returns false when ctx ends.
func (s *Sender) awaitRoom(ctx context.Context) bool {
	for len(s.jobs) > cap(s.jobs)/2 {
		select {
		case <-ctx.Done():
			return false
		case <-s.taken:
		}
	}
	return ctx.Err() == nil
}

// awaitServer waits while the mail server is out of reach and it is too early to try it again. It returns false when ctx ends.
func (s *Sender) awaitServer(ctx context.Context) bool {
	for {
		wait := s.outage.wait()
		if wait <= 0 {
			return ctx.Err() == nil
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-s.outage.changed:
		case <-t.C:
		}
		t.Stop()
		if ctx.Err() != nil {
			return false
		}
	}
}

// claim takes up to limit messages out of the queue and puts them on the list, which has room for them. It returns how many. What is
// claimed when ctx ends is given back: cut off, a claim could take effect with nobody to know of it until it runs out.
func (s *Sender) claim(ctx context.Context, limit int, probe bool) int {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), claimTimeout)
	defer cancel()
	// The window opens before the database is asked, so that it closes before the claim does on the database's clock. This is
	// elapsed time, which a process measures for itself, and no time of day.
	closes := time.Now().Add(s.cfg.ClaimWindow)
	claimed, err := s.queue.Claim(ctx, limit, s.cfg.ClaimWindow+s.client.Budget(), s.name)
	if err != nil {
		s.log.WarnContext(ctx, "queue cannot be read", "error", err)
		return 0
	}
	if probe && len(claimed) > 0 {
		s.outage.probe()
	}
	for _, c := range claimed {
		s.jobs <- job{Claimed: c, closes: closes, probe: probe}
	}
	return len(claimed)
}

// sleep waits for d or until ctx ends.
func (s *Sender) sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// watchBacklog keeps the gauges of the queue up to date.
func (s *Sender) watchBacklog(ctx context.Context) {
	for ctx.Err() == nil {
		b, err := s.queue.Backlog(ctx, backlogLimit)
		if err == nil {
			s.metrics.queued.Set(float64(b.Queued))
			s.metrics.oldest.Set(b.OldestDue.Seconds())
		}
		s.sleep(ctx, backlogInterval)
	}
}

// signal notes on a channel with room for one that something happened.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// label names a claim in logs.
func label(c message.Claim) []any {
	return []any{"account", c.Account, "notification", c.ID, "attempt", c.Attempt}
}
