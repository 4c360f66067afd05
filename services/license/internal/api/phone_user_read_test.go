package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	numberingv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/numbering/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/view"
)

// found joins the names of a page, for comparing.
func found(page *licensev1.ListPhoneUsersResponse) string {
	var names []string
	for _, p := range page.GetPhoneUsers() {
		names = append(names, p.GetDisplayName())
	}
	return strings.Join(names, " ")
}

func (w *world) list(t *testing.T, req *licensev1.ListPhoneUsersRequest) *licensev1.ListPhoneUsersResponse {
	t.Helper()
	req.Parent = w.account.GetName()
	page, err := w.phoneUsers.ListPhoneUsers(w.admin, req)
	require.NoError(t, err)
	return page
}

func TestListPhoneUsersStates(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.seed(t, nil, model.PhoneUser{DisplayName: "Active", State: model.StateActive}, model.PhoneUser{DisplayName: "Pending", State: model.StatePending},
			model.PhoneUser{DisplayName: "Provisioning", State: model.StateProvisioning}, model.PhoneUser{DisplayName: "Trashed", State: model.StateTrashed})
		for _, c := range []struct {
			filter  string
			deleted bool
			want    string
		}{
			{"", false, "Active Provisioning"},
			{"", true, "Active Provisioning Trashed"},
			{"state = PENDING", false, "Pending"},
			{"state = PENDING OR state = ACTIVE", false, "Active Pending"},
			{"state = TRASHED", false, ""},
			{"state = TRASHED", true, "Trashed"},
			{"state != ACTIVE", true, "Pending Provisioning Trashed"},
		} {
			page := w.list(t, &licensev1.ListPhoneUsersRequest{Filter: c.filter, ShowDeleted: c.deleted})
			require.Equal(t, c.want, found(page), "filter %q, deleted %t", c.filter, c.deleted)
			require.EqualValues(t, len(page.GetPhoneUsers()), page.GetTotalSize())
		}
		require.Zero(t, w.packages.calls.Load(), "no package, no question")
	})
}

func TestListPhoneUsersPackages(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		gold, silver := w.packages.add(numberingv1.Package_ACTIVE), w.packages.add(numberingv1.Package_INACTIVE)
		ids := w.seed(t, nil, model.PhoneUser{DisplayName: "Gold", State: model.StateActive, PackageID: gold},
			model.PhoneUser{DisplayName: "None", State: model.StateActive},
			model.PhoneUser{DisplayName: "Silver", State: model.StateActive, PackageID: silver, PhoneNumbers: []string{"+12025550100"}})
		page := w.list(t, &licensev1.ListPhoneUsersRequest{})
		require.EqualValues(t, 1, w.packages.calls.Load(), "asked once per call")
		require.Equal(t, "Gold None Silver", found(page))
		outbound := []bool{}
		for _, p := range page.GetPhoneUsers() {
			outbound = append(outbound, p.GetOutboundCalling())
		}
		require.Equal(t, []bool{true, false, false}, outbound, "with an active package only")
		require.Equal(t, numberingv1.Package_INACTIVE, page.GetPhoneUsers()[2].GetPackageState())
		require.Nil(t, page.GetPhoneUsers()[1].PackageState)

		for filter, want := range map[string]string{
			"packageState = INACTIVE":  "Silver",
			"packageState = ACTIVE":    "Gold",
			"packageState != INACTIVE": "Gold None",
			fmt.Sprintf("packageState = INACTIVE AND site = %q", w.mainSite.GetName()): "Silver",
			fmt.Sprintf("package = %q", model.PackageName(w.id(t), gold)):              "Gold",
		} {
			w.packages.calls.Store(0)
			require.Equal(t, want, found(w.list(t, &licensev1.ListPhoneUsersRequest{Filter: filter})), filter)
			require.EqualValues(t, 1, w.packages.calls.Load(), filter)
		}
		require.Equal(t, "Silver", found(w.list(t, &licensev1.ListPhoneUsersRequest{Filter: "packageState = INACTIVE", Query: "+1202"})))
		require.Empty(t, found(w.list(t, &licensev1.ListPhoneUsersRequest{Filter: "packageState = INACTIVE", Query: "gold"})))

		got, err := w.phoneUsers.GetPhoneUser(w.admin, &licensev1.GetPhoneUserRequest{Name: model.PhoneUserName(w.id(t), ids[2])})
		require.NoError(t, err)
		requireSame(t, page.GetPhoneUsers()[2], got)
		_, err = w.phoneUsers.GetPhoneUser(w.admin, &licensev1.GetPhoneUserRequest{Name: model.PhoneUserName(w.id(t), uuid.New())})
		requireReason(t, commonv1.Reason_NOT_FOUND, err)

		w.packages.err = status.Error(codes.Unavailable, "away")
		_, err = w.phoneUsers.ListPhoneUsers(w.admin, &licensev1.ListPhoneUsersRequest{Parent: w.account.GetName()})
		require.Equal(t, codes.Unavailable, status.Code(err), "a package's state is not guessed")
		_, err = w.phoneUsers.GetPhoneUser(w.admin, &licensev1.GetPhoneUserRequest{Name: model.PhoneUserName(w.id(t), ids[1])})
		require.NoError(t, err, "nothing to ask about")
	})
}

func TestListPhoneUsersOrderAndPages(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		for i, name := range []string{"cy", "Ada", "Bo", "dee"} {
			w.clock.Advance(time.Second)
			w.seed(t, nil, model.PhoneUser{DisplayName: name, State: model.StateActive, ExtensionNumber: fmt.Sprintf("%03d", 3*i%4)})
		}
		for order, want := range map[string]string{
			"":                      "Ada Bo cy dee",
			"displayName desc":      "dee cy Bo Ada",
			"extensionNumber":       "cy dee Bo Ada",
			"extension_number desc": "Ada Bo dee cy",
			"createTime":            "cy Ada Bo dee",
			"createTime desc":       "dee Bo Ada cy",
			" createTime  asc ":     "cy Ada Bo dee",
		} {
			req := &licensev1.ListPhoneUsersRequest{OrderBy: order, PageSize: 3}
			first := w.list(t, req)
			require.EqualValues(t, 4, first.GetTotalSize())
			req.PageToken, req.PageSize = first.GetNextPageToken(), 50
			second := w.list(t, req)
			require.EqualValues(t, 4, second.GetTotalSize())
			require.Empty(t, second.GetNextPageToken())
			require.Equal(t, want, found(first)+" "+found(second), "order %q", order)

			other := proto.CloneOf(req)
			other.ShowDeleted = true
			_, err := w.phoneUsers.ListPhoneUsers(w.admin, other)
			requireReason(t, commonv1.Reason_PAGE_TOKEN_INVALID, err)
		}
		for _, order := range []string{"email", "displayName, createTime", "displayName down", "displayName;", "desc desc desc"} {
			_, err := w.phoneUsers.ListPhoneUsers(w.admin, &licensev1.ListPhoneUsersRequest{Parent: w.account.GetName(), OrderBy: order})
			requireReason(t, commonv1.Reason_FIELD_INVALID, err, "order_by")
		}
		_, err := w.phoneUsers.ListPhoneUsers(w.admin, &licensev1.ListPhoneUsersRequest{Parent: w.account.GetName(), Filter: "email = x"})
		requireReason(t, commonv1.Reason_FILTER_INVALID, err)
	})
}

func TestListLogEntries(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		phoneUser, assignee := uuid.New(), uuid.New()
		var entries []model.LogEntry
		for i, kind := range []model.LogKind{model.LogAssigned, model.LogSettingsChanged, model.LogRemoved} {
			entries = append(entries, model.LogEntry{
				AccountID: w.id(t), ID: uuid.Must(uuid.NewV7()), Time: w.clock.Now().Add(time.Duration(i) * time.Minute), Kind: kind, PhoneUserID: phoneUser,
				AssigneeKind: model.KindRoom, AssigneeID: assignee, DisplayName: "Blue", Actor: "ada", RequestID: "trace",
			})
		}
		entries[1].Before = map[string]any{"settings": map[string]any{"ringSeconds": 30}}
		entries[1].After = map[string]any{"settings": map[string]any{"ringSeconds": 45}}
		w.seed(t, entries, model.PhoneUser{DisplayName: "Blue", State: model.StateActive})
		list := func(req *licensev1.ListLogEntriesRequest) *licensev1.ListLogEntriesResponse {
			req.Parent = w.account.GetName()
			page, err := w.log.ListLogEntries(w.admin, req)
			require.NoError(t, err)
			return page
		}
		page := list(&licensev1.ListLogEntriesRequest{PageSize: 2})
		require.Len(t, page.GetEntries(), 2)
		require.Equal(t, licensev1.LogEntry_REMOVED, page.GetEntries()[0].GetKind(), "newest first")
		settings := func(seconds float64) *structpb.Struct {
			s, err := structpb.NewStruct(map[string]any{"settings": map[string]any{"ringSeconds": seconds}})
			require.NoError(t, err)
			return s
		}
		requireSame(t, &licensev1.LogEntry{
			Name: model.LogEntryName(w.id(t), entries[1].ID), Kind: licensev1.LogEntry_SETTINGS_CHANGED, PhoneUser: model.PhoneUserName(w.id(t), phoneUser),
			Assignee: model.RoomName(w.id(t), assignee), DisplayName: "Blue", Actor: "ada", RequestId: "trace", Time: view.Time(entries[1].Time),
			Before: settings(30), After: settings(45),
		}, page.GetEntries()[1])
		rest := list(&licensev1.ListLogEntriesRequest{PageSize: 2, PageToken: page.GetNextPageToken()})
		require.Len(t, rest.GetEntries(), 1)
		require.Empty(t, rest.GetNextPageToken())
		require.Len(t, list(&licensev1.ListLogEntriesRequest{Filter: "kind = REMOVED OR kind = ASSIGNED"}).GetEntries(), 2)
		_, err := w.log.ListLogEntries(w.admin, &licensev1.ListLogEntriesRequest{Parent: w.account.GetName(), Filter: "kind = GONE"})
		requireReason(t, commonv1.Reason_FILTER_INVALID, err)
	})
}
