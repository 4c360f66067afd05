package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/issuer"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

// patience is how long a test waits for what happens on its own, such as a mail. Reaching it is a failure.
const patience = 30 * time.Second

// tenant is an account of a test's own, with callers of each kind. Its methods fail the test when a call does not work.
type tenant struct {
	*testing.T
	stack *stack.Stack

	// account is the account's resource name, path its address, domain that of its people's e-mail addresses.
	account, path, domain string
	// main is the main site's resource name.
	main string
	// admin is the caller that tests use; owner, member and operator show who may do what. anonymous sends no token.
	admin, owner, member, operator, anonymous *gatewayclient.Client

	people int
}

// newTenant makes an account with seats licence seats. Its main site has the extensions from 1000 to 9999.
func newTenant(t *testing.T, s *stack.Stack, seats int) *tenant {
	t.Helper()
	tn := newBareTenant(t, s, seats)
	tn.ranges(tn.main, "1000", "9999")
	return tn
}

// newBareTenant is newTenant without extensions.
func newBareTenant(t *testing.T, s *stack.Stack, seats int) *tenant {
	t.Helper()
	tn := &tenant{T: t, stack: s}
	tn.anonymous = gatewayclient.New(s.Info().Gateway, 0)
	t.Cleanup(tn.anonymous.Close)
	tn.operator = tn.as(issuer.Claims{Operator: true})
	var account gatewayclient.Account
	err := tn.operator.Post(t.Context(), "/v1/accounts", gatewayclient.Account{DisplayName: t.Name(), LicenseSeats: seats}, &account)
	require.NoError(t, err)
	tn.account, tn.path = account.Name, "/v1/"+account.Name
	tn.domain = id(account.Name)[24:] + ".example.com"
	tn.owner = tn.role("OWNER")
	tn.admin = tn.role("ADMIN")
	tn.member = tn.role("MEMBER")
	sites := list[gatewayclient.Site](tn, "/sites", "sites", nil)
	require.Len(t, sites, 1, "a new account has its main site")
	require.True(t, sites[0].IsMain)
	tn.main = sites[0].Name
	return tn
}

// as makes a caller with a token of its own.
func (tn *tenant) as(c issuer.Claims) *gatewayclient.Client {
	tn.Helper()
	token, err := tn.stack.Issuer().Token(c)
	require.NoError(tn, err)
	return tn.anonymous.As(token)
}

// role makes a caller with a role in the account.
func (tn *tenant) role(role string) *gatewayclient.Client {
	tn.Helper()
	return tn.as(issuer.Claims{Subject: strings.ToLower(role), Account: tn.account, Role: role})
}

// id is the last part of a resource name.
func id(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

// unknown makes the name of a resource that does not exist in the account.
func (tn *tenant) unknown(collection string) string {
	return tn.account + "/" + collection + "/" + uuid.NewString()
}

// list reads all items of a list of the account.
func list[T any](tn *tenant, path, items string, query url.Values) []T {
	tn.Helper()
	out, err := gatewayclient.List[T](tn.Context(), tn.admin, tn.path+path, items, query)
	require.NoError(tn, err)
	return out
}

// create makes a resource in a collection of the account.
func create[T any](tn *tenant, path string, body T) T {
	tn.Helper()
	var out T
	require.NoError(tn, tn.admin.Post(tn.Context(), tn.path+path, body, &out))
	return out
}

// ranges gives a site the extensions from..to.
func (tn *tenant) ranges(site, from, to string) gatewayclient.ExtensionRange {
	tn.Helper()
	var out gatewayclient.ExtensionRange
	require.NoError(tn, tn.admin.Post(tn.Context(), "/v1/"+site+"/extensionRanges", gatewayclient.ExtensionRange{From: from, To: to}, &out))
	return out
}

// site makes another site with the extensions from..to and answers its name.
func (tn *tenant) site(name, from, to string) string {
	tn.Helper()
	site := create(tn, "/sites", gatewayclient.Site{DisplayName: name}).Name
	tn.ranges(site, from, to)
	return site
}

// users makes n people and answers them.
func (tn *tenant) users(n int) []gatewayclient.User {
	tn.Helper()
	var out []gatewayclient.User
	for len(out) < n {
		batch := tn.newcomers(min(n-len(out), 1000))
		made, err := tn.admin.CreateUsers(tn.Context(), tn.account, batch)
		require.NoError(tn, err)
		require.Len(tn, made, len(batch))
		out = append(out, made...)
	}
	return out
}

// newcomers are n people who are not in the directory yet.
func (tn *tenant) newcomers(n int) []gatewayclient.User {
	out := make([]gatewayclient.User, n)
	for i := range out {
		tn.people++
		out[i] = gatewayclient.User{
			Email:     fmt.Sprintf("person%d@%s", tn.people, tn.domain),
			GivenName: fmt.Sprintf("Given%d", tn.people), FamilyName: fmt.Sprintf("Family%d", tn.people),
		}
	}
	return out
}

// userNames makes n people and answers their resource names.
func (tn *tenant) userNames(n int) []string {
	tn.Helper()
	out := make([]string, 0, n)
	for _, u := range tn.users(n) {
		out = append(out, u.Name)
	}
	return out
}

// room makes a room at the main site and answers its name.
func (tn *tenant) room(name string) string {
	tn.Helper()
	return create(tn, "/rooms", gatewayclient.Room{DisplayName: name, Site: tn.main}).Name
}

// pkg makes a package and answers its name.
func (tn *tenant) pkg(name string, seats int) string {
	tn.Helper()
	return create(tn, "/packages", gatewayclient.Package{DisplayName: name, Kind: "domestic", Seats: seats}).Name
}

// numbers adds n fictional direct numbers to the account.
func (tn *tenant) numbers(n int) []string {
	tn.Helper()
	out := make([]string, n)
	body := make([]gatewayclient.PhoneNumber, n)
	for i := range out {
		out[i] = fmt.Sprintf("+441632960%03d", i)
		body[i].Number = out[i]
	}
	require.NoError(tn, tn.admin.Post(tn.Context(), tn.path+"/phoneNumbers:batchCreate", map[string]any{"phoneNumbers": body}, nil))
	return out
}

// assign assigns licences at the main site.
func (tn *tenant) assign(assignees ...string) []gatewayclient.PhoneUser {
	tn.Helper()
	return tn.assignWith(gatewayclient.AssignRequest{Assignees: assignees, Site: tn.main})
}

// assignWith assigns licences and checks what every answer must be like.
func (tn *tenant) assignWith(req gatewayclient.AssignRequest) []gatewayclient.PhoneUser {
	tn.Helper()
	got, err := tn.admin.Assign(tn.Context(), tn.account, req)
	require.NoError(tn, err)
	require.Len(tn, got, len(req.Assignees))
	for i, u := range got {
		require.Equal(tn, req.Assignees[i], u.Assignee, "the answer is in the order asked")
		require.Equal(tn, "ACTIVE", u.State)
		require.NotEmpty(tn, u.Name)
		require.NotEmpty(tn, u.ExtensionNumber)
	}
	return got
}

// one makes a person with a licence.
func (tn *tenant) one() gatewayclient.PhoneUser {
	tn.Helper()
	return tn.assign(tn.userNames(1)...)[0]
}

// get reads a phone user.
func (tn *tenant) get(name string) gatewayclient.PhoneUser {
	tn.Helper()
	var out gatewayclient.PhoneUser
	require.NoError(tn, tn.admin.Get(tn.Context(), "/v1/"+name, &out))
	return out
}

// call posts to a custom method of a phone user and answers the phone user.
func (tn *tenant) call(name, method string, body any) gatewayclient.PhoneUser {
	tn.Helper()
	var out gatewayclient.PhoneUser
	require.NoError(tn, tn.admin.Post(tn.Context(), "/v1/"+name+":"+method, body, &out))
	return out
}

// try posts to a path below the account and answers the error only.
func (tn *tenant) try(path string, body any) error {
	return tn.admin.Post(tn.Context(), tn.path+path, body, nil)
}

// tryOn posts to a custom method of a resource and answers the error only.
func (tn *tenant) tryOn(name, method string, body any) error {
	return tn.admin.Post(tn.Context(), "/v1/"+name+":"+method, body, nil)
}

// phoneUsers lists the account's phone users.
func (tn *tenant) phoneUsers() []gatewayclient.PhoneUser {
	tn.Helper()
	return list[gatewayclient.PhoneUser](tn, "/phoneUsers", "phoneUsers", nil)
}

// extensions lists the account's extensions that are not free.
func (tn *tenant) extensions() []gatewayclient.Extension {
	tn.Helper()
	return list[gatewayclient.Extension](tn, "/extensions", "extensions", nil)
}

// notifications lists the account's notifications, with an AIP-160 filter or none.
func (tn *tenant) notifications(filter string) []gatewayclient.Notification {
	tn.Helper()
	var query url.Values
	if filter != "" {
		query = url.Values{"filter": {filter}}
	}
	return list[gatewayclient.Notification](tn, "/notifications", "notifications", query)
}

// accountNow reads the account.
func (tn *tenant) accountNow() gatewayclient.Account {
	tn.Helper()
	var out gatewayclient.Account
	require.NoError(tn, tn.admin.Get(tn.Context(), tn.path, &out))
	return out
}

// eventually polls check until it answers nil.
func (tn *tenant) eventually(check func() error) {
	tn.Helper()
	deadline := time.Now().Add(patience)
	for pause := 10 * time.Millisecond; ; pause = min(pause*3/2, 300*time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		require.True(tn, time.Now().Before(deadline), "waited %s: %v", patience, err)
		select {
		case <-tn.Context().Done():
			require.NoError(tn, tn.Context().Err())
		case <-time.After(pause):
		}
	}
}

// httpStatus is the HTTP status of each reason's code.
var httpStatus = map[string]int{
	"BATCH_TOO_LARGE": 400, "BATCH_EMPTY": 400, "DUPLICATE_IN_BATCH": 400, "SITE_REQUIRED": 400, "FIELD_INVALID": 400,
	"EXTENSION_RESERVED": 400, "EXTENSION_OUT_OF_RANGE": 400, "EXTENSION_INVALID": 400, "NUMBER_INVALID": 400, "RANGE_OVERLAP": 400,
	"REQUEST_ID_REUSED": 400, "PAGE_TOKEN_INVALID": 400, "FILTER_INVALID": 400, "TOKEN_INVALID": 400, "BODY_INVALID": 400, "CSV_INVALID": 400,
	"EXTENSION_IN_USE": 409, "ALREADY_LICENSED": 409, "EMAIL_IN_USE": 409, "NUMBER_EXISTS": 409, "NAME_IN_USE": 409,
	"RATE_LIMITED": 429, "LICENSE_EXHAUSTED": 429, "EXTENSION_RANGE_EXHAUSTED": 429, "PACKAGE_SEATS_EXHAUSTED": 429, "LIMIT_REACHED": 429,
	"TEMPLATE_SITE_MISMATCH": 400, "LICENSE_REQUIRED": 400, "PACKAGE_REQUIRED": 400, "PACKAGE_INACTIVE": 400,
	"NUMBER_NOT_AVAILABLE": 400, "TRASH_REQUIRED": 400, "ALREADY_SET_UP": 400, "RESEND_TOO_SOON": 400, "USER_PENDING": 400,
	"SOFT_DELETE_DISABLED": 400, "NOT_TRASHABLE": 400, "RANGE_IN_USE": 400, "RESOURCE_IN_USE": 400, "NOT_DELETED": 409, "ETAG_MISMATCH": 409, "OPERATION_IN_PROGRESS": 409, "UNAVAILABLE": 503, "NOT_FOUND": 404, "PERMISSION_DENIED": 403, "UNAUTHENTICATED": 401,
}

// refused checks that err is the refusal named, in the documented shape, and names exactly these fields (any where none are given).
func (tn *tenant) refused(err error, reason string, fields ...string) *gatewayclient.Error {
	tn.Helper()
	require.Error(tn, err)
	var refusal *gatewayclient.Error
	require.ErrorAs(tn, err, &refusal)
	require.Equal(tn, reason, refusal.Reason, "%s\n%s", err, refusal.Body)
	require.Equal(tn, "switchboard", refusal.Domain)
	require.Contains(tn, httpStatus, reason, "a reason that the test does not know")
	require.Equal(tn, httpStatus[reason], refusal.HTTPStatus, "%s %s", reason, http.StatusText(refusal.HTTPStatus))
	require.NotEmpty(tn, refusal.Message)
	require.NotEmpty(tn, refusal.RequestID, "every answer carries its request id")
	require.NotContains(tn, string(refusal.Body), "SQLSTATE", "driver text never reaches a caller")
	if len(fields) > 0 {
		require.Equal(tn, fields, refusal.Fields(), "%s", refusal.Body)
	}
	return refusal
}
