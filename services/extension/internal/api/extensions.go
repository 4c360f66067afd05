package api

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	extensionv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/extension/v1"
	"github.com/switchboard-phone/switchboard/services/extension/internal/book"
	"github.com/switchboard-phone/switchboard/services/extension/internal/names"
	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/filter"
	"github.com/switchboard-phone/switchboard/services/platform/paging"
)

// after is the sort key of lists whose items are in the order of numbers.
type after struct {
	Number number.Number `json:"n"`
}

// filterFields are what the extensions of an account can be filtered by.
func filterFields(account uuid.UUID) *filter.Schema {
	return filter.New(map[string]filter.Field{
		store.FilterState: filter.Enum(extensionv1.Extension_STATE_UNSPECIFIED.Descriptor()),
		store.FilterHolder: filter.Name("accounts/a/phoneUsers/p", func(name string) (any, error) {
			of, owner, err := names.ParsePhoneUser(name)
			switch {
			case err != nil:
				return nil, errors.New("it is not the name of a phone user")
			case of != account:
				return nil, filter.ErrNoMatch
			}
			return owner, nil
		}).Optional(),
	})
}

// ListExtensions implements extensionv1.ExtensionServiceServer.
func (s *extensions) ListExtensions(ctx context.Context, req *extensionv1.ListExtensionsRequest) (*extensionv1.ListExtensionsResponse, error) {
	account, err := names.ParseAccount(req.GetParent())
	if err != nil {
		return nil, err
	}
	f, err := filterFields(account).Parse(req.GetFilter())
	if err != nil {
		return nil, err
	}
	page, err := paging.Parse[after](req)
	if err != nil {
		return nil, err
	}
	found, err := s.Book.List(ctx, account, store.List{After: page.From().Number, Limit: page.Limit(), Filter: f})
	if err != nil {
		return nil, err
	}
	items, next, err := paging.Cut(page, found, func(e book.Entry) after { return after{e.Number} })
	if err != nil {
		return nil, err
	}
	return &extensionv1.ListExtensionsResponse{Extensions: toExtensions(account, items), NextPageToken: next}, nil
}

// CheckExtensions implements extensionv1.ExtensionServiceServer.
func (s *extensions) CheckExtensions(ctx context.Context, req *extensionv1.CheckExtensionsRequest) (*extensionv1.CheckExtensionsResponse, error) {
	account, err := names.ParseAccount(req.GetParent())
	if err != nil {
		return nil, err
	}
	var site uuid.UUID
	if req.GetSite() != "" {
		of, id, err := names.ParseSite(req.GetSite())
		if err != nil {
			return nil, err
		}
		if of != account {
			return nil, fieldInvalid("site", "it is a site of another account")
		}
		site = id
	}
	entries, err := s.Book.Check(ctx, account, site, req.GetNumbers())
	if err != nil {
		return nil, err
	}
	return &extensionv1.CheckExtensionsResponse{Extensions: toExtensions(account, entries)}, nil
}

// ReserveExtensions implements extensionv1.ExtensionServiceServer.
func (s *extensions) ReserveExtensions(ctx context.Context, req *extensionv1.ReserveExtensionsRequest) (*extensionv1.ReserveExtensionsResponse, error) {
	account, err := names.ParseAccount(req.GetParent())
	if err != nil {
		return nil, err
	}
	entries, err := s.Book.Reserve(ctx, account, req.GetNumbers())
	if err != nil {
		return nil, err
	}
	return &extensionv1.ReserveExtensionsResponse{Extensions: toExtensions(account, entries)}, nil
}

// UnreserveExtensions implements extensionv1.ExtensionServiceServer.
func (s *extensions) UnreserveExtensions(ctx context.Context, req *extensionv1.UnreserveExtensionsRequest) (*extensionv1.UnreserveExtensionsResponse, error) {
	account, err := names.ParseAccount(req.GetParent())
	if err != nil {
		return nil, err
	}
	entries, err := s.Book.Unreserve(ctx, account, req.GetNumbers())
	if err != nil {
		return nil, err
	}
	return &extensionv1.UnreserveExtensionsResponse{Extensions: toExtensions(account, entries)}, nil
}

func toExtensions(account uuid.UUID, entries []book.Entry) []*extensionv1.Extension {
	out := make([]*extensionv1.Extension, len(entries))
	for i, e := range entries {
		ext := &extensionv1.Extension{
			Number: e.Text, State: extensionv1.Extension_State(extensionv1.Extension_State_value[string(e.State)]),
		}
		if e.Owner != uuid.Nil {
			ext.Holder = names.PhoneUser(account, e.Owner)
		}
		if !e.QuarantineUntil.IsZero() {
			ext.QuarantineTime = timestamppb.New(e.QuarantineUntil)
		}
		if e.Site != uuid.Nil {
			ext.Site = names.Site(account, e.Site)
		}
		out[i] = ext
	}
	return out
}
