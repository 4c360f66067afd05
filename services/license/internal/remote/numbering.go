package remote

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	numberingv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/numbering/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
	"github.com/switchboard-phone/switchboard/services/license/internal/view"
)

// packagePage is how many packages are asked for at a time; an account has at most that many.
const packagePage = 1000

// Numbering implements provisioning.Numbering.
type Numbering struct {
	Assignments numberingv1.AssignmentServiceClient
	Packages    numberingv1.PackageServiceClient
}

// AssignPackages implements provisioning.Numbering.
func (n *Numbering) AssignPackages(ctx context.Context, account, pkg uuid.UUID, owners []uuid.UUID, numbers [][]string, validateOnly bool) ([]provisioning.Holding, error) {
	req := &numberingv1.AssignPackagesRequest{
		Parent: model.AccountName(account), Package: model.PackageName(account, pkg), ValidateOnly: validateOnly,
	}
	for i, owner := range owners {
		a := &numberingv1.Assignment{Owner: model.PhoneUserName(account, owner)}
		if numbers != nil {
			a.PhoneNumbers = numbers[i]
		}
		req.Assignments = append(req.Assignments, a)
	}
	res, err := n.Assignments.AssignPackages(ctx, req)
	if err != nil {
		return nil, err
	}
	return holdingsOf(res.GetAssignments(), len(owners))
}

func holdingsOf(assignments []*numberingv1.Assignment, want int) ([]provisioning.Holding, error) {
	if len(assignments) != want {
		return nil, fmt.Errorf("the numbering service answered %d assignments for %d owners", len(assignments), want)
	}
	out := make([]provisioning.Holding, want)
	for i, a := range assignments {
		h, err := holdingOf(a)
		if err != nil {
			return nil, err
		}
		out[i] = h
	}
	return out, nil
}

func holdingOf(a *numberingv1.Assignment) (provisioning.Holding, error) {
	h := provisioning.Holding{PackageState: a.GetPackageState(), PhoneNumbers: a.GetPhoneNumbers()}
	if a.GetPackage() == "" {
		return h, nil
	}
	var err error
	_, h.PackageID, err = model.ParsePackage(a.GetPackage())
	if err != nil {
		return h, fmt.Errorf("the numbering service answered package %q: %w", a.GetPackage(), err)
	}
	return h, nil
}

// AssignNumbers implements provisioning.Numbering.
func (n *Numbering) AssignNumbers(ctx context.Context, account, owner uuid.UUID, numbers []string) (provisioning.Holding, error) {
	res, err := n.Assignments.AssignNumbers(ctx, &numberingv1.AssignNumbersRequest{
		Parent: model.AccountName(account), Owner: model.PhoneUserName(account, owner), PhoneNumbers: numbers,
	})
	if err != nil {
		return provisioning.Holding{}, err
	}
	return holdingOf(res.GetAssignment())
}

// UnassignNumbers implements provisioning.Numbering.
func (n *Numbering) UnassignNumbers(ctx context.Context, account, owner uuid.UUID, numbers []string, quarantine time.Duration) (provisioning.Holding, error) {
	res, err := n.Assignments.UnassignNumbers(ctx, &numberingv1.UnassignNumbersRequest{
		Parent: model.AccountName(account), Owner: model.PhoneUserName(account, owner), PhoneNumbers: numbers,
		Quarantine: duration(quarantine),
	})
	if err != nil {
		return provisioning.Holding{}, err
	}
	return holdingOf(res.GetAssignment())
}

// Remove implements provisioning.Numbering.
func (n *Numbering) Remove(ctx context.Context, account uuid.UUID, owners []uuid.UUID, quarantine time.Duration) error {
	_, err := n.Assignments.RemoveAssignments(ctx, &numberingv1.RemoveAssignmentsRequest{
		Parent: model.AccountName(account), Owners: phoneUserNames(account, owners), Quarantine: duration(quarantine),
	})
	return err
}

// Restore implements provisioning.Numbering.
func (n *Numbering) Restore(ctx context.Context, account uuid.UUID, owners []uuid.UUID, wanted []provisioning.Holding, validateOnly bool) (restored, missing []provisioning.Holding, err error) {
	req := &numberingv1.RestoreAssignmentsRequest{Parent: model.AccountName(account), ValidateOnly: validateOnly}
	for i, owner := range owners {
		req.Wanted = append(req.Wanted, &numberingv1.Assignment{
			Owner: model.PhoneUserName(account, owner), Package: model.PackageName(account, wanted[i].PackageID),
			PhoneNumbers: wanted[i].PhoneNumbers,
		})
	}
	res, err := n.Assignments.RestoreAssignments(ctx, req)
	if err != nil {
		return nil, nil, err
	}
	if restored, err = holdingsOf(res.GetRestored(), len(owners)); err != nil {
		return nil, nil, err
	}
	missing, err = holdingsOf(res.GetMissing(), len(owners))
	return restored, missing, err
}

// PackageStates implements provisioning.Numbering.
func (n *Numbering) PackageStates(ctx context.Context, account uuid.UUID) (view.PackageStates, error) {
	all, err := listPackages(ctx, n.Packages, account)
	if err != nil {
		return nil, err
	}
	states := view.PackageStates{}
	for _, p := range all {
		_, id, err := model.ParsePackage(p.GetName())
		if err != nil {
			return nil, fmt.Errorf("the numbering service answered package %q: %w", p.GetName(), err)
		}
		states[id] = p.GetState()
	}
	return states, nil
}

// listPackages reads all packages of an account.
func listPackages(ctx context.Context, client numberingv1.PackageServiceClient, account uuid.UUID) ([]*numberingv1.Package, error) {
	var all []*numberingv1.Package
	req := &numberingv1.ListPackagesRequest{Parent: model.AccountName(account), PageSize: packagePage}
	for {
		res, err := client.ListPackages(ctx, req)
		if err != nil {
			return nil, err
		}
		all = append(all, res.GetPackages()...)
		if req.PageToken = res.GetNextPageToken(); req.PageToken == "" {
			return all, nil
		}
	}
}
