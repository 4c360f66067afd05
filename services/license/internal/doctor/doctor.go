// Package doctor compares the books of all services and mends them. It is for what the sagas cannot keep whole: databases restored from
// backups of different moments, and changes made by hand.
//
// It reads page by page and looks the same people up in the other services, so its memory is bounded, and it stands in nobody's way.
// What an operation is at work on is left out; what looks wrong is looked at again after a while and told only when it still does. Each
// phone user is mended as an operation of its own, under the lock that all operations take.
package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	numberingv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/numbering/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// page is how many phone users are compared at a time.
const page = 500

// Books are what the other services hold.
type Books interface {
	provisioning.Books
	// ExtensionOwners and AssignmentOwners list a page of those who hold something, and the token of the next page.
	ExtensionOwners(ctx context.Context, account uuid.UUID, token string) ([]uuid.UUID, string, error)
	AssignmentOwners(ctx context.Context, account uuid.UUID, token string) ([]uuid.UUID, string, error)
	// PackageSeats finds packages whose count of assigned seats is wrong, and sets it right where repair says so.
	PackageSeats(ctx context.Context, account uuid.UUID, repair bool) ([]*numberingv1.AuditSeatsResponse_Discrepancy, error)
}

// Mender mends a phone user, and knows who was never written to; see provisioning.Engine.
type Mender interface {
	Untold(ctx context.Context, account uuid.UUID, ps []model.PhoneUser) (map[uuid.UUID]bool, error)
	Mend(ctx context.Context, c provisioning.Caller, account, id uuid.UUID) (*licensev1.PhoneUser, error)
}

// Releaser takes extensions back; see provisioning.Extensions.
type Releaser interface {
	Release(ctx context.Context, account uuid.UUID, owners []uuid.UUID, quarantine time.Duration) error
}

// Remover takes packages and numbers back; see provisioning.Numbering.
type Remover interface {
	Remove(ctx context.Context, account uuid.UUID, owners []uuid.UUID, quarantine time.Duration) error
}

// Doctor checks accounts. It is safe for concurrent use.
type Doctor struct {
	store      store.Checkup
	books      Books
	mender     Mender
	extensions Releaser
	numbering  Remover
}

// New returns a doctor.
func New(st store.Checkup, books Books, mender Mender, extensions Releaser, numbering Remover) *Doctor {
	return &Doctor{store: st, books: books, mender: mender, extensions: extensions, numbering: numbering}
}

// Visit is one check of an account.
type Visit struct {
	Account uuid.UUID
	Caller  provisioning.Caller
	// Repair mends what is found.
	Repair bool
	// Grace is how long something must look wrong to be told.
	Grace time.Duration
	// Tell is given each finding. Its error ends the check.
	Tell func(f *licensev1.Finding) error
}

// Check checks one account. People come first: mending them changes the counts.
func (d *Doctor) Check(ctx context.Context, v Visit) error {
	for _, check := range []func(context.Context, *Visit) error{d.checkPhoneUsers, d.checkExtensionOwners, d.checkAssignmentOwners, d.checkPackageSeats, d.checkSeats} {
		if err := check(ctx, &v); err != nil {
			return err
		}
	}
	return nil
}

// finding is something that looks wrong about one owner.
type finding struct {
	kind           licensev1.Finding_Kind
	owner          uuid.UUID
	detail, remedy string
	mend           func(ctx context.Context) error
}

// settle looks again at what looks wrong, until only what stays so is left, and tells and mends it. look answers what looks wrong about
// owners now.
func (d *Doctor) settle(ctx context.Context, v *Visit, suspects []finding, look func(ctx context.Context, owners []uuid.UUID) ([]finding, error)) error {
	if len(suspects) == 0 {
		return nil
	}
	if err := pause(ctx, v.Grace); err != nil {
		return err
	}
	before := map[identity]bool{}
	var owners []uuid.UUID
	for _, f := range suspects {
		if len(owners) == 0 || owners[len(owners)-1] != f.owner {
			owners = append(owners, f.owner)
		}
		before[f.key()] = true
	}
	again, err := look(ctx, owners)
	if err != nil {
		return err
	}
	for _, f := range again {
		if !before[f.key()] {
			continue // it has changed meanwhile, so somebody is at work
		}
		if err := d.tell(ctx, v, f, model.PhoneUserName(v.Account, f.owner)); err != nil {
			return err
		}
	}
	return nil
}

// identity tells findings apart.
type identity struct {
	kind   licensev1.Finding_Kind
	owner  uuid.UUID
	detail string
}

func (f *finding) key() identity { return identity{f.kind, f.owner, f.detail} }

// tell mends a finding where that is asked for, and tells it.
func (d *Doctor) tell(ctx context.Context, v *Visit, f finding, resource string) error {
	out := &licensev1.Finding{Kind: f.kind, Resource: resource, Detail: f.detail, Remedy: f.remedy}
	if v.Repair {
		if err := f.mend(ctx); err != nil {
			if ctx.Err() != nil {
				return err
			}
			out.Failure = errs.ToStatus(ctx, err).Message()
		}
		out.Repaired = out.GetFailure() == ""
	}
	return v.Tell(out)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// checkSeats compares the account's count of licences with the licences. Both are of one instant, so one look is enough.
func (d *Doctor) checkSeats(ctx context.Context, v *Visit) error {
	counted, licences, err := d.store.AuditSeats(ctx, v.Account, false)
	if err != nil || counted == licences {
		return err
	}
	return d.tell(ctx, v, finding{
		kind:   licensev1.Finding_LICENSE_SEATS,
		detail: fmt.Sprintf("%d licence seats are counted as taken, and there are %d licences", counted, licences),
		remedy: "count anew",
		mend: func(ctx context.Context) error {
			_, _, err := d.store.AuditSeats(ctx, v.Account, true)
			return err
		},
	}, model.AccountName(v.Account))
}

// checkPackageSeats has the numbering service compare its counts; each is of one instant.
func (d *Doctor) checkPackageSeats(ctx context.Context, v *Visit) error {
	wrong, err := d.books.PackageSeats(ctx, v.Account, false)
	if err != nil {
		return err
	}
	for _, w := range wrong {
		err := d.tell(ctx, v, finding{
			kind:   licensev1.Finding_PACKAGE_SEATS,
			detail: fmt.Sprintf("%d seats are counted as assigned, and %d phone users hold the package", w.GetAssigned(), w.GetHolders()),
			remedy: "count anew",
			mend: func(ctx context.Context) error {
				_, err := d.books.PackageSeats(ctx, v.Account, true)
				return err
			},
		}, w.GetPackage())
		if err != nil {
			return err
		}
	}
	return nil
}
