// Package keeper carries out commands on the books. Concurrent commands for one account go into one transaction, so that a
// thousand people who are given the same package at once do not queue a thousand times on the row that counts its seats.
package keeper

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/switchboard-phone/switchboard/services/numbering/internal/books"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/groupcommit"
)

const (
	// maxWeight bounds the owners and numbers of one transaction, unless a single command has more.
	maxWeight = 2000
	// maxQueue bounds the commands of one account that wait on this replica; more are refused as RATE_LIMITED.
	maxQueue = 2000
	// runTimeout bounds one transaction with its repetitions.
	runTimeout = 20 * time.Second
)

// Keeper carries out commands. It is safe for concurrent use.
type Keeper struct {
	store   store.Store
	clock   clock.Clock
	log     *slog.Logger
	metrics *metrics
	group   *groupcommit.Group[uuid.UUID, books.Command, books.Outcome]
}

// New returns a keeper. reg gets its metrics; it may be nil. The caller closes the keeper.
func New(st store.Store, clk clock.Clock, log *slog.Logger, reg prometheus.Registerer) *Keeper {
	k := &Keeper{store: st, clock: clk, log: log, metrics: newMetrics(reg)}
	k.group = groupcommit.New(k.run, weight, groupcommit.Options{
		MaxWeight: maxWeight, MaxQueue: maxQueue, Timeout: runTimeout, Observe: k.metrics.observeRun,
	})
	return k
}

func weight(c books.Command) int {
	s := c.Scope()
	return len(s.Owners) + len(s.Numbers)
}

// Do carries out a command. A *books.RefusalError means that it changed nothing; after another error it may have taken effect, and
// can be repeated. ctx bounds the waiting: a command that was begun is brought to its end.
func (k *Keeper) Do(ctx context.Context, account uuid.UUID, c books.Command) (books.Outcome, error) {
	out, err := k.group.Do(ctx, account, c)
	k.metrics.command(c, err)
	return out, err
}

// Preview answers what Do would, and changes nothing.
func (k *Keeper) Preview(ctx context.Context, account uuid.UUID, c books.Command) (out books.Outcome, err error) {
	err = k.store.Preview(ctx, account, c.Scope(), k.now(), func(l *books.Ledger) error {
		out, err = c.Apply(l)
		return err
	})
	if err != nil {
		return books.Outcome{}, err
	}
	return out, nil
}

// Read returns what owners hold, in the order asked.
func (k *Keeper) Read(ctx context.Context, account uuid.UUID, owners []uuid.UUID) ([]books.Holding, error) {
	var out []books.Holding
	err := k.store.Preview(ctx, account, books.Scope{Owners: owners}, k.now(), func(l *books.Ledger) error {
		out = make([]books.Holding, len(owners))
		for i, owner := range owners {
			out[i] = l.Holding(owner)
		}
		return nil
	})
	return out, err
}

// ListOwners lists those who hold a package or a number; see store.Store.
func (k *Keeper) ListOwners(ctx context.Context, account, after uuid.UUID, limit int) ([]uuid.UUID, error) {
	return k.store.ListOwners(ctx, account, after, limit)
}

// AuditSeats finds packages whose count of assigned seats is wrong, and sets it right where repair says so.
func (k *Keeper) AuditSeats(ctx context.Context, account uuid.UUID, repair bool) ([]store.Discrepancy, error) {
	found, err := k.store.Audit(ctx, account)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(d store.Discrepancy) bool { return d.Package == uuid.Nil })
	if !repair || len(found) == 0 {
		return found, nil
	}
	packages := make([]uuid.UUID, len(found))
	for i, d := range found {
		packages[i] = d.Package
		k.log.WarnContext(ctx, "seats are counted anew", "account", account, "package", d.Package, "assigned", d.Assigned, "holders", d.Holders)
	}
	return found, k.store.RecountSeats(ctx, account, packages)
}

// Close refuses further commands and waits for those under way (see groupcommit.Group.Close).
func (k *Keeper) Close(ctx context.Context) error { return k.group.Close(ctx) }

// run carries out the commands of one account in one transaction. A refused one does not keep the others from taking effect.
func (k *Keeper) run(ctx context.Context, account uuid.UUID, commands []books.Command) ([]groupcommit.Result[books.Outcome], error) {
	var results []groupcommit.Result[books.Outcome]
	err := k.store.Change(ctx, account, books.Join(commands), k.now(), func(l *books.Ledger) error {
		results = make([]groupcommit.Result[books.Outcome], len(commands))
		for i, c := range commands {
			results[i].Value, results[i].Err = c.Apply(l)
		}
		return nil
	})
	if errors.Is(err, books.ErrBroken) {
		k.Broken(ctx, account, "error", err)
	}
	return results, err
}

// now is the present time as databases keep it.
func (k *Keeper) now() time.Time { return k.clock.Now().Truncate(time.Microsecond) }

// Broken is the one place where broken books are made known: an error in the log and a count to alert on.
func (k *Keeper) Broken(ctx context.Context, account uuid.UUID, details ...any) {
	k.metrics.broken.Inc()
	k.log.ErrorContext(ctx, "the books are broken", append([]any{"account", account.String()}, details...)...)
}
