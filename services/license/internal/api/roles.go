package api

import (
	"context"

	"github.com/google/uuid"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// People finds people in the directory.
type People interface {
	GetUsers(ctx context.Context, account uuid.UUID, ids []uuid.UUID) (map[uuid.UUID]model.User, error)
	FindUsers(ctx context.Context, account uuid.UUID, emailKeys []string) (map[string]model.User, error)
}

// Roles says who callers are in the directory. It implements authn.Directory.
type Roles struct{ people People }

// NewRoles returns the directory as a source of roles.
func NewRoles(people People) Roles { return Roles{people: people} }

// Find implements authn.Directory: by the subject, where that is the id of a person in the directory, or else by e-mail address. An
// account that does not exist has nobody.
func (r Roles) Find(ctx context.Context, account, subject, email string) (authn.Person, error) {
	accountID, err := uuid.Parse(account)
	if err != nil {
		return authn.Person{}, nil //nolint:nilerr // no such account, so nobody in it
	}
	if id, err := uuid.Parse(subject); err == nil {
		found, err := r.people.GetUsers(ctx, accountID, []uuid.UUID{id})
		if err != nil {
			return authn.Person{}, err
		}
		if u, ok := found[id]; ok {
			return personOf(&u), nil
		}
	}
	if email == "" {
		return authn.Person{}, nil
	}
	key := model.EmailKey(email)
	found, err := r.people.FindUsers(ctx, accountID, []string{key})
	if u, ok := found[key]; ok {
		return personOf(&u), err
	}
	return authn.Person{}, err
}

// personOf grants nothing to somebody who was invited and has not confirmed.
func personOf(u *model.User) authn.Person {
	p := authn.Person{ID: u.ID.String()}
	if u.Status == model.UserActive {
		p.Role = string(u.Role)
	}
	return p
}

// ResolvePerson implements licensev1.DirectoryServiceServer.
func (s *DirectoryServer) ResolvePerson(ctx context.Context, req *licensev1.ResolvePersonRequest) (*licensev1.ResolvePersonResponse, error) {
	account, err := model.ParseAccount(req.GetParent())
	if err != nil {
		return &licensev1.ResolvePersonResponse{}, nil //nolint:nilerr // no such account, so nobody in it
	}
	p, err := s.roles.Find(ctx, account.String(), req.GetSubject(), req.GetEmail())
	return &licensev1.ResolvePersonResponse{UserId: p.ID, Role: commonv1.Role(commonv1.Role_value[p.Role])}, err
}

// requireAdmin refuses callers who are neither owner nor administrator of the account: operators too.
func requireAdmin(ctx context.Context, account uuid.UUID) error {
	id, ok := authn.FromContext(ctx)
	if ok && id.Account == account.String() && (id.Role == string(model.RoleOwner) || id.Role == string(model.RoleAdmin)) {
		return nil
	}
	return authn.Denied()
}

// orDenied is err, or the refusal of a caller who may touch only what is the own: a name that is not well formed is nobody's.
func orDenied(ctx context.Context, err error) error {
	if _, only := authn.OwnOnly(ctx); only {
		return authn.Denied()
	}
	return err
}

// requireOwnUser refuses a caller who may see only what is the own, where the person is another or does not exist.
func requireOwnUser(ctx context.Context, id uuid.UUID) error {
	if user, only := authn.OwnOnly(ctx); only && user != id.String() {
		return authn.Denied()
	}
	return nil
}

// phoneUserOf reads phone users.
type phoneUserOf interface {
	GetPhoneUser(ctx context.Context, account, id uuid.UUID) (model.PhoneUser, error)
}

// requireOwnPhoneUser refuses a caller who may touch only what is the own, where the phone user is another's or does not exist, or
// is not the caller's any more (in the trash). It answers whether the caller is limited so.
func requireOwnPhoneUser(ctx context.Context, st phoneUserOf, account, id uuid.UUID) (limited bool, err error) {
	user, only := authn.OwnOnly(ctx)
	if !only {
		return false, nil
	}
	p, err := st.GetPhoneUser(ctx, account, id)
	if errs.Reason(err) == commonv1.Reason_NOT_FOUND {
		return true, authn.Denied()
	}
	if err != nil {
		return true, err
	}
	if p.AssigneeKind != model.KindUser || p.AssigneeID.String() != user || !p.Live() {
		return true, authn.Denied()
	}
	return true, nil
}
