package provisioning

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/token"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/groupcommit"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

// Config bounds the engine.
type Config struct {
	// MaxBatch is how many people one call takes.
	MaxBatch int `koanf:"max_batch"`
	// DriveTimeout is how long a caller's operation is driven before the reconciler has to take over. Claim is how long the
	// reconciler leaves it alone once its driver is not heard of any more: the driver renews the claim three times in that time.
	DriveTimeout time.Duration `koanf:"drive_timeout"`
	Claim        time.Duration `koanf:"claim"`
	// ReconcileInterval is how often the reconciler looks for operations without a driver, and ReconcileBatch how many it
	// drives at once.
	ReconcileInterval time.Duration `koanf:"reconcile_interval"`
	ReconcileBatch    int           `koanf:"reconcile_batch"`
	// OutboxInterval is how often the outbox is looked at without being woken. OutboxClaim is how long messages that are being
	// handed over are left alone by other replicas, and so how late they are when a replica dies in between.
	OutboxInterval time.Duration `koanf:"outbox_interval"`
	OutboxClaim    time.Duration `koanf:"outbox_claim"`
	// ResendCooldown is how long after a repeated mail the next may be asked for.
	ResendCooldown time.Duration `koanf:"resend_cooldown"`
	// TrashTime is how long phone users can be restored from the trash.
	TrashTime time.Duration `koanf:"trash_time"`
	// PurgeInterval is how often the trash is looked through for what is due.
	PurgeInterval time.Duration `koanf:"purge_interval"`
	// PortalURL is where the links in mails lead, for example https://phones.example.com.
	PortalURL string `koanf:"portal_url"`
}

// DefaultConfig returns the settings used where Config says nothing.
func DefaultConfig() Config {
	return Config{
		MaxBatch: 100, DriveTimeout: 20 * time.Second, Claim: 9 * time.Second,
		ReconcileInterval: time.Second, ReconcileBatch: 20, OutboxInterval: time.Second, OutboxClaim: 15 * time.Second,
		TrashTime: 30 * 24 * time.Hour, PurgeInterval: 10 * time.Second,
		ResendCooldown: time.Minute, PortalURL: "http://127.0.0.1:8080",
	}
}

// Engine runs the operations. It is safe for concurrent use.
type Engine struct {
	cfg        Config
	store      store.Store
	extensions Extensions
	numbering  Numbering
	books      Books
	tokens     *token.Signer
	clock      clock.Clock
	log        *slog.Logger
	metrics    *metrics
	relay      *Relay
	driven     driven

	begins   *groupcommit.Group[uuid.UUID, store.Begin, store.BeginResult]
	finishes *groupcommit.Group[uuid.UUID, store.Finish, bool]
	aborts   *groupcommit.Group[uuid.UUID, store.Abort, bool]
}

// Caller is who asks for an operation.
type Caller struct {
	// Actor is written into the account log.
	Actor string
	// TraceID is the request id of the call, as found in logs.
	TraceID string
}

// operation is what is particular to one kind of saga. Its exported fields are the plan, stored as JSON; the others are filled
// by remote and live as long as the process.
type operation interface {
	kind() string
	// remote carries the operation to the other services. It may be repeated any number of times, also by another process.
	remote(ctx context.Context, e *Engine, s *store.Saga, locked []model.PhoneUser) error
	// finish says how the operation ends, after remote: what becomes of the phone users, and the caller's answer.
	finish(e *Engine, s *store.Saga, locked []model.PhoneUser) (store.Finish, proto.Message, error)
	// undo takes back what remote may have done of a refused operation. It may be repeated any number of times.
	undo(ctx context.Context, e *Engine, s *store.Saga) error
	// madePhoneUsers says that the phone users were made by the operation and are deleted when it is undone.
	madePhoneUsers() bool
}

// atomicRemote is embedded by operations whose remote part is one all-or-nothing call: after a refusal nothing is to be undone.
type atomicRemote struct{}

func (atomicRemote) undo(context.Context, *Engine, *store.Saga) error { return nil }
func (atomicRemote) madePhoneUsers() bool                             { return false }

// operations makes an empty operation of each kind, to be filled from a stored plan.
var operations = byKind(
	func() operation { return &assign{} },
	func() operation { return &assignPackage{} },
	func() operation { return &changeNumbers{} },
	func() operation { return &removePackages{} },
	func() operation { return &move{} },
	func() operation { return &trash{} },
	func() operation { return &restore{} },
	func() operation { return &remove{} },
	func() operation { return &confirm{} },
	func() operation { return &mend{} },
)

// Kinds lists the kinds of operations.
func Kinds() []string { return slices.Sorted(maps.Keys(operations)) }

func byKind(all ...func() operation) map[string]func() operation {
	kinds := make(map[string]func() operation, len(all))
	for _, newOperation := range all {
		kinds[newOperation().kind()] = newOperation
	}
	return kinds
}

// request is an operation that a caller asks for.
type request struct {
	account   uuid.UUID
	caller    Caller
	op        operation
	requestID string
	bodyHash  []byte
	seats     int
	insert    []model.PhoneUser
	lock      []uuid.UUID
	// revive says that locked phone users leave the trash: their people must not have another licence.
	revive bool
	check  func(locked []model.PhoneUser) error
	sites  []uuid.UUID
}

// perform begins an operation, drives it to its end and fills answer, or replays the answer that is remembered under the
// caller's request id. The operation goes on when the caller goes away.
func (e *Engine) perform(ctx context.Context, r request, answer proto.Message) error {
	plan, err := json.Marshal(r.op)
	if err != nil {
		return fmt.Errorf("plan of %s: %w", r.op.kind(), err)
	}
	saga := store.Saga{
		ID: uuid.Must(uuid.NewV7()), AccountID: r.account, Kind: r.op.kind(), State: store.SagaRunning, Plan: plan,
		Seats: r.seats, RequestID: r.requestID, Actor: r.caller.Actor, TraceID: r.caller.TraceID, PhoneUserIDs: r.lock,
	}
	for i := range r.insert {
		r.insert[i].SagaID = saga.ID
		saga.PhoneUserIDs = append(saga.PhoneUserIDs, r.insert[i].ID)
	}
	began, err := e.begins.Do(ctx, r.account, store.Begin{
		Saga: saga, Claim: e.cfg.Claim, BodyHash: r.bodyHash, Insert: r.insert, Lock: r.lock, Check: r.check, SiteIDs: r.sites, Revive: r.revive,
	})
	switch {
	case err != nil:
		return err
	case began.Err != nil:
		return began.Err
	case began.Response != nil:
		return unmarshalAnswer(began.Response, answer)
	case began.InProgress != uuid.Nil:
		return e.awaitAnswer(ctx, r, answer)
	}
	locked := began.Locked
	if len(r.insert) > 0 {
		locked = r.insert
	}
	driveCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.cfg.DriveTimeout)
	defer cancel()
	response, err := e.drive(driveCtx, &saga, r.op, locked)
	if err != nil {
		return err
	}
	proto.Merge(answer, response)
	return nil
}

func unmarshalAnswer(stored []byte, answer proto.Message) error {
	if err := proto.Unmarshal(stored, answer); err != nil {
		return fmt.Errorf("remembered answer: %w", err)
	}
	return nil
}

// awaitAnswer waits until an earlier call under the same request id has its answer.
func (e *Engine) awaitAnswer(ctx context.Context, r request, answer proto.Message) error {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.DriveTimeout)
	defer cancel()
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 10*time.Millisecond, 500*time.Millisecond
	for {
		select {
		case <-ctx.Done():
			return unfinished(ctx.Err())
		case <-time.After(pause.NextBackOff()):
		}
		known, err := e.store.FindRequest(ctx, r.account, r.requestID)
		switch {
		case err != nil:
			return err
		case known == nil: // the first call was refused and nothing is remembered: this one begins afresh
			return e.perform(ctx, r, answer)
		case known.Response != nil:
			return unmarshalAnswer(known.Response, answer)
		}
	}
}

// drive brings a saga to its end: forward, or back after a definitive refusal, which is then the error. Trouble that may pass
// is tried again while ctx lasts; after that the saga is left to the reconciler.
func (e *Engine) drive(ctx context.Context, s *store.Saga, op operation, locked []model.PhoneUser) (proto.Message, error) {
	defer e.driven.add(s.ID)()
	if s.State == store.SagaUndoing {
		return nil, e.takeBack(ctx, s, op)
	}
	s.TraceParent = telemetry.TraceParent(ctx)
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := op.remote(ctx, e, s, locked)
		if isRefusal(err) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(remoteBackOff()), backoff.WithMaxElapsedTime(0))
	switch {
	case isRefusal(err):
		return nil, e.refuse(ctx, s, op, err)
	case err != nil:
		return nil, e.leave(ctx, s, err)
	}
	finish, response, err := op.finish(e, s, locked)
	if err != nil {
		return nil, e.leave(ctx, s, err)
	}
	finish.Saga = s
	if s.RequestID != "" {
		if finish.Response, err = proto.Marshal(response); err != nil {
			return nil, fmt.Errorf("remember answer: %w", err)
		}
	}
	// A database that is away for a moment is waited for, like the other services: left to the reconciler, the phone users would be held
	// until the claim is over.
	done, err := backoff.Retry(ctx, func() (bool, error) {
		done, err := e.finishes.Do(ctx, s.AccountID, finish)
		if class := crdb.Classify(err); class != crdb.Unavailable && class != crdb.Ambiguous && class != crdb.Timeout {
			err = backoff.Permanent(err)
		}
		return done, err
	}, backoff.WithBackOff(remoteBackOff()), backoff.WithMaxElapsedTime(0))
	switch {
	case err != nil:
		return nil, e.leave(ctx, s, err)
	case !done: // this took longer than the claim, and another worker has ended the saga
		return nil, e.leave(ctx, s, errors.New("the operation was ended by another worker"))
	}
	e.metrics.ended(s.Kind, "finished")
	if len(finish.Outbox) > 0 {
		e.relay.Wake()
	}
	return response, nil
}

func remoteBackOff() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = 20*time.Millisecond, 2*time.Second
	return b
}

// leave gives a saga over to the reconciler and says so.
func (e *Engine) leave(ctx context.Context, s *store.Saga, cause error) error {
	e.log.WarnContext(ctx, "operation is left to the reconciler", "saga", s.ID, "kind", s.Kind, "attempts", s.Attempts, "error", cause)
	e.metrics.ended(s.Kind, "left")
	return unfinished(cause)
}

// unfinished is told to whoever waits for an operation that goes on for longer than the call.
func unfinished(cause error) error {
	return errs.New(commonv1.Reason_UNAVAILABLE,
		"the operation was accepted and will be carried out or undone, but not within this call: repeat it with the same request id, or read the phone users").
		Wrap(cause)
}

// refuse turns a saga back after a definitive refusal and returns the refusal.
func (e *Engine) refuse(ctx context.Context, s *store.Saga, op operation, refusal error) error {
	failure, err := proto.Marshal(errs.ToStatus(ctx, refusal).Proto())
	if err != nil {
		return fmt.Errorf("keep refusal: %w", err)
	}
	marked, err := e.store.MarkUndoing(ctx, s.ID, failure)
	switch {
	case err != nil:
		return e.leave(ctx, s, errors.Join(refusal, err))
	case !marked:
		return e.leave(ctx, s, errors.New("the operation was ended by another worker"))
	}
	s.State = store.SagaUndoing
	if err := e.takeBack(ctx, s, op); err != nil {
		// The refusal stands whatever becomes of the clean-up, which the reconciler goes on with.
		e.log.WarnContext(ctx, "undoing is left to the reconciler", "saga", s.ID, "kind", s.Kind, "error", err)
	}
	return refusal
}

// takeBack undoes a saga that was refused.
func (e *Engine) takeBack(ctx context.Context, s *store.Saga, op operation) error {
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		return struct{}{}, op.undo(ctx, e, s)
	}, backoff.WithBackOff(remoteBackOff()), backoff.WithMaxElapsedTime(0))
	if err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	if _, err := e.aborts.Do(ctx, s.AccountID, store.Abort{Saga: s, DeletePhoneUsers: op.madePhoneUsers()}); err != nil {
		return fmt.Errorf("abort: %w", err)
	}
	e.metrics.ended(s.Kind, "undone")
	return nil
}

// isRefusal says whether another service has refused for good: it gave a reason that repeating does not change. Trouble between the
// services themselves, such as an expired service token, is not the caller's doing and may pass.
func isRefusal(err error) bool {
	if err == nil || !errs.Definitive(err) {
		return false
	}
	switch errs.Reason(err) {
	case commonv1.Reason_REASON_UNSPECIFIED, commonv1.Reason_PERMISSION_DENIED, commonv1.Reason_UNAUTHENTICATED:
		return false
	}
	return true
}

// New returns an engine. It does nothing on its own: see RunReconciler and Relay.Run.
func New(cfg Config, deps Deps) *Engine {
	e := &Engine{
		cfg: cfg, store: deps.Store, extensions: deps.Extensions, numbering: deps.Numbering, books: deps.Books, tokens: deps.Tokens,
		clock: deps.Clock, log: deps.Logger, metrics: newMetrics(deps.Registerer), relay: deps.Relay,
	}
	opts := groupcommit.Options{MaxWeight: 1000, MaxQueue: 2000, Timeout: cfg.DriveTimeout}
	e.begins = groupcommit.New(func(ctx context.Context, account uuid.UUID, begins []store.Begin) ([]groupcommit.Result[store.BeginResult], error) {
		results, err := e.store.BeginSagas(ctx, account, begins)
		return values(results), err
	}, func(b store.Begin) int { return len(b.Insert) + len(b.Lock) }, opts)
	e.finishes = groupcommit.New(func(ctx context.Context, account uuid.UUID, finishes []store.Finish) ([]groupcommit.Result[bool], error) {
		done, err := e.store.FinishSagas(ctx, account, finishes)
		return values(done), err
	}, func(f store.Finish) int { return len(f.Update) + len(f.Delete) }, opts)
	e.aborts = groupcommit.New(func(ctx context.Context, account uuid.UUID, aborts []store.Abort) ([]groupcommit.Result[bool], error) {
		done, err := e.store.AbortSagas(ctx, account, aborts)
		return values(done), err
	}, func(a store.Abort) int { return len(a.Saga.PhoneUserIDs) }, opts)
	return e
}

func values[R any](rs []R) []groupcommit.Result[R] {
	out := make([]groupcommit.Result[R], len(rs))
	for i := range rs {
		out[i].Value = rs[i]
	}
	return out
}

// Close waits for the transactions under way.
func (e *Engine) Close(ctx context.Context) error {
	return errors.Join(e.begins.Close(ctx), e.finishes.Close(ctx), e.aborts.Close(ctx))
}

// Deps are the parts that an engine works with.
type Deps struct {
	Store      store.Store
	Extensions Extensions
	Numbering  Numbering
	Books      Books
	Relay      *Relay
	Tokens     *token.Signer
	Clock      clock.Clock
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}
