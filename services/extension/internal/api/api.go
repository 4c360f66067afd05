// Package api answers the calls of the extension service: it reads requests, has the domain do the work, and writes answers.
// Who may call is decided before; errors are mapped after.
package api

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	extensionv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/extension/v1"
	"github.com/switchboard-phone/switchboard/services/extension/internal/allocator"
	"github.com/switchboard-phone/switchboard/services/extension/internal/book"
	"github.com/switchboard-phone/switchboard/services/extension/internal/lease"
	"github.com/switchboard-phone/switchboard/services/extension/internal/names"
	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// Leases lists who holds which blocks.
type Leases interface {
	// List returns up to limit leases in the order of their keys, from the one after the key after.
	List(ctx context.Context, after string, limit int) ([]lease.Held, error)
}

// Allocator gives out numbers; see package allocator.
type Allocator interface {
	Allocate(ctx context.Context, r allocator.Request) ([]store.Extension, error)
	Preview(ctx context.Context, r allocator.Request) ([]store.Extension, error)
	Swap(ctx context.Context, r allocator.SwapRequest) (now, before number.Number, err error)
}

// Deps are the parts that answer.
type Deps struct {
	Allocator Allocator
	Book      *book.Book
	Store     store.Store
	// Leases is nil when leasing is off.
	Leases Leases
}

// Register registers the services.
func Register(reg grpc.ServiceRegistrar, deps Deps) {
	extensionv1.RegisterAllocationServiceServer(reg, &allocations{Deps: deps})
	extensionv1.RegisterExtensionServiceServer(reg, &extensions{Deps: deps})
	extensionv1.RegisterExtensionRangeServiceServer(reg, &ranges{Deps: deps})
	extensionv1.RegisterReconciliationServiceServer(reg, &reconciliation{Deps: deps})
}

type allocations struct {
	extensionv1.UnimplementedAllocationServiceServer
	Deps
}

type extensions struct {
	extensionv1.UnimplementedExtensionServiceServer
	Deps
}

type ranges struct {
	extensionv1.UnimplementedExtensionRangeServiceServer
	Deps
}

// parseOwner reads the name of a phone user of an account. A field of the request is blamed by a refusal alone: batches have a
// thousand owners.
func parseOwner(of names.PhoneUsers, name string, field func() string) (uuid.UUID, error) {
	owner, in, err := of.Parse(name)
	switch {
	case err != nil:
		return uuid.Nil, fieldInvalid(field(), "it is not the name of a phone user")
	case !in:
		return uuid.Nil, fieldInvalid(field(), "it is a phone user of another account")
	}
	return owner, nil
}

// parseOwners reads the parent and the owners of a request.
func parseOwners(parent string, owners []string) (account uuid.UUID, ids []uuid.UUID, err error) {
	if account, err = names.ParseAccount(parent); err != nil {
		return account, nil, err
	}
	ids = make([]uuid.UUID, len(owners))
	of := names.PhoneUsersOf(account)
	for i, name := range owners {
		if ids[i], err = parseOwner(of, name, func() string { return fmt.Sprintf("owners[%d]", i) }); err != nil {
			return account, nil, err
		}
	}
	return account, ids, nil
}

func fieldInvalid(field, text string) error {
	return errs.New(commonv1.Reason_FIELD_INVALID, "%s: %s", field, text).Violation(field, text)
}

// maxQuarantine bounds how long a number may be kept out of use, so that mistakes in units show.
const maxQuarantine = 10 * 365 * 24 * time.Hour

// parseQuarantine reads a duration that may be missing.
func parseQuarantine(d *durationpb.Duration) (time.Duration, error) {
	if d == nil {
		return 0, nil
	}
	if err := d.CheckValid(); err != nil {
		return 0, fieldInvalid("quarantine", "it is not a duration")
	}
	if q := d.AsDuration(); q >= 0 && q <= maxQuarantine {
		return q, nil
	}
	return 0, fieldInvalid("quarantine", "it must be between nothing and ten years")
}

// toAllocations tells who has which number.
func toAllocations(account uuid.UUID, rows []store.Extension) []*extensionv1.Allocation {
	of := names.PhoneUsersOf(account)
	out := make([]*extensionv1.Allocation, len(rows))
	for i, e := range rows {
		out[i] = &extensionv1.Allocation{Owner: of.Name(e.Owner), Number: e.Number.String()}
	}
	return out
}
