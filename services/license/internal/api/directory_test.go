package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
)

func (w *world) newUsers(t *testing.T, users ...*licensev1.User) []*licensev1.User {
	t.Helper()
	made, err := w.directory.BatchCreateUsers(w.admin, &licensev1.BatchCreateUsersRequest{Parent: w.account.GetName(), Users: users})
	require.NoError(t, err)
	return made.GetUsers()
}

func TestCreateUser(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		create := func(u *licensev1.User) (*licensev1.User, error) {
			return w.directory.CreateUser(w.admin, &licensev1.CreateUserRequest{Parent: w.account.GetName(), User: u})
		}
		made, err := create(&licensev1.User{
			Email: " Ana@Example.com ", GivenName: " Ana ", FamilyName: "Mu\u0308ller", DisplayName: "ignored", Status: licensev1.User_PENDING, Site: w.mainSite.GetName(),
		})
		require.NoError(t, err)
		requireSame(t, &licensev1.User{
			Name: made.GetName(), Email: "Ana@Example.com", GivenName: "Ana", FamilyName: "Müller", DisplayName: "Ana Müller", Role: commonv1.Role_MEMBER,
			Status: licensev1.User_ACTIVE, Site: w.mainSite.GetName(), CreateTime: made.GetCreateTime(),
		}, made)
		require.Equal(t, w.clock.Now(), made.GetCreateTime().AsTime())
		got, err := w.directory.GetUser(w.admin, &licensev1.GetUserRequest{Name: made.GetName()})
		require.NoError(t, err)
		requireSame(t, made, got)
		nameless, err := create(&licensev1.User{Email: "bo@example.com", Role: commonv1.Role_OWNER})
		require.NoError(t, err)
		require.Equal(t, "bo@example.com", nameless.GetDisplayName())
		require.Equal(t, commonv1.Role_OWNER, nameless.GetRole())

		_, err = create(&licensev1.User{Email: "ANA@example.com"})
		requireReason(t, commonv1.Reason_EMAIL_IN_USE, err, "user.email")
		_, err = create(&licensev1.User{Email: "x@example.com", GivenName: "a\rb", FamilyName: "\x7f"})
		requireReason(t, commonv1.Reason_FIELD_INVALID, err, "user.given_name", "user.family_name")
		_, err = create(&licensev1.User{Email: "x@example.com", Site: w.account.GetName() + "/sites/nonsense"})
		requireReason(t, commonv1.Reason_NOT_FOUND, err, "user.site")
		_, err = w.directory.CreateUser(w.operator, &licensev1.CreateUserRequest{Parent: model.AccountName(uuid.New()), User: &licensev1.User{Email: "x@example.com"}})
		requireReason(t, commonv1.Reason_NOT_FOUND, err)
		_, err = w.directory.GetUser(w.admin, &licensev1.GetUserRequest{Name: w.account.GetName() + "/users/nonsense"})
		requireReason(t, commonv1.Reason_NOT_FOUND, err)
	})
}

func TestEmailAddresses(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		good := []string{"a@b.example", "first.last+tag@sub.example.com", "o'hara@example.com", "用户@例子.example", strings.Repeat("l", 64) + "@" + strings.Repeat("d", 180) + ".example"}
		for _, email := range good {
			_, err := w.directory.CreateUser(w.admin, &licensev1.CreateUserRequest{Parent: w.account.GetName(), User: &licensev1.User{Email: email}})
			require.NoError(t, err, email)
		}
		bad := []string{
			"", " ", "ana", "ana@", "@example.com", "ana@@example.com", "ana @example.com", "Ana <ana@example.com>", "ana@example.com, bo@example.com",
			"ana@example.com (Ana)", `"a b"@example.com`, "ana@exam ple.com", "ana@example.com\nBcc: x@example.com", "ana\x00@example.com", "<ana@example.com>",
			strings.Repeat("l", 64) + "@" + strings.Repeat("d", 190) + ".example",
		}
		for _, email := range bad {
			_, err := w.directory.CreateUser(w.admin, &licensev1.CreateUserRequest{Parent: w.account.GetName(), User: &licensev1.User{Email: email}})
			require.Error(t, err, "%q", email)
			requireReason(t, commonv1.Reason_FIELD_INVALID, err, "user.email")
		}
	})
}

func TestBatchCreateUsers(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		batch := func(users ...*licensev1.User) (*licensev1.BatchCreateUsersResponse, error) {
			return w.directory.BatchCreateUsers(w.admin, &licensev1.BatchCreateUsersRequest{Parent: w.account.GetName(), Users: users})
		}
		numbered := func(n int) []*licensev1.User {
			users := make([]*licensev1.User, n)
			for i := range users {
				users[i] = &licensev1.User{Email: fmt.Sprintf("p%d@example.com", i), GivenName: fmt.Sprint("P", i)}
			}
			return users
		}
		_, err := batch()
		requireReason(t, commonv1.Reason_BATCH_EMPTY, err)
		_, err = batch(numbered(1001)...)
		requireReason(t, commonv1.Reason_BATCH_TOO_LARGE, err)
		made, err := batch(numbered(1000)...)
		require.NoError(t, err)
		require.Len(t, made.GetUsers(), 1000)
		require.Equal(t, "p999@example.com", made.GetUsers()[999].GetEmail(), "in the order asked")

		_, err = batch(&licensev1.User{Email: "new@example.com"}, &licensev1.User{Email: "P5@example.com"}, &licensev1.User{Email: "p6@example.com"})
		requireReason(t, commonv1.Reason_EMAIL_IN_USE, err, "users[1].email", "users[2].email")
		_, err = batch(&licensev1.User{Email: "new@example.com"}, &licensev1.User{Email: "b@example.com"}, &licensev1.User{Email: "NEW@example.com"})
		requireReason(t, commonv1.Reason_DUPLICATE_IN_BATCH, err, "users[2]")
		_, err = batch(&licensev1.User{Email: "new"}, &licensev1.User{Email: "b@example.com"}, &licensev1.User{GivenName: "\n\x01"})
		requireReason(t, commonv1.Reason_FIELD_INVALID, err, "users[0].email", "users[2].email", "users[2].given_name")
		list, err := w.directory.ListUsers(w.admin, &licensev1.ListUsersRequest{Parent: w.account.GetName()})
		require.NoError(t, err)
		require.EqualValues(t, 1000, list.GetTotalSize(), "refused batches leave nothing")
	})
}

func TestCreateUsersReplay(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		req := &licensev1.BatchCreateUsersRequest{Parent: w.account.GetName(), RequestId: "r-1", Users: []*licensev1.User{{Email: "a@example.com"}, {Email: "b@example.com"}}}
		first, err := w.directory.BatchCreateUsers(w.admin, req)
		require.NoError(t, err)
		again, err := w.directory.BatchCreateUsers(w.admin, req)
		require.NoError(t, err)
		requireSame(t, first, again)
		other := proto.CloneOf(req)
		other.Users = other.Users[:1]
		_, err = w.directory.BatchCreateUsers(w.admin, other)
		requireReason(t, commonv1.Reason_REQUEST_ID_REUSED, err)
		_, err = w.directory.CreateUser(w.admin, &licensev1.CreateUserRequest{Parent: req.GetParent(), RequestId: "r-1", User: &licensev1.User{Email: "c@example.com"}})
		requireReason(t, commonv1.Reason_REQUEST_ID_REUSED, err)

		single := &licensev1.CreateUserRequest{Parent: req.GetParent(), RequestId: "r-2", User: &licensev1.User{Email: "c@example.com"}}
		one, err := w.directory.CreateUser(w.admin, single)
		require.NoError(t, err)
		same, err := w.directory.CreateUser(w.admin, single)
		require.NoError(t, err)
		requireSame(t, one, same)
		refused := &licensev1.CreateUserRequest{Parent: req.GetParent(), RequestId: "r-3", User: &licensev1.User{Email: "a@example.com"}}
		_, err = w.directory.CreateUser(w.admin, refused)
		requireReason(t, commonv1.Reason_EMAIL_IN_USE, err)
		refused.User.Email = "d@example.com"
		_, err = w.directory.CreateUser(w.admin, refused)
		require.NoError(t, err, "a refused call is not remembered")
	})
}

func TestListUsers(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		var users []*licensev1.User
		for i := range 25 {
			users = append(users, &licensev1.User{Email: fmt.Sprintf("p%d@example.com", i), GivenName: "Same", FamilyName: "Name"})
		}
		made := w.newUsers(t, users...)
		_, assignee, err := model.ParseUser(made[3].GetName())
		require.NoError(t, err)
		phone := w.seed(t, nil, model.PhoneUser{AssigneeID: assignee, DisplayName: "Same Name", State: model.StateActive})[0]

		req := &licensev1.ListUsersRequest{Parent: w.account.GetName(), Query: "same", PageSize: 10}
		seen := map[string]string{}
		for pages := 1; ; pages++ {
			page, err := w.directory.ListUsers(w.admin, req)
			require.NoError(t, err)
			require.EqualValues(t, 25, page.GetTotalSize(), "on every page")
			for _, u := range page.GetUsers() {
				require.NotContains(t, seen, u.GetName())
				seen[u.GetName()] = u.GetPhoneUser()
			}
			if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
				require.Equal(t, 3, pages)
				break
			}
			other := proto.CloneOf(req)
			other.Query = "name"
			_, err = w.directory.ListUsers(w.admin, other)
			requireReason(t, commonv1.Reason_PAGE_TOKEN_INVALID, err)
		}
		require.Len(t, seen, 25)
		require.Equal(t, model.PhoneUserName(w.id(t), phone), seen[made[3].GetName()])
		licensed, err := w.directory.ListUsers(w.admin, &licensev1.ListUsersRequest{Parent: req.GetParent(), Filter: "licensed = true"})
		require.NoError(t, err)
		require.Len(t, licensed.GetUsers(), 1)
		for _, filter := range []string{"licensed = maybe", "shoeSize = 3", "licensed =", `status = "\`, "role = CHEF"} {
			_, err := w.directory.ListUsers(w.admin, &licensev1.ListUsersRequest{Parent: req.GetParent(), Filter: filter})
			requireReason(t, commonv1.Reason_FILTER_INVALID, err)
		}
	})
}

func TestRooms(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		parent := w.account.GetName()
		create := func(r *licensev1.Room) (*licensev1.Room, error) {
			return w.directory.CreateRoom(w.admin, &licensev1.CreateRoomRequest{Parent: parent, Room: r})
		}
		blue, err := create(&licensev1.Room{DisplayName: " Blue "})
		require.NoError(t, err)
		require.Equal(t, "Blue", blue.GetDisplayName())
		require.Equal(t, w.mainSite.GetName(), blue.GetSite())
		two := w.newSite(t, "Two")
		_, err = create(&licensev1.Room{DisplayName: "Red"})
		requireReason(t, commonv1.Reason_SITE_REQUIRED, err)
		_, err = create(&licensev1.Room{DisplayName: "BLUE", Site: two.GetName()})
		requireReason(t, commonv1.Reason_NAME_IN_USE, err)
		_, err = create(&licensev1.Room{Site: two.GetName()})
		requireReason(t, commonv1.Reason_FIELD_INVALID, err, "room.display_name")
		_, err = create(&licensev1.Room{DisplayName: "Red", Site: model.SiteName(uuid.New(), uuid.New())})
		requireReason(t, commonv1.Reason_NOT_FOUND, err)
		red, err := create(&licensev1.Room{DisplayName: "Red", Site: two.GetName()})
		require.NoError(t, err)
		first, err := w.directory.ListRooms(w.admin, &licensev1.ListRoomsRequest{Parent: parent, PageSize: 1})
		require.NoError(t, err)
		rest, err := w.directory.ListRooms(w.admin, &licensev1.ListRoomsRequest{Parent: parent, PageSize: 1, PageToken: first.GetNextPageToken()})
		require.NoError(t, err)
		requireSame(t, &licensev1.ListRoomsResponse{Rooms: []*licensev1.Room{blue, red}}, &licensev1.ListRoomsResponse{Rooms: append(first.GetRooms(), rest.GetRooms()...)})
		found, err := w.directory.ListRooms(w.admin, &licensev1.ListRoomsRequest{Parent: parent, Query: "ED"})
		require.NoError(t, err)
		requireSame(t, &licensev1.ListRoomsResponse{Rooms: []*licensev1.Room{red}}, found)
	})
}
