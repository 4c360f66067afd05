package api

import (
	"context"
	"slices"

	"github.com/google/uuid"
	"go.einride.tech/aip/ordering"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	numberingv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/numbering/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/view"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/paging"
)

// PackageStates says which packages are active.
type PackageStates interface {
	// PackageStates returns the states of all packages of an account.
	PackageStates(ctx context.Context, account uuid.UUID) (view.PackageStates, error)
}

// PhoneUserReader serves the methods of licensev1.PhoneUserService that read.
type PhoneUserReader struct {
	store    store.PhoneUserReader
	packages PackageStates
}

// NewPhoneUserReader returns a PhoneUserReader that asks packages for the states of packages: at most once per call, and not at all
// where the answer needs none.
func NewPhoneUserReader(st store.PhoneUserReader, packages PackageStates) *PhoneUserReader {
	return &PhoneUserReader{store: st, packages: packages}
}

// GetPhoneUser implements licensev1.PhoneUserServiceServer.
func (r *PhoneUserReader) GetPhoneUser(ctx context.Context, req *licensev1.GetPhoneUserRequest) (*licensev1.PhoneUser, error) {
	account, id, err := model.ParsePhoneUser(req.GetName())
	if err != nil {
		return nil, orDenied(ctx, err)
	}
	if _, err := requireOwnPhoneUser(ctx, r.store, account, id); err != nil {
		return nil, err
	}
	p, err := r.store.GetPhoneUser(ctx, account, id)
	if err != nil {
		return nil, err
	}
	states, err := r.statesFor(ctx, account, []model.PhoneUser{p}, nil)
	if err != nil {
		return nil, err
	}
	return view.PhoneUser(&p, states), nil
}

// statesFor returns known, or asks where it is nil and one of the phone users holds a package.
func (r *PhoneUserReader) statesFor(ctx context.Context, account uuid.UUID, ps []model.PhoneUser, known view.PackageStates) (view.PackageStates, error) {
	if known != nil || !slices.ContainsFunc(ps, func(p model.PhoneUser) bool { return p.PackageID != uuid.Nil }) {
		return known, nil
	}
	return r.packages.PackageStates(ctx, account)
}

// ListPhoneUsers implements licensev1.PhoneUserServiceServer.
func (r *PhoneUserReader) ListPhoneUsers(ctx context.Context, req *licensev1.ListPhoneUsersRequest) (*licensev1.ListPhoneUsersResponse, error) {
	account, err := model.ParseAccount(req.GetParent())
	if err != nil {
		return nil, err
	}
	page, err := paging.Parse[counted[store.PhoneUserCursor]](req)
	if err != nil {
		return nil, err
	}
	q, states, err := r.query(ctx, account, req)
	if err != nil {
		return nil, err
	}
	q.Limit = page.Limit()
	found, total, err := readCounted(ctx, page, func(ctx context.Context, after *store.PhoneUserCursor) ([]model.PhoneUser, error) {
		q := q
		q.After = after
		return r.store.ListPhoneUsers(ctx, account, q)
	}, func(ctx context.Context) (int, error) { return r.store.CountPhoneUsers(ctx, account, q) })
	if err != nil {
		return nil, err
	}
	found, next, err := paging.Cut(page, found, func(p model.PhoneUser) counted[store.PhoneUserCursor] {
		return counted[store.PhoneUserCursor]{At: store.PhoneUserAfter(&p, q.Order), Total: total}
	})
	if err != nil {
		return nil, err
	}
	if states, err = r.statesFor(ctx, account, found, states); err != nil {
		return nil, err
	}
	return &licensev1.ListPhoneUsersResponse{
		PhoneUsers: view.PhoneUsers(found, states), NextPageToken: next, TotalSize: totalSize(total),
	}, nil
}

// query reads what a list is narrowed and ordered by. The package states are returned if the filter needed them.
func (r *PhoneUserReader) query(ctx context.Context, account uuid.UUID, req *licensev1.ListPhoneUsersRequest) (store.PhoneUserQuery, view.PackageStates, error) {
	q := store.PhoneUserQuery{Words: model.QueryWords(req.GetQuery())}
	var err error
	if q.Order, q.Descending, err = readOrder(req); err != nil {
		return q, nil, err
	}
	if q.Filter, err = store.PhoneUserFilter(account).Parse(req.GetFilter()); err != nil {
		return q, nil, err
	}
	fields := q.Filter.Fields()
	q.States = listedStates(slices.Contains(fields, "state"), req.GetShowDeleted())
	if !slices.Contains(fields, "packageState") {
		return q, nil, nil
	}
	states, err := r.packages.PackageStates(ctx, account)
	for id, state := range states {
		if state == numberingv1.Package_INACTIVE {
			q.InactivePackages = append(q.InactivePackages, id)
		}
	}
	return q, states, err
}

// listedStates are the states that a list shows: those that hold a seat and are in service or on their way there. Invited people
// are shown when the filter speaks of states, trashed ones when asked for.
func listedStates(byState, deleted bool) []model.State {
	states := []model.State{model.StateActive, model.StateProvisioning}
	if byState {
		states = append(states, model.StatePending)
	}
	if deleted {
		states = append(states, model.StateTrashed)
	}
	return states
}

// readOrder reads order_by.
func readOrder(req *licensev1.ListPhoneUsersRequest) (store.PhoneUserOrder, bool, error) {
	order, err := ordering.ParseOrderBy(req)
	switch {
	case err == nil && len(order.Fields) == 0:
		return store.ByDisplayName, false, nil
	case err == nil && len(order.Fields) == 1:
		field := order.Fields[0]
		switch field.Path {
		case "displayName", "display_name":
			return store.ByDisplayName, field.Desc, nil
		case "extensionNumber", "extension_number":
			return store.ByExtension, field.Desc, nil
		case "createTime", "create_time":
			return store.ByCreateTime, field.Desc, nil
		}
	}
	return 0, false, errs.New(commonv1.Reason_FIELD_INVALID,
		"order_by takes one of displayName, extensionNumber and createTime, with \" desc\" behind it for descending").
		Violation("order_by", "is not one of the orders there are").Wrap(err)
}

// GetPhoneUser implements licensev1.PhoneUserServiceServer.
func (s *PhoneUserServer) GetPhoneUser(ctx context.Context, req *licensev1.GetPhoneUserRequest) (*licensev1.PhoneUser, error) {
	return s.PhoneUserReader.GetPhoneUser(ctx, req)
}

// ListPhoneUsers implements licensev1.PhoneUserServiceServer.
func (s *PhoneUserServer) ListPhoneUsers(ctx context.Context, req *licensev1.ListPhoneUsersRequest) (*licensev1.ListPhoneUsersResponse, error) {
	return s.PhoneUserReader.ListPhoneUsers(ctx, req)
}

var _ licensev1.PhoneUserServiceServer = (*PhoneUserServer)(nil)
