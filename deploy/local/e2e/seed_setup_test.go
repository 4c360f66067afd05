package e2e

import (
	"net/http"
	"net/url"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/mailsink"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

// tokenInLink finds the token of the link in a mail.
var tokenInLink = regexp.MustCompile(`https?://\S*[?&#]token=([A-Za-z0-9._~-]+)`)

// linkToken takes the token out of a mail's link.
func linkToken(tn *tenant, mail mailsink.Mail) string {
	tn.Helper()
	found := tokenInLink.FindStringSubmatch(mail.Text)
	require.NotNil(tn, found, "the mail has no link with a token:\n%s", mail.Text)
	require.Contains(tn, mail.HTML, found[1], "both bodies have the same link")
	return found[1]
}

// welcome waits for a person's welcome mail and answers the token of its link.
func (tn *tenant) welcome(u gatewayclient.PhoneUser) string {
	tn.Helper()
	tn.settled()
	mails := tn.mails(u.Email)
	require.NotEmpty(tn, mails)
	return linkToken(tn, mails[0])
}

// opensAPage follows the link of a mail as a browser does, which keeps the token to itself.
func (tn *tenant) opensAPage(mail mailsink.Mail) {
	tn.Helper()
	link, err := url.Parse(tokenInLink.FindString(mail.Text))
	require.NoError(tn, err)
	require.Equal(tn, tn.stack.Info().Gateway, link.Scheme+"://"+link.Host)
	require.Empty(tn, link.RawQuery, "the token is in the fragment, which no server sees")
	answer, err := tn.anonymous.Raw(tn.Context(), http.MethodGet, link.Path, nil, http.Header{"Accept": {"text/html"}})
	require.NoError(tn, err)
	require.Equal(tn, http.StatusOK, answer.Status)
	require.Contains(tn, answer.Header.Get("Content-Type"), "text/html")
}

// lookup reads what the page shows.
func (tn *tenant) lookup(token string) (gatewayclient.Setup, error) {
	var out gatewayclient.Setup
	err := tn.anonymous.Post(tn.Context(), "/v1/phoneUserSetup:lookup", map[string]any{"token": token}, &out)
	return out, err
}

// complete saves the page.
func (tn *tenant) complete(token string, body map[string]any) (gatewayclient.Setup, error) {
	body["token"] = token
	var out gatewayclient.Setup
	err := tn.anonymous.Post(tn.Context(), "/v1/phoneUserSetup:complete", body, &out)
	return out, err
}

func TestSeed15_NoResendAfterTheSetUp(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		u := tn.one()
		_, err := tn.complete(tn.welcome(u), map[string]any{})
		require.NoError(t, err)
		require.True(t, tn.get(u.Name).SetupComplete)
		tn.refused(tn.tryOn(u.Name, "resendInvite", map[string]any{}), "ALREADY_SET_UP")
		require.Len(t, tn.mails(u.Email), 1, "no further mail")
	})
}

func TestSeed16_TheLinkOpensThePersonsOwnSetUp(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		two := tn.assign(tn.userNames(2)...)
		token := tn.welcome(two[0])
		tn.opensAPage(tn.mails(two[0].Email)[0])
		page, err := tn.lookup(token)
		require.NoError(t, err)
		require.Equal(t, two[0].DisplayName, page.DisplayName)
		require.Equal(t, two[0].ExtensionNumber, page.ExtensionNumber)
		require.False(t, page.SetupComplete)
		require.False(t, page.ExtensionChangeable, "the extension is an administrator's to change")

		page, err = tn.complete(token, map[string]any{"settings": map[string]any{"language": "fr", "ringSeconds": 60}})
		require.NoError(t, err)
		require.True(t, page.SetupComplete)
		now := tn.get(two[0].Name)
		require.True(t, now.SetupComplete)
		require.Equal(t, "fr", *now.Settings.Language)
		require.Equal(t, 60, *now.Settings.RingSeconds)

		// What was set stays unless it is set again.
		_, err = tn.complete(token, map[string]any{"settings": map[string]any{"doNotDisturb": true}})
		require.NoError(t, err)
		now = tn.get(two[0].Name)
		require.Equal(t, "fr", *now.Settings.Language)
		require.True(t, *now.Settings.DoNotDisturb)

		other := tn.get(two[1].Name)
		require.False(t, other.SetupComplete, "the link works for that person only")
		require.Equal(t, two[1], other)

		for name, bad := range map[string]string{
			"cut short": token[:len(token)-3], "changed": token[:len(token)/2] + "x" + token[len(token)/2+1:], "made up": "made.up.token",
		} {
			_, err := tn.lookup(bad)
			t.Log(name)
			tn.refused(err, "TOKEN_INVALID")
			_, err = tn.complete(bad, map[string]any{})
			tn.refused(err, "TOKEN_INVALID")
		}
		_, err = tn.complete(token, map[string]any{"settings": map[string]any{"ringSeconds": 4000}})
		tn.refused(err, "FIELD_INVALID")
		_, err = tn.complete(token, map[string]any{"extensionNumber": "1500"})
		tn.refused(err, "FIELD_INVALID")
		require.Equal(t, now, tn.get(two[0].Name), "what was refused changed nothing")
	})
}

func TestSeed16_TheLinkEndsWithTheLicence(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		u := tn.one()
		token := tn.welcome(u)
		tn.remove(u)
		_, err := tn.lookup(token)
		tn.refused(err, "LICENSE_REQUIRED")
		_, err = tn.complete(token, map[string]any{})
		tn.refused(err, "LICENSE_REQUIRED")
	})
}
