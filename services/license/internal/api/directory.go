package api

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/view"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
)

// maxNewUsers is how many people one call adds, as documented in the proto file.
const maxNewUsers = 1000

// DirectoryServer implements licensev1.DirectoryServiceServer.
type DirectoryServer struct {
	licensev1.UnimplementedDirectoryServiceServer

	store  store.Directory
	engine *provisioning.Engine
	clock  clock.Clock
	roles  Roles
}

// NewDirectoryServer returns a server of the directory. People with the feature PHONE are invited through engine, and found by
// callers' tokens through roles.
func NewDirectoryServer(st store.Directory, engine *provisioning.Engine, c clock.Clock, roles Roles) *DirectoryServer {
	return &DirectoryServer{store: st, engine: engine, clock: c, roles: roles}
}

// CreateUser implements licensev1.DirectoryServiceServer.
func (s *DirectoryServer) CreateUser(ctx context.Context, req *licensev1.CreateUserRequest) (*licensev1.User, error) {
	hash, err := hashRequest(req, &req.RequestId)
	if err != nil {
		return nil, err
	}
	answer := &licensev1.User{}
	err = s.createUsers(ctx, newUsers{
		parent: req.GetParent(), users: []*licensev1.User{req.GetUser()}, requestID: req.GetRequestId(), hash: hash,
		path:   func(int) string { return "user" },
		render: func(users []model.User) proto.Message { return view.User(&users[0]) },
	}, answer)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// BatchCreateUsers implements licensev1.DirectoryServiceServer.
func (s *DirectoryServer) BatchCreateUsers(ctx context.Context, req *licensev1.BatchCreateUsersRequest) (*licensev1.BatchCreateUsersResponse, error) {
	hash, err := hashRequest(req, &req.RequestId)
	if err != nil {
		return nil, err
	}
	answer := &licensev1.BatchCreateUsersResponse{}
	err = s.createUsers(ctx, newUsers{
		parent: req.GetParent(), users: req.GetUsers(), requestID: req.GetRequestId(), hash: hash,
		path: func(i int) string { return fmt.Sprintf("users[%d]", i) },
		render: func(users []model.User) proto.Message {
			return &licensev1.BatchCreateUsersResponse{Users: view.Users(users)}
		},
	}, answer)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// newUsers is what the two methods that add people have in common.
type newUsers struct {
	parent    string
	users     []*licensev1.User
	requestID string
	hash      []byte
	// path is how the i-th person is called in refusals.
	path func(i int) string
	// render makes the answer.
	render func([]model.User) proto.Message
}

// createUsers adds people and fills answer.
func (s *DirectoryServer) createUsers(ctx context.Context, n newUsers, answer proto.Message) error {
	account, err := model.ParseAccount(n.parent)
	if err != nil {
		return err
	}
	phone := slices.ContainsFunc(n.users, func(u *licensev1.User) bool { return slices.Contains(u.GetFeatures(), licensev1.User_PHONE) })
	if phone { // a licence is given, which an operator may not
		if err := requireAdmin(ctx, account); err != nil {
			return err
		}
	}
	users, err := s.readUsers(account, &n)
	if err != nil {
		return err
	}
	records := store.NewUsers{Users: users, Path: n.path}
	var replay []byte
	if phone {
		users, replay, err = s.engine.Invite(ctx, callerOf(ctx), account, records, store.Remember{RequestID: n.requestID, BodyHash: n.hash}, n.render)
	} else {
		var r store.Remember
		if r, err = remember(n.requestID, n.hash, n.render(users)); err == nil {
			replay, err = s.store.CreateUsers(ctx, account, records, r)
		}
	}
	switch {
	case err != nil && phone:
		return replayOr(ctx, s.engine, account, n.requestID, n.hash, answer, err)
	case err != nil:
		return err
	case replay != nil:
		return readReplay(replay, answer)
	}
	proto.Merge(answer, n.render(users))
	return nil
}

// readUsers reads the people to add, or refuses and names all that are wrong.
func (s *DirectoryServer) readUsers(account uuid.UUID, n *newUsers) ([]model.User, error) {
	if len(n.users) == 0 || len(n.users) > maxNewUsers {
		return nil, checkBatch(make([]string, len(n.users)), maxNewUsers, "users")
	}
	users, keys := make([]model.User, len(n.users)), make([]string, len(n.users))
	now := s.clock.Now()
	var invalid fieldErrors
	for i, sent := range n.users {
		u := s.readUser(sent, n.path(i), &invalid)
		u.AccountID, u.ID, u.CreateTime = account, uuid.Must(uuid.NewV7()), now
		site, err := optionalChild(account, sent.GetSite(), model.ParseSite)
		if err != nil {
			return nil, model.NotFound(sent.GetSite()).Violation(n.path(i)+".site", "the site does not exist")
		}
		u.SiteID = site
		users[i], keys[i] = u, model.EmailKey(u.Email)
	}
	if err := invalid.Err(); err != nil {
		return nil, err
	}
	return users, checkBatch(keys, maxNewUsers, "users")
}

func (s *DirectoryServer) readUser(sent *licensev1.User, path string, invalid *fieldErrors) model.User {
	u := model.User{
		Email:      invalid.email(path+".email", sent.GetEmail()),
		GivenName:  invalid.text(path+".given_name", sent.GetGivenName()),
		FamilyName: invalid.text(path+".family_name", sent.GetFamilyName()),
		Role:       model.RoleMember,
		Status:     model.UserActive,
	}
	u.DisplayName = strings.TrimSpace(u.GivenName + " " + u.FamilyName)
	if u.DisplayName == "" {
		u.DisplayName = u.Email
	}
	if sent.GetRole() != commonv1.Role_ROLE_UNSPECIFIED {
		u.Role = model.Role(sent.GetRole().String())
	}
	for _, feature := range sent.GetFeatures() {
		if feature == licensev1.User_PHONE {
			u.Phone, u.Status = true, model.UserPending
		}
	}
	return u
}

// ConfirmUser implements licensev1.DirectoryServiceServer.
func (s *DirectoryServer) ConfirmUser(ctx context.Context, req *licensev1.ConfirmUserRequest) (*licensev1.User, error) {
	account, id, err := model.ParseUser(req.GetName())
	if err != nil {
		return nil, err
	}
	if err := s.engine.Confirm(ctx, callerOf(ctx), account, id, req.GetToken()); err != nil {
		return nil, err
	}
	u, err := s.store.GetUser(ctx, account, id)
	if err != nil {
		return nil, err
	}
	return view.User(&u), nil
}
