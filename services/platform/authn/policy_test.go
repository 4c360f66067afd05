package authn_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/dynamicpb"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/internal/testsvc"
)

// services returns what a server with the test service offers.
func services(names ...string) map[string]grpc.ServiceInfo {
	s := grpc.NewServer()
	for _, name := range names {
		testsvc.Register(s, name, nil)
	}
	return s.GetServiceInfo()
}

func TestPolicyAdmitsAsTheOptionsSay(t *testing.T) {
	t.Parallel()
	p, err := authn.NewPolicy(services(testsvc.Service), []string{testsvc.Full("Own")})
	require.NoError(t, err)

	owner := authn.Identity{Subject: "o", Account: "a1", Role: "OWNER"}
	admin := authn.Identity{Subject: "d", Account: "a1", Role: "ADMIN"}
	member := authn.Identity{Subject: "m", Account: "a1", Role: "MEMBER"}
	operator := authn.Identity{Subject: "p", Operator: true}
	license := authn.Identity{Subject: "l", Service: "license"}
	own, foreign := "accounts/a1/things/t", "accounts/a2/things/t"
	const ok, denied, unauthenticated = commonv1.Reason_REASON_UNSPECIFIED, commonv1.Reason_PERMISSION_DENIED, commonv1.Reason_UNAUTHENTICATED

	for name, c := range map[string]struct {
		who    *authn.Identity
		method string
		req    *dynamicpb.Message
		want   commonv1.Reason
	}{
		"role of the account":               {&owner, "Get", testsvc.New(testsvc.Name(own)), ok},
		"the account itself":                {&owner, "Get", testsvc.New(testsvc.Name("accounts/a1")), ok},
		"another role of the account":       {&member, "Get", testsvc.New(testsvc.Name(own)), denied},
		"another account":                   {&owner, "Get", testsvc.New(testsvc.Name(foreign)), denied},
		"an account with the same prefix":   {&owner, "Get", testsvc.New(testsvc.Name("accounts/a10/things/t")), denied},
		"a name outside of accounts":        {&owner, "Get", testsvc.New(testsvc.Name("things/accounts/a1")), denied},
		"no name at all":                    {&owner, "Get", testsvc.New(), denied},
		"an operator in any account":        {&operator, "Get", testsvc.New(testsvc.Name(foreign)), ok},
		"an operator where none is meant":   {&operator, "Update", testsvc.New(testsvc.Thing(own)), denied},
		"nobody":                            {nil, "Get", testsvc.New(testsvc.Name(own)), unauthenticated},
		"a nested name":                     {&admin, "Update", testsvc.New(testsvc.Thing(own)), ok},
		"a nested name elsewhere":           {&admin, "Update", testsvc.New(testsvc.Thing(foreign)), denied},
		"only the nested name counts":       {&admin, "Update", testsvc.New(testsvc.Name(own)), denied},
		"lists, all in the account":         {&admin, "Batch", testsvc.New(testsvc.Parent("accounts/a1"), testsvc.Names(own, own), testsvc.Things(own)), ok},
		"a list with one name elsewhere":    {&admin, "Batch", testsvc.New(testsvc.Parent("accounts/a1"), testsvc.Names(own, foreign)), denied},
		"one nested list element elsewhere": {&admin, "Batch", testsvc.New(testsvc.Parent("accounts/a1"), testsvc.Things(own, foreign)), denied},
		"the parent elsewhere":              {&admin, "Batch", testsvc.New(testsvc.Parent("accounts/a2"), testsvc.Names(own)), denied},
		"handler looks the account up":      {&admin, "Own", testsvc.New(testsvc.Name("things/t")), ok},
		"…but the role counts before":       {&member, "Own", testsvc.New(testsvc.Name("things/t")), denied},
		"a service":                         {&license, "Internal", testsvc.New(testsvc.Name(foreign)), ok},
		"another service":                   {&authn.Identity{Service: "extension"}, "Internal", testsvc.New(), denied},
		"a person where a service is meant": {&owner, "Internal", testsvc.New(testsvc.Name(own)), denied},
		"an operator's method":              {&operator, "Operate", testsvc.New(), ok},
		"an owner at an operator's method":  {&owner, "Operate", testsvc.New(testsvc.Name(own)), denied},
		"public without a token":            {nil, "Public", testsvc.New(), ok},
		"public with one":                   {&member, "Public", testsvc.New(), ok},
		"a method nobody has heard of":      {&operator, "Nothing", testsvc.New(), denied},
		"an account without an id":          {&authn.Identity{Role: "OWNER"}, "Get", testsvc.New(testsvc.Name("accounts//things/t")), denied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			if c.who != nil {
				ctx = authn.NewContext(ctx, *c.who)
			}
			require.Equal(t, c.want, errs.Reason(p.Authorize(ctx, testsvc.Full(c.method), c.req)))
		})
	}
}

func TestPolicyRefusesToStartWithHoles(t *testing.T) {
	t.Parallel()
	own := []string{testsvc.Full("Own")}
	_, err := authn.NewPolicy(services(testsvc.Service, testsvc.Unguarded), own)
	require.ErrorContains(t, err, "/"+testsvc.Unguarded+"/Get: it has no access option")

	_, err = authn.NewPolicy(services(testsvc.Service), nil)
	require.ErrorContains(t, err, testsvc.Full("Own"), "roles without a hint at the account")

	_, err = authn.NewPolicy(services(testsvc.Service), append(own, testsvc.Full("Get")))
	require.ErrorContains(t, err, testsvc.Full("Get"), "an account_field is not overruled by mistake")

	_, err = authn.NewPolicy(services(testsvc.Service), append(own, "/some.Other/Method"))
	require.ErrorContains(t, err, "/some.Other/Method")

	_, err = authn.NewPolicy(map[string]grpc.ServiceInfo{"not.registered.Anywhere": {Methods: []grpc.MethodInfo{{Name: "Get"}}}}, nil)
	require.ErrorContains(t, err, "not.registered.Anywhere")
}

func TestRequireAccount(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ctx  context.Context
		want commonv1.Reason
	}{
		"own account":     {authn.NewContext(t.Context(), authn.Identity{Account: "a1", Role: "ADMIN"}), commonv1.Reason_REASON_UNSPECIFIED},
		"another account": {authn.NewContext(t.Context(), authn.Identity{Account: "a2", Role: "ADMIN"}), commonv1.Reason_PERMISSION_DENIED},
		"operator":        {authn.NewContext(t.Context(), authn.Identity{Operator: true}), commonv1.Reason_REASON_UNSPECIFIED},
		"nobody":          {t.Context(), commonv1.Reason_PERMISSION_DENIED},
	} {
		require.Equal(t, c.want, errs.Reason(authn.RequireAccount(c.ctx, "a1")), name)
	}
	require.Error(t, authn.RequireAccount(authn.NewContext(t.Context(), authn.Identity{}), ""), "no account is nobody's")
}
