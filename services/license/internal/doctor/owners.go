package doctor

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
)

// checkExtensionOwners finds extensions of phone users that do not exist.
func (d *Doctor) checkExtensionOwners(ctx context.Context, v *Visit) error {
	return d.checkOwners(ctx, v, d.books.ExtensionOwners, func(ctx context.Context, ids []uuid.UUID) ([]finding, error) {
		held, err := d.books.HeldExtensions(ctx, v.Account, ids)
		if err != nil {
			return nil, err
		}
		var out []finding
		for _, id := range ids {
			if have, ok := held[id]; ok {
				out = append(out, d.orphan(v, licensev1.Finding_EXTENSION_ORPHANED, id,
					"extension "+heldAs(have)+" belongs to a phone user that does not exist", "free the extension", d.extensions.Release))
			}
		}
		return out, nil
	})
}

// checkAssignmentOwners finds packages and numbers of phone users that do not exist.
func (d *Doctor) checkAssignmentOwners(ctx context.Context, v *Visit) error {
	return d.checkOwners(ctx, v, d.books.AssignmentOwners, func(ctx context.Context, ids []uuid.UUID) ([]finding, error) {
		held, err := d.books.Holdings(ctx, v.Account, ids)
		if err != nil {
			return nil, err
		}
		var out []finding
		for i, id := range ids {
			if h := held[i]; h.PackageID != uuid.Nil || len(h.PhoneNumbers) > 0 {
				out = append(out, d.orphan(v, licensev1.Finding_ASSIGNMENT_ORPHANED, id,
					holds(v.Account, h.PackageID, h.PhoneNumbers)+" belongs to a phone user that does not exist", "take it back", d.numbering.Remove))
			}
		}
		return out, nil
	})
}

// checkOwners goes through those who hold something, and has describe look at those of them who are no phone users.
func (d *Doctor) checkOwners(ctx context.Context, v *Visit,
	list func(ctx context.Context, account uuid.UUID, token string) ([]uuid.UUID, string, error),
	describe func(ctx context.Context, ids []uuid.UUID) ([]finding, error),
) error {
	look := func(ctx context.Context, ids []uuid.UUID) ([]finding, error) {
		unknown, err := d.unknown(ctx, v.Account, ids)
		if err != nil || len(unknown) == 0 {
			return nil, err
		}
		return describe(ctx, unknown)
	}
	for token := ""; ; {
		ids, next, err := list(ctx, v.Account, token)
		if err != nil {
			return err
		}
		suspects, err := look(ctx, ids)
		if err != nil {
			return err
		}
		if err := d.settle(ctx, v, suspects, look); err != nil {
			return err
		}
		if token = next; token == "" {
			return nil
		}
	}
}

// unknown answers those of the ids that are no phone users.
func (d *Doctor) unknown(ctx context.Context, account uuid.UUID, ids []uuid.UUID) ([]uuid.UUID, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	known, err := d.store.FindPhoneUsers(ctx, account, ids)
	if err != nil {
		return nil, err
	}
	there := make(map[uuid.UUID]bool, len(known))
	for i := range known {
		there[known[i].ID] = true
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id uuid.UUID) bool { return there[id] }), nil
}

// orphan is something that belongs to nobody. Should its owner have come to be just now, which an import that is repeated may do, it gets
// back what was taken.
func (d *Doctor) orphan(v *Visit, kind licensev1.Finding_Kind, id uuid.UUID, detail, remedy string,
	take func(ctx context.Context, account uuid.UUID, owners []uuid.UUID, quarantine time.Duration) error,
) finding {
	return finding{kind: kind, owner: id, detail: detail, remedy: remedy, mend: func(ctx context.Context) error {
		if err := take(ctx, v.Account, []uuid.UUID{id}, 0); err != nil {
			return err
		}
		unknown, err := d.unknown(ctx, v.Account, []uuid.UUID{id})
		if err != nil || len(unknown) == 1 {
			return err
		}
		_, err = d.mender.Mend(ctx, v.Caller, v.Account, id)
		return err
	}}
}
