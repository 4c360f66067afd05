package provisioning

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

// RunReconciler drives sagas whose driver died or gave up, until ctx ends, and renews the claims of those that are driven here. Several
// replicas may run it: a saga is claimed by one of them, and were two to drive it, every step can be repeated.
func (e *Engine) RunReconciler(ctx context.Context) {
	var keeping sync.WaitGroup
	defer keeping.Wait()
	keeping.Go(func() { e.keepClaims(ctx) })
	tick := time.NewTicker(e.cfg.ReconcileInterval)
	defer tick.Stop()
	var look store.Look
	for {
		if err := e.reconcile(ctx, look.Window(time.Now())); err != nil && ctx.Err() == nil {
			e.log.WarnContext(ctx, "reconciling failed, will be tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Reconcile claims all sagas that nobody works on and drives each to its end, batch after batch until none is left.
func (e *Engine) Reconcile(ctx context.Context) error { return e.reconcile(ctx, 0) }

func (e *Engine) reconcile(ctx context.Context, window time.Duration) error {
	for {
		sagas, err := e.store.ClaimSagas(ctx, window, e.cfg.ReconcileBatch, e.cfg.Claim)
		if err != nil {
			return fmt.Errorf("claim operations: %w", err)
		}
		var all errgroup.Group
		for i := range sagas {
			all.Go(func() error {
				e.resume(ctx, &sagas[i])
				return nil
			})
		}
		_ = all.Wait()
		if ctx.Err() != nil {
			e.giveBack(ctx, sagas)
		}
		if len(sagas) < e.cfg.ReconcileBatch {
			break
		}
	}
	if window > 0 {
		return nil
	}
	return e.observeBacklog(ctx)
}

// resume drives one saga. Its outcome has no caller to go to any more, so it is logged.
func (e *Engine) resume(ctx context.Context, s *store.Saga) {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.DriveTimeout)
	defer cancel()
	ctx = telemetry.WithRequestID(ctx, s.TraceID) // for the logs of all that is called, as if the first driver had gone on
	log := e.log.With("saga", s.ID, "kind", s.Kind, "attempts", s.Attempts)
	op, err := parsePlan(s)
	if err != nil {
		log.ErrorContext(ctx, "operation has a plan that this version does not know", "error", err)
		return
	}
	locked, err := e.store.LockedPhoneUsers(ctx, s)
	if err != nil {
		log.WarnContext(ctx, "operation could not be resumed, will be tried again", "error", err)
		return
	}
	refused := s.State == store.SagaUndoing
	_, err = e.drive(ctx, s, op, locked)
	switch {
	case err != nil:
		log.InfoContext(ctx, "operation resumed", "outcome", err.Error())
	case refused:
		log.InfoContext(ctx, "operation resumed", "outcome", "undone", "refusal", refusalOf(s))
	default:
		log.InfoContext(ctx, "operation resumed", "outcome", "finished")
	}
}

// refusalOf says for what an operation was undone, which its caller may never have learned.
func refusalOf(s *store.Saga) string {
	var refusal spb.Status
	if err := proto.Unmarshal(s.Failure, &refusal); err != nil {
		return "unreadable: " + err.Error()
	}
	return refusal.GetMessage()
}

func parsePlan(s *store.Saga) (operation, error) {
	newOperation, ok := operations[s.Kind]
	if !ok {
		return nil, fmt.Errorf("kind %q", s.Kind)
	}
	op := newOperation()
	if err := json.Unmarshal(s.Plan, op); err != nil {
		return nil, fmt.Errorf("plan of %s: %w", s.Kind, err)
	}
	return op, nil
}

// observeBacklog measures what is left to do.
func (e *Engine) observeBacklog(ctx context.Context) error {
	count, oldest, err := e.store.CountSagas(ctx)
	if err != nil {
		return err
	}
	e.metrics.backlog("sagas", count, oldest)
	if count, oldest, err = e.store.CountOutbox(ctx); err != nil {
		return err
	}
	e.metrics.backlog("outbox", count, oldest)
	return nil
}
