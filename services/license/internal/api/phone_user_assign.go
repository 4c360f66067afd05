package api

import (
	"context"

	"github.com/google/uuid"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// BatchAssign implements licensev1.PhoneUserServiceServer.
func (s *PhoneUserServer) BatchAssign(ctx context.Context, req *licensev1.BatchAssignRequest) (*licensev1.BatchAssignResponse, error) {
	account, err := model.ParseAccount(req.GetParent())
	if err != nil {
		return nil, err
	}
	if err := checkBatch(req.GetAssignees(), s.maxBatch, "assignees"); err != nil {
		return nil, err
	}
	hash, err := hashRequest(req, &req.RequestId)
	if err != nil {
		return nil, err
	}
	a, err := s.resolveAssignment(ctx, account, req)
	if err != nil {
		answer := &licensev1.BatchAssignResponse{}
		return answer, replayOr(ctx, s.engine, account, req.GetRequestId(), hash, answer, err)
	}
	a.RequestID, a.BodyHash = req.GetRequestId(), hash
	if req.GetValidateOnly() {
		t := provisioning.Targets{Account: account, RequestID: a.RequestID, BodyHash: hash}
		return preview(ctx, s.engine, t, func(ctx context.Context, _ provisioning.Targets) (*licensev1.BatchAssignResponse, error) {
			return s.engine.PreviewAssign(ctx, *a)
		})
	}
	return s.engine.Assign(ctx, *a)
}

// resolveAssignment finds what the request names, or refuses.
func (s *PhoneUserServer) resolveAssignment(ctx context.Context, account uuid.UUID, req *licensev1.BatchAssignRequest) (*provisioning.Assignment, error) {
	a := &provisioning.Assignment{Account: account, Caller: callerOf(ctx)}
	var err error
	if a.SiteID, err = s.resolveSite(ctx, account, req.GetSite()); err != nil {
		return nil, err
	}
	if a.PackageID, err = optionalChild(account, req.GetPackage(), model.ParsePackage); err != nil {
		return nil, err
	}
	settings, err := s.resolveTemplate(ctx, account, a.SiteID, req.GetTemplate())
	if err != nil {
		return nil, err
	}
	if a.Assignees, err = s.resolveAssignees(ctx, account, req.GetAssignees()); err != nil {
		return nil, err
	}
	for i := range a.Assignees {
		a.Assignees[i].Settings = settings
	}
	return a, nil
}

// resolveSite returns the site named, or the only one there is.
func (s *PhoneUserServer) resolveSite(ctx context.Context, account uuid.UUID, name string) (uuid.UUID, error) {
	id, err := optionalChild(account, name, model.ParseSite)
	if err != nil {
		return uuid.Nil, err
	}
	return s.store.ResolveSite(ctx, account, id)
}

func (s *PhoneUserServer) resolveTemplate(ctx context.Context, account, site uuid.UUID, name string) (*licensev1.Settings, error) {
	id, err := optionalChild(account, name, model.ParseTemplate)
	if err != nil || id == uuid.Nil {
		return &licensev1.Settings{}, err
	}
	t, err := s.store.GetTemplate(ctx, account, id)
	if err != nil {
		return nil, err
	}
	if t.SiteID != uuid.Nil && t.SiteID != site {
		return nil, errs.New(commonv1.Reason_TEMPLATE_SITE_MISMATCH,
			"the template %q belongs to another site: take one of this site or one for every site", t.DisplayName).
			With("template", name).With("site", model.SiteName(account, t.SiteID))
	}
	return t.Settings, nil
}

// resolveAssignees finds the people and rooms named, all in two statements, and refuses those that cannot be assigned to.
func (s *PhoneUserServer) resolveAssignees(ctx context.Context, account uuid.UUID, names []string) ([]provisioning.Assignee, error) {
	ids := make([]uuid.UUID, len(names))
	kinds := make([]model.AssigneeKind, len(names))
	var users, rooms []uuid.UUID
	for i, name := range names {
		owner, kind, id, err := model.ParseAssignee(name)
		if err != nil || owner != account {
			continue // as any other that does not exist in this account
		}
		ids[i], kinds[i] = id, kind
		if kind == model.KindRoom {
			rooms = append(rooms, id)
		} else {
			users = append(users, id)
		}
	}
	people, err := s.store.GetUsers(ctx, account, users)
	if err != nil {
		return nil, err
	}
	places, err := s.store.GetRooms(ctx, account, rooms)
	if err != nil {
		return nil, err
	}
	return pickAssignees(names, ids, kinds, people, places)
}

func pickAssignees(names []string, ids []uuid.UUID, kinds []model.AssigneeKind,
	people map[uuid.UUID]model.User, places map[uuid.UUID]model.Room,
) ([]provisioning.Assignee, error) {
	out := make([]provisioning.Assignee, len(names))
	var missing, pending refusals
	for i, name := range names {
		user, isUser := people[ids[i]]
		room, isRoom := places[ids[i]]
		switch {
		case kinds[i] == model.KindUser && isUser:
			out[i] = provisioning.Assignee{Kind: model.KindUser, ID: user.ID, DisplayName: user.DisplayName, Email: user.Email}
			if user.Status == model.UserPending {
				pending.add(commonv1.Reason_USER_PENDING, "assignees", i, user.DisplayName+" has not confirmed the account yet", "user", name)
			}
		case kinds[i] == model.KindRoom && isRoom:
			out[i] = provisioning.Assignee{Kind: model.KindRoom, ID: room.ID, DisplayName: room.DisplayName}
		default:
			missing.addMissing("assignees", i, name)
		}
	}
	if err := missing.Err(); err != nil {
		return nil, err
	}
	return out, pending.Err()
}
