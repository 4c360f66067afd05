package remote

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	extensionv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/extension/v1"
	numberingv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/numbering/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/importing"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// Catalogue implements importing.Catalogue.
type Catalogue struct {
	PackageClient numberingv1.PackageServiceClient
	Ranges        extensionv1.ExtensionRangeServiceClient
	Extensions    extensionv1.ExtensionServiceClient
}

// Packages implements importing.Catalogue.
func (c *Catalogue) Packages(ctx context.Context, account uuid.UUID) ([]importing.Package, error) {
	all, err := listPackages(ctx, c.PackageClient, account)
	if err != nil {
		return nil, err
	}
	out := make([]importing.Package, len(all))
	for i, p := range all {
		_, id, err := model.ParsePackage(p.GetName())
		if err != nil {
			return nil, fmt.Errorf("the numbering service answered package %q: %w", p.GetName(), err)
		}
		out[i] = importing.Package{
			ID: id, DisplayName: p.GetDisplayName(), Active: p.GetState() == numberingv1.Package_ACTIVE,
			Seats: int(p.GetSeats()), Assigned: int(p.GetAssigned()),
		}
	}
	return out, nil
}

// FreeExtensions implements importing.Catalogue.
func (c *Catalogue) FreeExtensions(ctx context.Context, account, site uuid.UUID) (int, error) {
	free := int64(0)
	req := &extensionv1.ListExtensionRangesRequest{Parent: model.SiteName(account, site), PageSize: packagePage}
	for {
		res, err := c.Ranges.ListExtensionRanges(ctx, req)
		if err != nil {
			return 0, err
		}
		for _, r := range res.GetExtensionRanges() {
			free += r.GetSize() - r.GetUsed()
		}
		if req.PageToken = res.GetNextPageToken(); req.PageToken == "" {
			return int(free), nil
		}
	}
}

// CheckExtensions implements importing.Catalogue.
func (c *Catalogue) CheckExtensions(ctx context.Context, account, site uuid.UUID, numbers []string) ([]error, error) {
	res, err := c.Extensions.CheckExtensions(ctx, &extensionv1.CheckExtensionsRequest{
		Parent: model.AccountName(account), Site: model.SiteName(account, site), Numbers: numbers,
	})
	if err != nil {
		return nil, err
	}
	if len(res.GetExtensions()) != len(numbers) {
		return nil, fmt.Errorf("the extension service answered %d of %d numbers", len(res.GetExtensions()), len(numbers))
	}
	out := make([]error, len(numbers))
	for i, x := range res.GetExtensions() {
		out[i] = refusalOf(x, model.SiteName(account, site))
	}
	return out, nil
}

// refusalOf is what giving the number out would be refused with; nil for a free one.
func refusalOf(x *extensionv1.Extension, site string) error {
	n := x.GetNumber()
	switch x.GetState() {
	case extensionv1.Extension_FREE, extensionv1.Extension_DUPLICATE_IN_LIST: // whose first mention speaks for it
		return nil
	case extensionv1.Extension_INVALID:
		return errs.New(commonv1.Reason_EXTENSION_INVALID, "%.32q is not an extension number: it takes 2 to 10 digits", n).With("number", n)
	case extensionv1.Extension_OUT_OF_RANGE:
		return errs.New(commonv1.Reason_EXTENSION_OUT_OF_RANGE, "the number %s is in no extension range of the site", n).
			With("number", n).With("site", site)
	case extensionv1.Extension_RESERVED:
		return errs.New(commonv1.Reason_EXTENSION_RESERVED, "the number %s is reserved and cannot be given out", n).With("number", n)
	}
	if until := x.GetQuarantineTime(); until != nil {
		return errs.New(commonv1.Reason_EXTENSION_IN_USE, "the number %s was given back and is kept out of use until %s", n, until.AsTime().Format(time.RFC3339)).
			With("number", n).With("quarantine_time", until.AsTime().Format(time.RFC3339Nano))
	}
	return errs.New(commonv1.Reason_EXTENSION_IN_USE, "the number %s is in use", n).With("number", n).With("holder", x.GetHolder())
}
