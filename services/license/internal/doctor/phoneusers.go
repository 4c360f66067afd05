package doctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
)

// checkPhoneUsers compares what is on record about each phone user with what the other services hold for it.
func (d *Doctor) checkPhoneUsers(ctx context.Context, v *Visit) error {
	look := func(ctx context.Context, ids []uuid.UUID) ([]finding, error) {
		ps, err := d.store.FindPhoneUsers(ctx, v.Account, ids)
		if err != nil {
			return nil, err
		}
		return d.compare(ctx, v, ps)
	}
	after := uuid.Nil
	for {
		ps, err := d.store.PhoneUsersByID(ctx, v.Account, after, page)
		if err != nil {
			return err
		}
		suspects, err := d.compare(ctx, v, ps)
		if err != nil {
			return err
		}
		if err := d.settle(ctx, v, suspects, look); err != nil {
			return err
		}
		if len(ps) < page {
			return nil
		}
		after = ps[page-1].ID
	}
}

// compare finds what looks wrong about phone users, as far as no operation is at work on them.
func (d *Doctor) compare(ctx context.Context, v *Visit, ps []model.PhoneUser) ([]finding, error) {
	out, ps, err := d.lost(ctx, v, ps)
	if err != nil || len(ps) == 0 {
		return out, err
	}
	ids := make([]uuid.UUID, len(ps))
	for i := range ps {
		ids[i] = ps[i].ID
	}
	extensions, err := d.books.HeldExtensions(ctx, v.Account, ids)
	if err != nil {
		return nil, err
	}
	holdings, err := d.books.Holdings(ctx, v.Account, ids)
	if err != nil {
		return nil, err
	}
	untold, err := d.mender.Untold(ctx, v.Account, ps)
	if err != nil {
		return nil, err
	}
	for i := range ps {
		p := &ps[i]
		add := func(kind licensev1.Finding_Kind, detail, remedy string) {
			out = append(out, finding{kind: kind, owner: p.ID, detail: detail, remedy: remedy, mend: func(ctx context.Context) error {
				_, err := d.mender.Mend(ctx, v.Caller, v.Account, p.ID)
				return err
			}})
		}
		if have, ok := extensions[p.ID]; !rightExtension(p, have, ok) {
			add(licensev1.Finding_EXTENSION, fmt.Sprintf("%s (%s) has extension %s on record and holds %s",
				p.DisplayName, p.State, named(p.ExtensionNumber), heldAs(have)), "give the extension on record, or another one where that is taken")
		}
		if !provisioning.SameHolding(holdings[i], p) {
			add(licensev1.Finding_ASSIGNMENT, fmt.Sprintf("%s (%s) has %s on record and holds %s", p.DisplayName, p.State,
				holds(v.Account, p.PackageID, p.PhoneNumbers), holds(v.Account, holdings[i].PackageID, holdings[i].PhoneNumbers)),
				"give what is on record, as far as it is free")
		}
		if untold[p.ID] {
			add(licensev1.Finding_MAIL_MISSING, fmt.Sprintf("%s (%s) was never written to", p.DisplayName, p.Email), "send the mail")
		}
	}
	return out, nil
}

// lost finds phone users that are held by operations that do not exist, and answers those that no operation holds.
func (d *Doctor) lost(ctx context.Context, v *Visit, ps []model.PhoneUser) (out []finding, free []model.PhoneUser, err error) {
	var sagas []uuid.UUID
	for i := range ps {
		if ps[i].SagaID != uuid.Nil {
			sagas = append(sagas, ps[i].SagaID)
		}
	}
	existing, err := d.store.ExistingSagas(ctx, sagas)
	if err != nil {
		return nil, nil, err
	}
	for i := range ps {
		p := &ps[i]
		switch {
		case p.SagaID == uuid.Nil:
			free = append(free, *p)
		case !existing[p.SagaID]:
			out = append(out, finding{
				kind: licensev1.Finding_OPERATION_LOST, owner: p.ID,
				detail: fmt.Sprintf("%s (%s) is held by operation %s, which does not exist", p.DisplayName, p.State, p.SagaID),
				remedy: "let it go",
				mend:   func(ctx context.Context) error { return d.store.Unlock(ctx, v.Account, p.ID, p.SagaID) },
			})
		}
	}
	return out, free, nil
}

func rightExtension(p *model.PhoneUser, have provisioning.HeldExtension, ok bool) bool {
	switch p.State {
	case model.StatePending, model.StateProvisioning:
		return !ok
	case model.StateActive, model.StateTrashed:
	}
	return ok && have.Number == p.ExtensionNumber && have.Held == (p.State == model.StateTrashed)
}

func named(number string) string {
	if number == "" {
		return "none"
	}
	return number
}

func heldAs(e provisioning.HeldExtension) string {
	if e.Held {
		return e.Number + ", kept for the trash"
	}
	return named(e.Number)
}

func holds(account, pkg uuid.UUID, numbers []string) string {
	if pkg == uuid.Nil && len(numbers) == 0 {
		return "nothing"
	}
	out := "no package"
	if pkg != uuid.Nil {
		out = model.PackageName(account, pkg)
	}
	if len(numbers) > 0 {
		out += " with " + strings.Join(numbers, ", ")
	}
	return out
}
