package provisioning

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/protobuf/proto"

	notificationv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/notification/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

const (
	// relayBatch is how many messages are handed over in one call.
	relayBatch = 500
	// maxLinks bounds the traces that the span of such a call names.
	maxLinks = 100
	// lastTimeout is how long a batch that is under way when the process ends may go on, giveBackTimeout how long giving it back may take
	// when that was not enough. Both are part of what a pod may take to end: see deploy/kubernetes.
	lastTimeout     = 5 * time.Second
	giveBackTimeout = 5 * time.Second
)

// Relay hands the outbox over to the notification service. Several replicas may run one each: a message that two hand over
// is taken once, since the notification service knows it by its id.
type Relay struct {
	outbox        store.Outbox
	notifications Notifications
	interval      time.Duration
	claim         time.Duration
	log           *slog.Logger
	wake          chan struct{}
	look          store.Look
	tracer        trace.Tracer
}

// NewRelay returns a relay that looks at the outbox when woken, and every cfg.OutboxInterval for what others left. tracing makes spans
// of what it hands over; nil makes none.
func NewRelay(cfg Config, outbox store.Outbox, notifications Notifications, log *slog.Logger, tracing trace.TracerProvider) *Relay {
	if tracing == nil {
		tracing = noop.NewTracerProvider()
	}
	return &Relay{
		outbox: outbox, notifications: notifications, interval: cfg.OutboxInterval, claim: cfg.OutboxClaim, log: log,
		wake: make(chan struct{}, 1), tracer: tracing.Tracer("switchboard/license"),
	}
}

// Wake makes the relay look at the outbox now. It never blocks.
func (r *Relay) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run relays until ctx ends. The batch that is under way then is handed over all the same, or given back.
func (r *Relay) Run(ctx context.Context) {
	tick := time.NewTicker(r.interval)
	defer tick.Stop()
	for {
		if err := r.drain(ctx); err != nil {
			r.log.WarnContext(ctx, "outbox could not be handed over, will be tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-tick.C:
		}
	}
}

// drain hands over batch after batch until the outbox is empty, or ctx ends. Cut off there, a claim or a call could take effect with nobody
// to know of it, and the mails would wait until the claim runs out: so what is under way goes on for a while, and what fails even then is
// given back for another replica to take.
func (r *Relay) drain(ctx context.Context) error {
	last, cancel := outlasting(ctx, lastTimeout)
	defer cancel()
	for ctx.Err() == nil {
		claimed, err := r.outbox.ClaimOutbox(last, r.look.Window(time.Now()), relayBatch, r.claim)
		if err != nil {
			return fmt.Errorf("claim: %w", err)
		}
		if len(claimed) == 0 {
			return nil
		}
		err = r.handOver(last, claimed)
		if err != nil && ctx.Err() != nil {
			err = errors.Join(err, r.giveBack(ctx, claimed))
		}
		if err != nil {
			return err
		}
		if len(claimed) < relayBatch {
			return nil
		}
	}
	return nil
}

// outlasting returns a context that ends so much later than ctx.
func outlasting(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		end := time.NewTimer(by)
		defer end.Stop()
		select {
		case <-end.C:
			cancel()
		case <-longer.Done():
		}
	})
	return longer, func() { stop(); cancel() }
}

// giveBack ends claims ahead of their time.
func (r *Relay) giveBack(ctx context.Context, claimed []store.OutboxMessage) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTimeout)
	defer cancel()
	ids := make([]uuid.UUID, len(claimed))
	for i := range claimed {
		ids[i] = claimed[i].ID
	}
	if err := r.outbox.ReleaseOutbox(ctx, ids); err != nil {
		return fmt.Errorf("give back: %w", err)
	}
	return nil
}

func (r *Relay) handOver(ctx context.Context, claimed []store.OutboxMessage) error {
	ids := make([]uuid.UUID, len(claimed))
	messages := make([]*notificationv1.Message, len(claimed))
	for i := range claimed {
		ids[i], messages[i] = claimed[i].ID, &notificationv1.Message{}
		if err := proto.Unmarshal(claimed[i].Message, messages[i]); err != nil {
			return fmt.Errorf("message %s: %w", claimed[i].ID, err)
		}
	}
	ctx, span := r.tracer.Start(ctx, "license.HandOver", trace.WithNewRoot(), trace.WithLinks(telemetry.LinkTo(parentsOf(messages), maxLinks)...))
	defer span.End()
	if err := r.notifications.Enqueue(ctx, messages); err != nil {
		return fmt.Errorf("enqueue: %w", err)
	}
	if err := r.outbox.DeleteOutbox(ctx, ids); err != nil {
		return fmt.Errorf("forget: %w", err)
	}
	return nil
}

// parentsOf are the traces that messages come from.
func parentsOf(messages []*notificationv1.Message) []string {
	out := make([]string, len(messages))
	for i, m := range messages {
		out[i] = m.GetTraceParent()
	}
	return out
}
