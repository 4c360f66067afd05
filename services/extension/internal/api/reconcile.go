package api

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	extensionv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/extension/v1"
	"github.com/switchboard-phone/switchboard/services/extension/internal/names"
	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/paging"
)

type reconciliation struct {
	extensionv1.UnimplementedReconciliationServiceServer
	Deps
}

// BeginReconciliation implements extensionv1.ReconciliationServiceServer.
func (s *reconciliation) BeginReconciliation(ctx context.Context, req *extensionv1.BeginReconciliationRequest) (*extensionv1.BeginReconciliationResponse, error) {
	if err := req.GetMinInterval().CheckValid(); req.GetMinInterval() != nil && err != nil {
		return nil, fieldInvalid("min_interval", "it is not a duration")
	}
	round, err := s.Book.BeginRound(ctx, req.GetMinInterval().AsDuration())
	if err != nil {
		return nil, err
	}
	return &extensionv1.BeginReconciliationResponse{Round: round}, nil
}

// ownerKey is the sort key of owners.
type ownerKey struct {
	Account uuid.UUID     `json:"a"`
	Number  number.Number `json:"n"`
}

// ListExtensionOwners implements extensionv1.ReconciliationServiceServer.
func (s *reconciliation) ListExtensionOwners(ctx context.Context, req *extensionv1.ListExtensionOwnersRequest) (*extensionv1.ListExtensionOwnersResponse, error) {
	page, err := paging.Parse[ownerKey](req)
	if err != nil {
		return nil, err
	}
	from := page.From()
	found, err := s.Book.ListOwned(ctx, from.Account, from.Number, page.Limit())
	if err != nil {
		return nil, err
	}
	items, next, err := paging.Cut(page, found, func(o store.Owned) ownerKey { return ownerKey{o.Account, o.Number} })
	if err != nil {
		return nil, err
	}
	return &extensionv1.ListExtensionOwnersResponse{Owners: toOwners(items), NextPageToken: next}, nil
}

// ReportMissingOwners implements extensionv1.ReconciliationServiceServer.
func (s *reconciliation) ReportMissingOwners(ctx context.Context, req *extensionv1.ReportMissingOwnersRequest) (*extensionv1.ReportMissingOwnersResponse, error) {
	if req.GetRound() == 0 && !req.GetDryRun() {
		return nil, fieldInvalid("round", "it is the one from BeginReconciliation")
	}
	missing := make([]store.Owned, len(req.GetMissing()))
	for i, m := range req.GetMissing() {
		var err error
		if missing[i], err = parseOwned(fmt.Sprintf("missing[%d]", i), m); err != nil {
			return nil, err
		}
	}
	suspects, err := s.Book.ReportMissing(ctx, req.GetRound(), missing, req.GetDryRun())
	if err != nil {
		return nil, err
	}
	out := make([]*extensionv1.ExtensionOwner, len(suspects))
	for i, p := range suspects {
		out[i] = toOwner(p.Owned)
		out[i].Rounds = int32(p.Rounds)
	}
	return &extensionv1.ReportMissingOwnersResponse{Missing: out}, nil
}

// FinishReconciliation implements extensionv1.ReconciliationServiceServer.
func (s *reconciliation) FinishReconciliation(ctx context.Context, req *extensionv1.FinishReconciliationRequest) (*extensionv1.FinishReconciliationResponse, error) {
	released, err := s.Book.ReleaseMissing(ctx, req.GetRound())
	if err != nil {
		return nil, err
	}
	return &extensionv1.FinishReconciliationResponse{Released: toOwners(released)}, nil
}

// A revision is the update time to the microsecond, which is what the databases keep.
const revisionFormat = "2006-01-02T15:04:05.000000Z"

func toOwner(o store.Owned) *extensionv1.ExtensionOwner {
	return &extensionv1.ExtensionOwner{
		Owner: names.PhoneUser(o.Account, o.Owner), Number: o.Number.String(), Revision: o.UpdateTime.UTC().Format(revisionFormat),
	}
}

func toOwners(all []store.Owned) []*extensionv1.ExtensionOwner {
	out := make([]*extensionv1.ExtensionOwner, len(all))
	for i, o := range all {
		out[i] = toOwner(o)
	}
	return out
}

func parseOwned(field string, m *extensionv1.ExtensionOwner) (store.Owned, error) {
	var o store.Owned
	var err error
	if o.Account, o.Owner, err = names.ParsePhoneUser(m.GetOwner()); err != nil {
		return o, fieldInvalid(field+".owner", "it is not the name of a phone user")
	}
	if o.Number, err = number.Parse(m.GetNumber()); err != nil {
		return o, fieldInvalid(field+".number", err.Error())
	}
	if o.UpdateTime, err = time.Parse(revisionFormat, m.GetRevision()); err != nil {
		return o, fieldInvalid(field+".revision", "it is not a revision")
	}
	return o, nil
}
