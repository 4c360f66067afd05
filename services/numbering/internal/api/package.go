// Package api answers the calls of the numbering service: it reads requests, has the books changed or read, and writes answers.
package api

import (
	"context"
	"fmt"
	"strconv"

	"github.com/google/uuid"
	"go.einride.tech/aip/fieldmask"
	"google.golang.org/protobuf/types/known/timestamppb"

	numberingv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/numbering/v1"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/books"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/names"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/paging"
)

// PackageServer implements numberingv1.PackageServiceServer.
type PackageServer struct {
	numberingv1.UnimplementedPackageServiceServer

	store store.Store
	clock clock.Clock
}

// NewPackageServer returns a server of packages.
func NewPackageServer(st store.Store, clk clock.Clock) *PackageServer {
	return &PackageServer{store: st, clock: clk}
}

// CreatePackage implements numberingv1.PackageServiceServer.
func (s *PackageServer) CreatePackage(ctx context.Context, req *numberingv1.CreatePackageRequest) (*numberingv1.Package, error) {
	account, err := names.ParseAccount(req.GetParent())
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make an id: %w", err)
	}
	p := books.Package{ID: id, State: books.Active, Revision: 1, CreateTime: now(s.clock)}
	if err := readPackage(&p, req.GetPackage()); err != nil {
		return nil, err
	}
	if err := s.store.CreatePackage(ctx, account, p); err != nil {
		return nil, refused(err, account, numberField)
	}
	return packageMessage(account, p), nil
}

// readPackage takes over what an administrator may set.
func readPackage(p *books.Package, sent *numberingv1.Package) error {
	var ok bool
	if p.DisplayName, ok = books.CleanText(sent.GetDisplayName()); !ok || books.FoldName(p.DisplayName) == "" {
		return invalid("package.display_name", "must not be empty and must not contain control characters")
	}
	if p.Kind, ok = books.CleanText(sent.GetKind()); !ok {
		return invalid("package.kind", "must not contain control characters")
	}
	p.Seats = int64(sent.GetSeats())
	return nil
}

// ListPackages implements numberingv1.PackageServiceServer.
func (s *PackageServer) ListPackages(ctx context.Context, req *numberingv1.ListPackagesRequest) (*numberingv1.ListPackagesResponse, error) {
	account, err := names.ParseAccount(req.GetParent())
	if err != nil {
		return nil, err
	}
	// Folded names are distinct in an account, so that one is a place in the list.
	page, err := paging.Parse[string](req)
	if err != nil {
		return nil, err
	}
	found, err := s.store.ListPackages(ctx, account, page.From(), page.Limit())
	if err != nil {
		return nil, err
	}
	found, next, err := paging.Cut(page, found, func(p books.Package) string { return books.FoldName(p.DisplayName) })
	if err != nil {
		return nil, err
	}
	answer := &numberingv1.ListPackagesResponse{NextPageToken: next}
	for _, p := range found {
		answer.Packages = append(answer.Packages, packageMessage(account, p))
	}
	return answer, nil
}

// GetPackage implements numberingv1.PackageServiceServer.
func (s *PackageServer) GetPackage(ctx context.Context, req *numberingv1.GetPackageRequest) (*numberingv1.Package, error) {
	account, id, err := names.ParsePackage(req.GetName())
	if err != nil {
		return nil, err
	}
	p, err := s.store.GetPackage(ctx, account, id)
	if err != nil {
		return nil, refused(err, account, numberField)
	}
	return packageMessage(account, p), nil
}

// UpdatePackage implements numberingv1.PackageServiceServer.
func (s *PackageServer) UpdatePackage(ctx context.Context, req *numberingv1.UpdatePackageRequest) (*numberingv1.Package, error) {
	sent := req.GetPackage()
	if err := fieldmask.Validate(req.GetUpdateMask(), sent); err != nil {
		return nil, invalid("update_mask", "names a field that a package does not have")
	}
	return s.update(ctx, sent.GetName(), func(account uuid.UUID, p *books.Package) error {
		if sent.GetEtag() != "" && sent.GetEtag() != etag(p.Revision) {
			return &books.RefusalError{Kind: books.RevisionMismatch, Revision: p.Revision}
		}
		// Whatever else the mask names is output only and stays as it is.
		merged := packageMessage(account, *p)
		fieldmask.Update(req.GetUpdateMask(), merged, sent)
		return readPackage(p, merged)
	})
}

// ActivatePackage implements numberingv1.PackageServiceServer.
func (s *PackageServer) ActivatePackage(ctx context.Context, req *numberingv1.ActivatePackageRequest) (*numberingv1.Package, error) {
	return s.setState(ctx, req.GetName(), books.Active)
}

// DeactivatePackage implements numberingv1.PackageServiceServer.
func (s *PackageServer) DeactivatePackage(ctx context.Context, req *numberingv1.DeactivatePackageRequest) (*numberingv1.Package, error) {
	return s.setState(ctx, req.GetName(), books.Inactive)
}

func (s *PackageServer) setState(ctx context.Context, name string, state books.State) (*numberingv1.Package, error) {
	return s.update(ctx, name, func(_ uuid.UUID, p *books.Package) error {
		p.State = state
		return nil
	})
}

func (s *PackageServer) update(ctx context.Context, name string, change func(account uuid.UUID, p *books.Package) error) (*numberingv1.Package, error) {
	account, id, err := names.ParsePackage(name)
	if err != nil {
		return nil, err
	}
	p, err := s.store.UpdatePackage(ctx, account, id, func(p *books.Package) error { return change(account, p) })
	if err != nil {
		return nil, refused(err, account, numberField)
	}
	return packageMessage(account, p), nil
}

func packageMessage(account uuid.UUID, p books.Package) *numberingv1.Package {
	return &numberingv1.Package{
		Name: names.Package(account, p.ID), DisplayName: p.DisplayName, Kind: p.Kind,
		Seats: int32(p.Seats), Assigned: int32(p.Assigned), // both at most 10,000,000
		State: packageState(p.State), CreateTime: timestamppb.New(p.CreateTime), Etag: etag(p.Revision),
	}
}

func packageState(s books.State) numberingv1.Package_State {
	return numberingv1.Package_State(numberingv1.Package_State_value[string(s)])
}

// etag renders a revision in the quoted form of HTTP entity tags (RFC 9110).
func etag(revision int64) string { return `"` + strconv.FormatInt(revision, 36) + `"` }
