package remote

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	extensionv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/extension/v1"
	notificationv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/notification/v1"
	numberingv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/numbering/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
)

// Books reads what the other services hold for whom. It implements provisioning.Books and doctor.Books.
type Books struct {
	Extensions    extensionv1.AllocationServiceClient
	Assignments   numberingv1.AssignmentServiceClient
	Notifications notificationv1.NotificationServiceClient
}

// ownersPage is how many owners are listed at a time.
const ownersPage = 1000

// HeldExtensions reads the extensions of owners; those without one are left out.
func (b *Books) HeldExtensions(ctx context.Context, account uuid.UUID, owners []uuid.UUID) (map[uuid.UUID]provisioning.HeldExtension, error) {
	res, err := b.Extensions.ListAllocations(ctx, &extensionv1.ListAllocationsRequest{
		Parent: model.AccountName(account), Owners: phoneUserNames(account, owners),
	})
	if err != nil {
		return nil, err
	}
	return heldExtensions(res.GetAllocations())
}

func heldExtensions(all []*extensionv1.HeldAllocation) (map[uuid.UUID]provisioning.HeldExtension, error) {
	held := make(map[uuid.UUID]provisioning.HeldExtension, len(all))
	for _, a := range all {
		_, id, err := model.ParsePhoneUser(a.GetOwner())
		if err != nil {
			return nil, fmt.Errorf("the extension service answered owner %q: %w", a.GetOwner(), err)
		}
		held[id] = provisioning.HeldExtension{Number: a.GetNumber(), Held: a.GetHeld()}
	}
	return held, nil
}

// Holdings reads what owners hold of the numbering service, in the order asked.
func (b *Books) Holdings(ctx context.Context, account uuid.UUID, owners []uuid.UUID) ([]provisioning.Holding, error) {
	res, err := b.Assignments.BatchGetAssignments(ctx, &numberingv1.BatchGetAssignmentsRequest{
		Parent: model.AccountName(account), Owners: phoneUserNames(account, owners),
	})
	if err != nil {
		return nil, err
	}
	return holdingsOf(res.GetAssignments(), len(owners))
}

// Told says which phone users there is any message to.
func (b *Books) Told(ctx context.Context, account uuid.UUID, phoneUsers []uuid.UUID) (map[uuid.UUID]bool, error) {
	res, err := b.Notifications.BatchGetTold(ctx, &notificationv1.BatchGetToldRequest{
		Parent: model.AccountName(account), PhoneUsers: phoneUserNames(account, phoneUsers),
	})
	if err != nil {
		return nil, err
	}
	ids, err := parseOwners(res.GetPhoneUsers())
	told := make(map[uuid.UUID]bool, len(ids))
	for _, id := range ids {
		told[id] = true
	}
	return told, err
}

// ExtensionOwners lists a page of those who have an extension, and the token of the next page.
func (b *Books) ExtensionOwners(ctx context.Context, account uuid.UUID, token string) ([]uuid.UUID, string, error) {
	res, err := b.Extensions.ListAllocations(ctx, &extensionv1.ListAllocationsRequest{
		Parent: model.AccountName(account), PageSize: ownersPage, PageToken: token,
	})
	if err != nil {
		return nil, "", err
	}
	names := make([]string, len(res.GetAllocations()))
	for i, a := range res.GetAllocations() {
		names[i] = a.GetOwner()
	}
	ids, err := parseOwners(names)
	return ids, res.GetNextPageToken(), err
}

// AssignmentOwners lists a page of those who hold a package or a number, and the token of the next page.
func (b *Books) AssignmentOwners(ctx context.Context, account uuid.UUID, token string) ([]uuid.UUID, string, error) {
	res, err := b.Assignments.ListOwners(ctx, &numberingv1.ListOwnersRequest{
		Parent: model.AccountName(account), PageSize: ownersPage, PageToken: token,
	})
	if err != nil {
		return nil, "", err
	}
	ids, err := parseOwners(res.GetOwners())
	return ids, res.GetNextPageToken(), err
}

// PackageSeats finds packages whose count of assigned seats is wrong, and sets it right where repair says so.
func (b *Books) PackageSeats(ctx context.Context, account uuid.UUID, repair bool) ([]*numberingv1.AuditSeatsResponse_Discrepancy, error) {
	res, err := b.Assignments.AuditSeats(ctx, &numberingv1.AuditSeatsRequest{Parent: model.AccountName(account), Repair: repair})
	return res.GetDiscrepancies(), err
}

func parseOwners(names []string) ([]uuid.UUID, error) {
	ids := make([]uuid.UUID, len(names))
	for i, name := range names {
		var err error
		if _, ids[i], err = model.ParsePhoneUser(name); err != nil {
			return nil, fmt.Errorf("another service answered owner %q: %w", name, err)
		}
	}
	return ids, nil
}
