// Package remote speaks to the other services over gRPC, for package provisioning.
package remote

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"

	extensionv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/extension/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
)

// Extensions implements provisioning.Extensions.
type Extensions struct {
	Client extensionv1.AllocationServiceClient
}

// Allocate implements provisioning.Extensions.
func (x *Extensions) Allocate(ctx context.Context, account, site uuid.UUID, owners []uuid.UUID, wishes []string, validateOnly bool) ([]string, error) {
	req := &extensionv1.AllocateExtensionsRequest{Site: model.SiteName(account, site), ValidateOnly: validateOnly}
	for i, owner := range owners {
		a := &extensionv1.Allocation{Owner: model.PhoneUserName(account, owner)}
		if wishes != nil {
			a.Number = wishes[i]
		}
		req.Allocations = append(req.Allocations, a)
	}
	res, err := x.Client.AllocateExtensions(ctx, req)
	if err != nil {
		return nil, err
	}
	return numbersOf(res.GetAllocations(), len(owners))
}

func numbersOf(allocations []*extensionv1.Allocation, want int) ([]string, error) {
	if len(allocations) != want {
		return nil, fmt.Errorf("the extension service answered %d allocations for %d owners", len(allocations), want)
	}
	numbers := make([]string, want)
	for i, a := range allocations {
		numbers[i] = a.GetNumber()
	}
	return numbers, nil
}

// Swap implements provisioning.Extensions.
func (x *Extensions) Swap(ctx context.Context, account, site, owner uuid.UUID, number string, quarantine time.Duration) (string, error) {
	res, err := x.Client.SwapExtension(ctx, &extensionv1.SwapExtensionRequest{
		Site: model.SiteName(account, site), Owner: model.PhoneUserName(account, owner), Number: number, Quarantine: duration(quarantine),
	})
	return res.GetNumber(), err
}

// Release implements provisioning.Extensions.
func (x *Extensions) Release(ctx context.Context, account uuid.UUID, owners []uuid.UUID, quarantine time.Duration) error {
	_, err := x.Client.ReleaseExtensions(ctx, &extensionv1.ReleaseExtensionsRequest{
		Parent: model.AccountName(account), Owners: phoneUserNames(account, owners), Quarantine: duration(quarantine),
	})
	return err
}

// Hold implements provisioning.Extensions.
func (x *Extensions) Hold(ctx context.Context, account uuid.UUID, owners []uuid.UUID) error {
	_, err := x.Client.HoldExtensions(ctx, &extensionv1.HoldExtensionsRequest{
		Parent: model.AccountName(account), Owners: phoneUserNames(account, owners),
	})
	return err
}

// Reclaim implements provisioning.Extensions.
func (x *Extensions) Reclaim(ctx context.Context, account uuid.UUID, owners []uuid.UUID) ([]string, error) {
	res, err := x.Client.ReclaimExtensions(ctx, &extensionv1.ReclaimExtensionsRequest{
		Parent: model.AccountName(account), Owners: phoneUserNames(account, owners),
	})
	if err != nil {
		return nil, err
	}
	return numbersOf(res.GetAllocations(), len(owners))
}

func phoneUserNames(account uuid.UUID, ids []uuid.UUID) []string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = model.PhoneUserName(account, id)
	}
	return names
}

// duration leaves zero out.
func duration(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}
