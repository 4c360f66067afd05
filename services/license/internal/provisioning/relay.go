package provisioning

import (
	"context"
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

// Run relays until ctx ends.
func (r *Relay) Run(ctx context.Context) {
	tick := time.NewTicker(r.interval)
	defer tick.Stop()
	for {
		if err := r.drain(ctx); err != nil && ctx.Err() == nil {
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

// drain hands over batch after batch until the outbox is empty.
func (r *Relay) drain(ctx context.Context) error {
	for {
		claimed, err := r.outbox.ClaimOutbox(ctx, r.look.Window(time.Now()), relayBatch, r.claim)
		if err != nil {
			return fmt.Errorf("claim: %w", err)
		}
		if len(claimed) == 0 {
			return nil
		}
		if err := r.handOver(ctx, claimed); err != nil {
			return err
		}
		if len(claimed) < relayBatch {
			return nil
		}
	}
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
