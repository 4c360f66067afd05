package transcode

import (
	"testing"

	"github.com/stretchr/testify/require"

	_ "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1" // its routes
)

func TestJSONPath(t *testing.T) {
	t.Parallel()
	routes, err := loadRoutes(Limits{})
	require.NoError(t, err)
	const (
		assign  = "POST /v1/{parent=accounts/*}/phoneUsers:batchAssign"
		hire    = "POST /v1/{parent=accounts/*}/users:batchCreate"
		list    = "GET /v1/{parent=accounts/*}/phoneUsers"
		update  = "PATCH /v1/{phone_user.name=accounts/*/phoneUsers/*}"
		account = "PATCH /v1/{account.name=accounts/*}"
	)
	for _, tt := range []struct{ route, path, want string }{
		{assign, "request_id", "requestId"},
		{assign, "assignees[17]", "assignees[17]"},
		{assign, "validate_only", "validateOnly"},
		{assign, "requestId", "requestId"},
		{hire, "users[3].given_name", "users[3].givenName"},
		{hire, "users[3].no_such_field", "users[3].no_such_field"},
		{hire, "users[3].features[1]", "users[3].features[1]"},
		{list, "order_by", "orderBy"},
		{list, "page_size", "pageSize"},
		// The body is the resource alone.
		{update, "phone_user.extension_number", "extensionNumber"},
		{update, "phone_user.settings.ring_seconds", "settings.ringSeconds"},
		{update, "extension_number", "extensionNumber"},
		{update, "update_mask", "updateMask"},
		{account, "account.policy.soft_delete", "policy.softDelete"},
		{account, "account.policy.extension_quarantine.seconds", "policy.extensionQuarantine.seconds"},
		// What is no field stays as it is.
		{assign, "", ""},
		{assign, "path", "path"},
		{assign, "[0]", "[0]"},
		{assign, "request_id.deeper", "requestId.deeper"},
		{assign, `request_id["a.b"]`, `request_id["a.b"]`},
		{update, "phone_user", "phoneUser"},
		{update, "phone_user.", ""},
	} {
		require.Contains(t, routes, tt.route)
		require.Equal(t, tt.want, routes[tt.route].jsonPath(tt.path), "%s: %s", tt.route, tt.path)
	}
}
