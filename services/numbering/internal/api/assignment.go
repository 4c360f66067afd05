package api

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	numberingv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/numbering/v1"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/books"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/keeper"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/names"
)

// AssignmentServer implements numberingv1.AssignmentServiceServer.
type AssignmentServer struct {
	numberingv1.UnimplementedAssignmentServiceServer

	keeper *keeper.Keeper
}

// NewAssignmentServer returns a server of assignments.
func NewAssignmentServer(k *keeper.Keeper) *AssignmentServer { return &AssignmentServer{keeper: k} }

// AssignPackages implements numberingv1.AssignmentServiceServer.
func (s *AssignmentServer) AssignPackages(ctx context.Context, req *numberingv1.AssignPackagesRequest) (*numberingv1.AssignPackagesResponse, error) {
	account, err := names.ParseAccount(req.GetParent())
	if err != nil {
		return nil, err
	}
	c := books.AssignPackage{}
	if c.Package, err = names.PackageOf(account, req.GetPackage()); err != nil {
		return nil, err
	}
	owners, err := readOwners(account, ownersOf(req.GetAssignments()), "assignments")
	if err != nil {
		return nil, err
	}
	if err := checkAssignments(owners, req.GetAssignments()); err != nil {
		return nil, err
	}
	for i, a := range req.GetAssignments() {
		c.Wants = append(c.Wants, books.Want{Owner: owners[i], Numbers: a.GetPhoneNumbers()})
	}
	out, err := s.carryOut(ctx, account, c, req.GetValidateOnly())
	if err != nil {
		return nil, refused(err, account, assignmentField)
	}
	return &numberingv1.AssignPackagesResponse{Assignments: assignmentMessages(account, out.Holdings)}, nil
}

// checkAssignments refuses owners that are named twice and numbers that are not such or are asked for by two owners.
func checkAssignments(owners []uuid.UUID, sent []*numberingv1.Assignment) error {
	twice, bad := each{reason: commonv1.Reason_DUPLICATE_IN_BATCH}, each{reason: commonv1.Reason_NUMBER_INVALID}
	seen, asked := map[uuid.UUID]bool{}, map[string]uuid.UUID{}
	for i, a := range sent {
		if seen[owners[i]] {
			twice.add(assignmentField(books.Item{Owner: i, Index: -1}), "the owner is named before", "", "")
		}
		seen[owners[i]] = true
		for j, n := range a.GetPhoneNumbers() {
			at := books.Item{Owner: i, Index: j}
			other, before := asked[n]
			switch {
			case !books.ValidNumber(n):
				bad.add(assignmentField(at), fmt.Sprintf("%q %s", n, notE164), "number", n)
			case before && other != owners[i]:
				twice.add(assignmentField(at), n+" is asked for by another owner before", "", "")
			}
			asked[n] = owners[i]
		}
	}
	if err := bad.Err(); err != nil {
		return err
	}
	return twice.Err()
}

// AssignNumbers implements numberingv1.AssignmentServiceServer.
func (s *AssignmentServer) AssignNumbers(ctx context.Context, req *numberingv1.AssignNumbersRequest) (*numberingv1.AssignNumbersResponse, error) {
	account, owner, err := readOwner(req.GetParent(), req.GetOwner())
	if err != nil {
		return nil, err
	}
	if err := checkNumbers(req.GetPhoneNumbers()); err != nil {
		return nil, err
	}
	c := books.AssignNumbers{Want: books.Want{Owner: owner, Numbers: req.GetPhoneNumbers()}}
	out, err := s.carryOut(ctx, account, c, req.GetValidateOnly())
	if err != nil {
		return nil, refused(err, account, numberField)
	}
	return &numberingv1.AssignNumbersResponse{Assignment: assignmentMessage(account, out.Holdings[0])}, nil
}

// UnassignNumbers implements numberingv1.AssignmentServiceServer.
func (s *AssignmentServer) UnassignNumbers(ctx context.Context, req *numberingv1.UnassignNumbersRequest) (*numberingv1.UnassignNumbersResponse, error) {
	account, owner, err := readOwner(req.GetParent(), req.GetOwner())
	if err != nil {
		return nil, err
	}
	c := books.UnassignNumbers{
		Want: books.Want{Owner: owner, Numbers: req.GetPhoneNumbers()}, Quarantine: req.GetQuarantine().AsDuration(),
	}
	out, err := s.keeper.Do(ctx, account, c)
	if err != nil {
		return nil, refused(err, account, numberField)
	}
	return &numberingv1.UnassignNumbersResponse{Assignment: assignmentMessage(account, out.Holdings[0])}, nil
}

// RemoveAssignments implements numberingv1.AssignmentServiceServer.
func (s *AssignmentServer) RemoveAssignments(ctx context.Context, req *numberingv1.RemoveAssignmentsRequest) (*numberingv1.RemoveAssignmentsResponse, error) {
	account, err := names.ParseAccount(req.GetParent())
	if err != nil {
		return nil, err
	}
	owners, err := readOwners(account, req.GetOwners(), "owners")
	if err != nil {
		return nil, err
	}
	out, err := s.keeper.Do(ctx, account, books.Remove{Owners: owners, Quarantine: req.GetQuarantine().AsDuration()})
	if err != nil {
		return nil, refused(err, account, assignmentField)
	}
	return &numberingv1.RemoveAssignmentsResponse{Removed: assignmentMessages(account, out.Holdings)}, nil
}

// RestoreAssignments implements numberingv1.AssignmentServiceServer.
func (s *AssignmentServer) RestoreAssignments(ctx context.Context, req *numberingv1.RestoreAssignmentsRequest) (*numberingv1.RestoreAssignmentsResponse, error) {
	account, err := names.ParseAccount(req.GetParent())
	if err != nil {
		return nil, err
	}
	owners, err := readOwners(account, ownersOf(req.GetWanted()), "wanted")
	if err != nil {
		return nil, err
	}
	c, bad := books.Restore{}, each{reason: commonv1.Reason_NOT_FOUND}
	for i, a := range req.GetWanted() {
		h := books.Holding{Owner: owners[i], Numbers: a.GetPhoneNumbers()}
		if a.GetPackage() != "" {
			if h.Package, err = names.PackageOf(account, a.GetPackage()); err != nil {
				bad.add(fmt.Sprintf("wanted[%d]", i), fmt.Sprintf("%.200q is not a package of the account", a.GetPackage()), "resource", a.GetPackage())
			}
		}
		c.Wanted = append(c.Wanted, h)
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	out, err := s.carryOut(ctx, account, c, req.GetValidateOnly())
	if err != nil {
		return nil, refused(err, account, assignmentField)
	}
	return &numberingv1.RestoreAssignmentsResponse{
		Restored: assignmentMessages(account, out.Holdings), Missing: assignmentMessages(account, out.Missing),
	}, nil
}

// BatchGetAssignments implements numberingv1.AssignmentServiceServer.
func (s *AssignmentServer) BatchGetAssignments(ctx context.Context, req *numberingv1.BatchGetAssignmentsRequest) (*numberingv1.BatchGetAssignmentsResponse, error) {
	account, err := names.ParseAccount(req.GetParent())
	if err != nil {
		return nil, err
	}
	owners, err := readOwners(account, req.GetOwners(), "owners")
	if err != nil {
		return nil, err
	}
	holdings, err := s.keeper.Read(ctx, account, owners)
	if err != nil {
		return nil, err
	}
	return &numberingv1.BatchGetAssignmentsResponse{Assignments: assignmentMessages(account, holdings)}, nil
}

// carryOut has a command carried out, or tried only.
func (s *AssignmentServer) carryOut(ctx context.Context, account uuid.UUID, c books.Command, validateOnly bool) (books.Outcome, error) {
	if validateOnly {
		return s.keeper.Preview(ctx, account, c)
	}
	return s.keeper.Do(ctx, account, c)
}

func ownersOf(assignments []*numberingv1.Assignment) []string {
	out := make([]string, len(assignments))
	for i, a := range assignments {
		out[i] = a.GetOwner()
	}
	return out
}

// readOwners reads the names of phone users of an account, which the request holds in the list of that name.
func readOwners(account uuid.UUID, sent []string, list string) ([]uuid.UUID, error) {
	out, bad := make([]uuid.UUID, len(sent)), each{reason: commonv1.Reason_NOT_FOUND}
	for i, name := range sent {
		var err error
		if out[i], err = names.PhoneUserOf(account, name); err != nil {
			bad.add(fmt.Sprintf("%s[%d]", list, i), fmt.Sprintf("%.200q is not a phone user of the account", name), "resource", name)
		}
	}
	return out, bad.Err()
}

func readOwner(parent, name string) (account, owner uuid.UUID, err error) {
	if account, err = names.ParseAccount(parent); err != nil {
		return account, owner, err
	}
	owner, err = names.PhoneUserOf(account, name)
	return account, owner, err
}

func assignmentMessages(account uuid.UUID, holdings []books.Holding) []*numberingv1.Assignment {
	out := make([]*numberingv1.Assignment, len(holdings))
	for i, h := range holdings {
		out[i] = assignmentMessage(account, h)
	}
	return out
}

func assignmentMessage(account uuid.UUID, h books.Holding) *numberingv1.Assignment {
	m := &numberingv1.Assignment{
		Owner: names.PhoneUser(account, h.Owner), Package: names.Package(account, h.Package), PhoneNumbers: h.Numbers,
	}
	if h.PackageState != "" {
		m.PackageState = packageState(h.PackageState).Enum()
	}
	return m
}
