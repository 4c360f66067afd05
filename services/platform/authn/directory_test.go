package authn_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
)

const anna = "7c0bd8c1-1f0a-4c50-9a38-1b7d3c6e7f10"

// book is a directory of one account.
type book struct {
	people map[string]authn.Person
	err    error
	asked  int
}

func (b *book) Find(_ context.Context, account, subject, email string) (authn.Person, error) {
	b.asked++
	if account != "a1" {
		return authn.Person{}, b.err
	}
	if p, ok := b.people[subject]; ok {
		return p, b.err
	}
	return b.people[email], b.err
}

func TestTheDirectoryDecides(t *testing.T) {
	t.Parallel()
	dir := &book{people: map[string]authn.Person{
		anna: {ID: anna, Role: "ADMIN"}, "max@example.com": {ID: "max", Role: "MEMBER"}, "new@example.com": {ID: "new"},
	}}
	for name, test := range map[string]struct {
		id         authn.Identity
		user, role string
	}{
		"by subject":                     {authn.Identity{Subject: anna, Account: "a1", Role: "ADMIN"}, anna, "ADMIN"},
		"without a claim":                {authn.Identity{Subject: anna, Account: "a1"}, anna, "ADMIN"},
		"a claim cannot raise":           {authn.Identity{Subject: anna, Account: "a1", Role: "OWNER"}, anna, "ADMIN"},
		"a claim can lower":              {authn.Identity{Subject: anna, Account: "a1", Role: "MEMBER"}, anna, "MEMBER"},
		"an unknown claim grants less":   {authn.Identity{Subject: anna, Account: "a1", Role: "KING"}, anna, "KING"},
		"by address":                     {authn.Identity{Subject: "x", Email: "max@example.com", Account: "a1", Role: "OWNER"}, "max", "MEMBER"},
		"not confirmed":                  {authn.Identity{Subject: "x", Email: "new@example.com", Account: "a1", Role: "OWNER"}, "new", ""},
		"not known: the issuer vouches":  {authn.Identity{Subject: "x", Email: "x@example.com", Account: "a1", Role: "OWNER"}, "", "OWNER"},
		"another account":                {authn.Identity{Subject: anna, Account: "a2", Role: "MEMBER"}, "", "MEMBER"},
		"no person that could be known":  {authn.Identity{Subject: "owner", Account: "a1", Role: "OWNER"}, "", "OWNER"},
		"operators are no one's members": {authn.Identity{Subject: anna, Operator: true, Account: "a1"}, "", ""},
	} {
		got, err := authn.Place(t.Context(), dir, test.id)
		require.NoError(t, err, name)
		require.Equal(t, test.user, got.User, name)
		require.Equal(t, test.role, got.Role, name)
	}
	dir.err = errors.New("away")
	_, err := authn.Place(t.Context(), dir, authn.Identity{Subject: anna, Account: "a1", Role: "OWNER"})
	require.Error(t, err, "nothing is granted while the directory cannot be asked")
}

func TestRolesAreRememberedForAWhile(t *testing.T) {
	t.Parallel()
	dir, clk := &book{people: map[string]authn.Person{anna: {ID: anna, Role: "OWNER"}}}, clock.NewFake(noon)
	remembered := authn.Remember(dir, 10*time.Second, clk)
	find := func() string {
		p, err := remembered.Find(t.Context(), "a1", anna, "")
		require.NoError(t, err)
		return p.Role
	}
	require.Equal(t, "OWNER", find())
	dir.people[anna] = authn.Person{ID: anna, Role: "MEMBER"}
	require.Equal(t, "OWNER", find())
	require.Equal(t, 1, dir.asked)
	clk.Advance(10 * time.Second)
	require.Equal(t, "MEMBER", find())
}
