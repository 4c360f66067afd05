package demo_test

import (
	"net/mail"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/demo"
)

func TestPeopleAreDistinctAndReachNobody(t *testing.T) {
	t.Parallel()
	people, err := demo.People(demo.MaxPeople())
	require.NoError(t, err)
	emails, names := map[string]bool{}, map[string]bool{}
	for _, p := range people {
		addr, err := mail.ParseAddress(p.Email)
		require.NoError(t, err, p.Email)
		require.Equal(t, p.Email, addr.Address)
		require.False(t, emails[p.Email], "twice: %s", p.Email)
		emails[p.Email] = true
		full := p.GivenName + " " + p.FamilyName
		require.True(t, utf8.ValidString(full))
		require.False(t, names[full], "twice: %s", full)
		names[full] = true
		_, domain, _ := strings.Cut(p.Email, "@")
		require.Contains(t, []string{"example.com", "example.org", "example.net"}, domain)
	}
	_, err = demo.People(demo.MaxPeople() + 1)
	require.Error(t, err)
}

func TestPeopleComeInManyScripts(t *testing.T) {
	t.Parallel()
	people, err := demo.People(250)
	require.NoError(t, err)
	require.Len(t, people, 250)
	scripts := map[string]bool{}
	for _, p := range people {
		for _, r := range p.GivenName + p.FamilyName {
			for script, table := range unicode.Scripts {
				if script != "Common" && script != "Inherited" && unicode.Is(table, r) {
					scripts[script] = true
				}
			}
		}
	}
	require.GreaterOrEqual(t, len(scripts), 12, "%v", scripts)
}

func TestNumbersAreDistinctAndFictional(t *testing.T) {
	t.Parallel()
	fictional := regexp.MustCompile(`^(\+120255501\d\d|\+442079460\d{3}|\+441632960\d{3})$`)
	seen := map[string]bool{}
	for _, n := range demo.Numbers(200) {
		require.Regexp(t, fictional, n)
		require.False(t, seen[n], "twice: %s", n)
		seen[n] = true
	}
}
