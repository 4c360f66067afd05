package gateway

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
)

// What a service gets to see of a request that is as it should be.
func TestRequests_Reach(t *testing.T) {
	t.Parallel()
	mask := func(paths ...string) *fieldmaskpb.FieldMask { return &fieldmaskpb.FieldMask{Paths: paths} }
	account := func(name, display string) *licensev1.Account {
		return &licensev1.Account{Name: name, DisplayName: display}
	}
	tests := map[string]struct {
		method, path, body string
		want               proto.Message
	}{
		"a body that is the resource": {
			"POST", "/v1/accounts", `{"displayName":"Ågren & Søn","licenseSeats":10,"policy":{"softDelete":true}}`,
			&licensev1.CreateAccountRequest{Account: &licensev1.Account{
				DisplayName: "Ågren & Søn", LicenseSeats: 10, Policy: &licensev1.AccountPolicy{SoftDelete: true}}},
		},
		"members beside the resource": {
			"POST", "/v1/accounts", "{\"requestId\":\"r-1\",\n\"displayName\":\"A\"}",
			&licensev1.CreateAccountRequest{Account: account("", "A"), RequestId: "r-1"},
		},
		"a member beside the resource that is null": {
			"POST", "/v1/accounts", `{"displayName":"A","requestId":null}`,
			&licensev1.CreateAccountRequest{Account: account("", "A")},
		},
		"the same in the query": {
			"POST", "/v1/accounts?requestId=r-1", `{"displayName":"A"}`,
			&licensev1.CreateAccountRequest{Account: account("", "A"), RequestId: "r-1"},
		},
		"a body that is the request": {
			"POST", "/v1/accounts/a/phoneUsers:batchAssign", `{"assignees":["accounts/a/users/u"],"validateOnly":true}`,
			&licensev1.BatchAssignRequest{Parent: "accounts/a", Assignees: []string{"accounts/a/users/u"}, ValidateOnly: true},
		},
		"names in the body as in the path": {
			"POST", "/v1/accounts/a/phoneUsers:batchAssign", `{"parent":"accounts/a"}`,
			&licensev1.BatchAssignRequest{Parent: "accounts/a"},
		},
		"no body where every member may be left out": {
			"POST", "/v1/accounts/a/phoneUsers/p:resendInvite", "",
			&licensev1.ResendInviteRequest{Name: "accounts/a/phoneUsers/p"},
		},
		"enums by name, in repeated fields too": {
			"POST", "/v1/accounts/a/users", `{"email":"a@example.com","role":"ADMIN","features":["PHONE"]}`,
			&licensev1.CreateUserRequest{Parent: "accounts/a", User: &licensev1.User{
				Email: "a@example.com", Role: commonv1.Role_ADMIN, Features: []licensev1.User_Feature{licensev1.User_PHONE}}},
		},
		"query parameters in both spellings": {
			"GET", "/v1/accounts/a/phoneUsers?pageSize=7&page_token=t&showDeleted=true&query=a%20b", "",
			&licensev1.ListPhoneUsersRequest{Parent: "accounts/a", PageSize: 7, PageToken: "t", ShowDeleted: true, Query: "a b"},
		},
		"PATCH with the mask in the query": {
			"PATCH", "/v1/accounts/a?updateMask=displayName,policy.softDelete", `{"displayName":"B"}`,
			&licensev1.UpdateAccountRequest{Account: account("accounts/a", "B"), UpdateMask: mask("display_name", "policy.soft_delete")},
		},
		"PATCH with the mask in the query as in the proto files": {
			"PATCH", "/v1/accounts/a?update_mask=display_name", `{"displayName":"B"}`,
			&licensev1.UpdateAccountRequest{Account: account("accounts/a", "B"), UpdateMask: mask("display_name")},
		},
		"PATCH with the mask in the body, first": {
			"PATCH", "/v1/accounts/a", `{"updateMask":"displayName", "displayName":"B","licenseSeats":3}`,
			&licensev1.UpdateAccountRequest{
				Account: &licensev1.Account{Name: "accounts/a", DisplayName: "B", LicenseSeats: 3}, UpdateMask: mask("display_name")},
		},
		"PATCH with the mask in the body, in the middle": {
			"PATCH", "/v1/accounts/a", `{"displayName":"B" , "update_mask" : "license_seats" , "licenseSeats":3}`,
			&licensev1.UpdateAccountRequest{
				Account: &licensev1.Account{Name: "accounts/a", DisplayName: "B", LicenseSeats: 3}, UpdateMask: mask("license_seats")},
		},
		"PATCH with the mask in the body, last": {
			"PATCH", "/v1/accounts/a", `{"displayName":"B","updateMask":"*"}`,
			&licensev1.UpdateAccountRequest{Account: account("accounts/a", "B"), UpdateMask: mask("*")},
		},
		"PATCH with the mask in the body, alone": {
			"PATCH", "/v1/accounts/a", `{ "updateMask": "policy" }`,
			&licensev1.UpdateAccountRequest{Account: account("accounts/a", ""), UpdateMask: mask("policy")},
		},
		"PATCH without a mask changes what the body holds": {
			"PATCH", "/v1/accounts/a", `{"displayName":"","policy":{"softDelete":false}}`,
			&licensev1.UpdateAccountRequest{
				Account: &licensev1.Account{Name: "accounts/a", Policy: &licensev1.AccountPolicy{}}, UpdateMask: mask("display_name", "policy.soft_delete")},
		},
		"PATCH of what was read changes no output fields": {
			"PATCH", "/v1/accounts/a", `{"name":"accounts/a","displayName":"B","licensesAssigned":4,"createTime":"2026-01-02T03:04:05Z","etag":"e1"}`,
			&licensev1.UpdateAccountRequest{Account: &licensev1.Account{
				Name: "accounts/a", DisplayName: "B", LicensesAssigned: 4, Etag: "e1", CreateTime: stamp(t, "2026-01-02T03:04:05Z"),
			}, UpdateMask: mask("display_name")},
		},
		"PATCH of nested settings": {
			"PATCH", "/v1/accounts/a/phoneUsers/p", `{"extensionNumber":"0042","settings":{"ringSeconds":20}}`,
			&licensev1.UpdatePhoneUserRequest{
				PhoneUser: &licensev1.PhoneUser{
					Name: "accounts/a/phoneUsers/p", ExtensionNumber: "0042", Settings: &licensev1.Settings{RingSeconds: proto.Int32(20)}},
				UpdateMask: mask("extension_number", "settings.ring_seconds")},
		},
		"a public route": {
			"POST", "/v1/phoneUserSetup:lookup", `{"token":"t"}`, &licensev1.LookupPhoneUserSetupRequest{Token: "t"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			got := b.do(t, tt.method, tt.path, tt.body)
			require.Equal(t, 200, got.code, got.body)
			require.Empty(t, cmp.Diff(tt.want, b.fake.seen(), protocmp.Transform()))
		})
	}
}

// What never reaches a service, and what the caller is told instead.
func TestRequests_Refused(t *testing.T) {
	t.Parallel()
	const (
		create = "/v1/accounts"
		assign = "/v1/accounts/a/phoneUsers:batchAssign"
		list   = "/v1/accounts/a/phoneUsers"
	)
	tests := map[string]struct {
		method, path, body string
		header             string
		code               int
		reason             string
		fields             []string
		says               string
	}{
		"garbage":                  {"POST", create, `{garbage`, "", 400, "BODY_INVALID", nil, "(line 1:2)"},
		"garbage for a request":    {"POST", assign, `[1`, "", 400, "BODY_INVALID", nil, "(line 1:1)"},
		"text":                     {"POST", assign, `hello`, "", 400, "BODY_INVALID", nil, "(line 1:1)"},
		"an array":                 {"POST", create, `[]`, "", 400, "BODY_INVALID", nil, "(line 1:1)"},
		"null":                     {"POST", create, `null`, "", 400, "BODY_INVALID", nil, "(line 1:1)"},
		"an unfinished object":     {"POST", create, `{"displayName":"A"`, "", 400, "BODY_INVALID", nil, "unexpected"},
		"a later syntax error":     {"PATCH", "/v1/accounts/a", "{\"updateMask\":\"policy\",\n\"displayName\":}", "", 400, "BODY_INVALID", nil, "(line 2:15)"},
		"an unknown member":        {"POST", create, "{\"displayName\":\"A\",\n \"seats\":1}", "", 400, "BODY_INVALID", nil, `(line 2:2): unknown field "seats"`},
		"an unknown nested member": {"POST", create, `{"policy":{"hardDelete":true}}`, "", 400, "BODY_INVALID", nil, `unknown field "hardDelete"`},
		"a member twice":           {"POST", create, `{"displayName":"A","displayName":"B"}`, "", 400, "BODY_INVALID", nil, `duplicate field "displayName"`},
		"a member in two spellings": {
			"POST", create, `{"displayName":"A","display_name":"B"}`, "", 400, "BODY_INVALID", nil, "duplicate field"},
		"a member beside the resource twice": {
			"POST", create, `{"requestId":"a","requestId":"b"}`, "", 400, "BODY_INVALID", nil, `"requestId" is there twice`},
		"a member beside the resource of a wrong type": {
			"PATCH", "/v1/accounts/a", `{"updateMask":["displayName"]}`, "", 400, "BODY_INVALID", nil, "updateMask"},
		"a second object":            {"POST", create, `{"displayName":"A"}{"displayName":"B"}`, "", 400, "BODY_INVALID", nil, "(line 1:20)"},
		"text after the object":      {"POST", assign, "{}\nx", "", 400, "BODY_INVALID", nil, "(line 2:1)"},
		"a member of a wrong type":   {"POST", create, `{"licenseSeats":"many"}`, "", 400, "BODY_INVALID", nil, "licenseSeats"},
		"a number that is too large": {"POST", create, `{"licenseSeats":4294967296}`, "", 400, "BODY_INVALID", nil, "licenseSeats"},
		"an unknown enum value":      {"POST", "/v1/accounts/a/users", `{"role":"KING"}`, "", 400, "BODY_INVALID", nil, "KING"},
		"text that is not UTF-8":     {"POST", create, "{\"displayName\":\"\xff\"}", "", 400, "BODY_INVALID", nil, "UTF-8"},
		"a body where none is taken": {"GET", "/v1/accounts/a", `{}`, "", 400, "BODY_INVALID", nil, "takes no body"},
		"a compressed body":          {"POST", create, `{}`, "Content-Encoding: gzip", 415, "BODY_INVALID", nil, "gzip"},
		"another name than the path's": {
			"POST", assign, `{"parent":"accounts/b"}`, "", 400, "FIELD_INVALID", []string{"parent"}, "not that of the path"},
		"another resource than the path's": {
			"PATCH", "/v1/accounts/a", `{"name":"accounts/b"}`, "", 400, "FIELD_INVALID", []string{"name"}, "not that of the path"},

		"an unknown parameter":              {"GET", list + "?pagesize=1", "", "", 400, "FIELD_INVALID", []string{"pagesize"}, "no such parameter"},
		"an unknown parameter of a get":     {"GET", "/v1/accounts/a?view=FULL", "", "", 400, "FIELD_INVALID", []string{"view"}, "no such parameter"},
		"any parameter beside a whole body": {"POST", assign + "?validateOnly=true", `{}`, "", 400, "FIELD_INVALID", []string{"validateOnly"}, "no such parameter"},
		"all wrong parameters at once":      {"GET", list + "?b=1&a=1&pageSize=x", "", "", 400, "FIELD_INVALID", []string{"a", "b", "pageSize"}, ""},
		"a parameter of a wrong type":       {"GET", list + "?pageSize=ten", "", "", 400, "FIELD_INVALID", []string{"pageSize"}, "ten"},
		"a parameter twice":                 {"GET", list + "?pageSize=1&pageSize=2", "", "", 400, "FIELD_INVALID", []string{"pageSize"}, "2 times"},
		"a parameter in two spellings":      {"GET", list + "?pageSize=1&page_size=2", "", "", 400, "FIELD_INVALID", []string{"page_size"}, "twice"},
		"a parameter that the path sets":    {"GET", list + "?parent=accounts/b", "", "", 400, "FIELD_INVALID", []string{"parent"}, "path"},
		"a parameter that the body sets":    {"POST", create + "?account.displayName=B", `{}`, "", 400, "FIELD_INVALID", []string{"account.displayName"}, "body"},
		"a broken query":                    {"GET", list + "?query=%zz", "", "", 400, "FIELD_INVALID", []string{"query"}, ""},
		"a mask twice": {
			"PATCH", "/v1/accounts/a?updateMask=policy", `{"updateMask":"policy"}`, "", 400, "FIELD_INVALID", []string{"updateMask"}, "2 times"},
		"a mask of an unknown field": {
			"PATCH", "/v1/accounts/a?updateMask=displayName,colour", `{}`, "", 400, "FIELD_INVALID", []string{"updateMask"}, "colour"},

		"no token":             {"GET", "/v1/accounts/a", "", "Authorization:", 401, "UNAUTHENTICATED", nil, "Authorization"},
		"no token, bad body":   {"POST", create, `{garbage`, "Authorization:", 401, "UNAUTHENTICATED", nil, ""},
		"an unknown route":     {"GET", "/v1/telephones", "", "", 404, "NOT_FOUND", nil, "/v1/telephones"},
		"an unknown verb":      {"POST", "/v1/accounts/a/phoneUsers:explode", "{}", "", 404, "NOT_FOUND", nil, ""},
		"outside of the API":   {"GET", "/wp-login.php", "", "", 404, "NOT_FOUND", nil, "/wp-login.php"},
		"an escaped slash":     {"GET", "/v1/accounts/a%2fusers%2Fu", "", "", 400, "FIELD_INVALID", []string{"path"}, "path"},
		"a wrong method":       {"DELETE", "/v1/accounts/a", "", "", 405, "METHOD_NOT_ALLOWED", nil, "GET, HEAD, PATCH"},
		"an unheard-of method": {"BREW", "/v1/accounts/a", "", "", 405, "METHOD_NOT_ALLOWED", nil, "GET, HEAD, PATCH"},
		"a method override": {
			"POST", "/v1/accounts/a", "", "X-HTTP-Method-Override: GET", 405, "METHOD_NOT_ALLOWED", nil, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			var headers []string
			if tt.header != "" {
				headers = append(headers, tt.header)
			}
			got := b.do(t, tt.method, tt.path, tt.body, headers...)
			require.Equal(t, tt.code, got.code, got.body)
			r := got.refused(t)
			require.Equal(t, tt.reason, r.reason(t))
			require.Contains(t, r.Message, tt.says)
			if tt.fields != nil {
				require.Equal(t, tt.fields, r.fields(t))
			}
			require.Nil(t, b.fake.seen(), "the request reached the service")
		})
	}
}
