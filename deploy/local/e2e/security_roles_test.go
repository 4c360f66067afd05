package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/issuer"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

// TestRolesComeFromTheDirectory asks every service: license reads its directory, the others ask license.
func TestRolesComeFromTheDirectory(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		user := func(name, role string) gatewayclient.User {
			return create(tn, "/users", gatewayclient.User{Email: name + "@" + tn.domain, GivenName: name, Role: role})
		}
		boss, clerk := user("boss", "OWNER"), user("clerk", "MEMBER")
		everywhere := []string{"/phoneUsers", "/extensions", "/packages", "/notifications"}
		for name, test := range map[string]struct {
			claims issuer.Claims
			may    bool
		}{
			"a directory owner, by id, without a claim":      {issuer.Claims{Subject: id(boss.Name), Account: tn.account}, true},
			"a directory owner, by address, without a claim": {issuer.Claims{Subject: "x", Email: boss.Email, Account: tn.account}, true},
			"a member whose token says owner":                {issuer.Claims{Subject: id(clerk.Name), Account: tn.account, Role: "OWNER"}, false},
			"the same, by address":                           {issuer.Claims{Subject: "y", Email: clerk.Email, Account: tn.account, Role: "OWNER"}, false},
			"an owner whose token says member":               {issuer.Claims{Subject: id(boss.Name), Account: tn.account, Role: "MEMBER"}, false},
			"nobody of the directory, and no claim":          {issuer.Claims{Subject: "z", Account: tn.account}, false},
			"an owner elsewhere":                             {issuer.Claims{Subject: id(boss.Name), Account: newBareTenant(t, s, 1).account}, false},
		} {
			caller := tn.as(test.claims)
			for _, path := range everywhere {
				err := caller.Get(t.Context(), tn.path+path, nil)
				if test.may {
					require.NoError(t, err, "%s: %s", name, path)
				} else {
					tn.refused(err, "PERMISSION_DENIED")
				}
			}
		}
	})
}

// TestMembersSeeAndChangeTheirOwn shows that people reach what is their own, and nothing else, and cannot tell another's from what
// does not exist.
func TestMembersSeeAndChangeTheirOwn(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		people := tn.users(2)
		phones := tn.assign(people[0].Name, people[1].Name)
		member := tn.as(issuer.Claims{Subject: id(people[0].Name), Account: tn.account})
		own, another := "/v1/"+phones[0].Name, "/v1/"+phones[1].Name
		missing := "/v1/" + tn.unknown("phoneUsers")

		var phone gatewayclient.PhoneUser
		require.NoError(t, member.Get(t.Context(), own, &phone))
		require.Equal(t, phones[0].ExtensionNumber, phone.ExtensionNumber)
		require.NoError(t, member.Get(t.Context(), own+"/records", nil))
		require.NoError(t, member.Get(t.Context(), "/v1/"+people[0].Name, nil))
		require.NoError(t, member.Patch(t.Context(), own, map[string]any{"settings": map[string]any{"language": "de"}}, nil))
		tn.refused(member.Patch(t.Context(), own, map[string]any{"extensionNumber": "4711"}, nil), "PERMISSION_DENIED")
		tn.refused(member.Patch(t.Context(), own, map[string]any{"site": tn.main}, nil), "PERMISSION_DENIED")
		for _, path := range []string{another, missing, another + "/records", missing + "/records", "/v1/" + people[1].Name, "/v1/" + tn.unknown("users"), tn.path + "/phoneUsers", tn.path + "/users", tn.path + "/log", tn.path} {
			tn.refused(member.Get(t.Context(), path, nil), "PERMISSION_DENIED")
		}
		for _, path := range []string{another, missing} {
			tn.refused(member.Patch(t.Context(), path, map[string]any{"settings": map[string]any{"language": "de"}}, nil), "PERMISSION_DENIED")
		}
		tn.refused(member.Post(t.Context(), own+":resendInvite", map[string]any{}, nil), "PERMISSION_DENIED")
	})
}
