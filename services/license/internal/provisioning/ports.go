// Package provisioning runs the life of phone users: assigning licences, packages and numbers, changing and removing them. It
// is the one place that orchestrates the other services.
//
// Every operation that touches another service is a saga of three steps: begin (one transaction: the intent is durable, seats
// are taken, phone users are held), remote (calls to other services that can be repeated for ever), finish (one transaction:
// the result, the account log, the mails, the remembered answer). A definitive refusal in the middle undoes the whole. The
// caller's own goroutine drives its saga; a reconciler drives those whose driver died.
package provisioning

import (
	"context"
	"time"

	"github.com/google/uuid"

	notificationv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/notification/v1"
	numberingv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/numbering/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/view"
)

// Extensions is the extension service. Every method is all or nothing and idempotent by owner. Refusals are *errs.Error or
// gRPC statuses with a reason; any other error means that it is not known whether the call took effect.
type Extensions interface {
	// Allocate gives each owner a number, the wished one where wishes[i] is not empty. wishes is nil or as long as owners.
	Allocate(ctx context.Context, account, site uuid.UUID, owners []uuid.UUID, wishes []string, validateOnly bool) ([]string, error)
	// Swap gives the owner number (any when empty) in place of the present one, and returns the number it has now.
	Swap(ctx context.Context, account, site, owner uuid.UUID, number string, quarantine time.Duration) (string, error)
	// Release takes numbers back, free at once or after the quarantine.
	Release(ctx context.Context, account uuid.UUID, owners []uuid.UUID, quarantine time.Duration) error
	// Hold keeps numbers for owners that are in the trash; Reclaim gives them back and returns them.
	Hold(ctx context.Context, account uuid.UUID, owners []uuid.UUID) error
	Reclaim(ctx context.Context, account uuid.UUID, owners []uuid.UUID) ([]string, error)
}

// Holding is what a phone user holds of the numbering service.
type Holding struct {
	// PackageID is uuid.Nil for none.
	PackageID    uuid.UUID
	PackageState numberingv1.Package_State
	PhoneNumbers []string
}

// Numbering is the numbering service, under the same rules as Extensions.
type Numbering interface {
	// AssignPackages gives each owner the package and the numbers asked for (numbers is nil or as long as owners).
	AssignPackages(ctx context.Context, account, pkg uuid.UUID, owners []uuid.UUID, numbers [][]string, validateOnly bool) ([]Holding, error)
	// AssignNumbers and UnassignNumbers give and take direct numbers.
	AssignNumbers(ctx context.Context, account, owner uuid.UUID, numbers []string) (Holding, error)
	UnassignNumbers(ctx context.Context, account, owner uuid.UUID, numbers []string, quarantine time.Duration) (Holding, error)
	// Remove takes packages and all numbers.
	Remove(ctx context.Context, account uuid.UUID, owners []uuid.UUID, quarantine time.Duration) error
	// Restore gives back what is still to be had of wanted, and says what is missing.
	Restore(ctx context.Context, account uuid.UUID, owners []uuid.UUID, wanted []Holding, validateOnly bool) (restored, missing []Holding, err error)
	// PackageStates says of every package of the account whether it is active.
	PackageStates(ctx context.Context, account uuid.UUID) (view.PackageStates, error)
}

// HeldExtension is a number that belongs to a phone user.
type HeldExtension struct {
	Number string
	// Held says that it is only kept, for a phone user in the trash.
	Held bool
}

// Books reads what the other services hold. It changes nothing.
type Books interface {
	// HeldExtensions reads the extensions of owners; those without one are left out.
	HeldExtensions(ctx context.Context, account uuid.UUID, owners []uuid.UUID) (map[uuid.UUID]HeldExtension, error)
	// Holdings reads what owners hold of the numbering service, in the order asked.
	Holdings(ctx context.Context, account uuid.UUID, owners []uuid.UUID) ([]Holding, error)
	// Told says which phone users there is any message to.
	Told(ctx context.Context, account uuid.UUID, phoneUsers []uuid.UUID) (map[uuid.UUID]bool, error)
}

// Notifications is the notification service.
type Notifications interface {
	// Enqueue hands messages over; those that it has already are not sent again.
	Enqueue(ctx context.Context, messages []*notificationv1.Message) error
}
