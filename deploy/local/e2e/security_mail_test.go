package e2e

import (
	"html"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

// TestMailsCannotBeBentByNames types markup and pieces of headers where names belong: mails show them as they are typed, or the
// name is refused.
func TestMailsCannotBeBentByNames(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		const organisation = `<b>Acme</b> "&" {{.Link}}`
		require.NoError(t, tn.admin.Patch(t.Context(), tn.path, map[string]any{"displayName": organisation}, nil))
		for i, name := range []string{`<script>alert(1)</script>`, `"Eve" <eve@evil.example>, "Bob"`, `=?utf-8?q?Bcc:_x?=`, "\u202egnp.exe", `{{.LinkExpiry}}`, `</title><a href=http://evil.example>`} {
			u := create(tn, "/users", gatewayclient.User{Email: string(rune('a'+i)) + "@" + tn.domain, GivenName: name})
			tn.assign(u.Name)
			mail := tn.awaitMails(u.Email, 1)[0]
			require.Equal(t, u.Email, mail.To)
			require.False(t, strings.ContainsAny(mail.Subject, "\r\n"), "%q", mail.Subject)
			require.Contains(t, mail.Subject, organisation, "in one piece, as it was typed")
			for _, tag := range []string{"<script", "<b>", "<a href=http://evil", "\u202e"} {
				require.NotContains(t, mail.HTML, tag, name)
			}
			require.Contains(t, html.UnescapeString(mail.HTML), organisation)
			require.Equal(t, 2, strings.Count(mail.HTML, `href="`), "the button and the address below it, no other link")
		}
		for _, name := range []string{"Eve\r\nBcc: victim@example.net", "Eve\nX: y", "a\x00b", "a\u2028b"} {
			err := tn.admin.Post(t.Context(), tn.path+"/users", gatewayclient.User{Email: "z@" + tn.domain, GivenName: name}, nil)
			tn.refused(err, "FIELD_INVALID", "givenName")
			err = tn.admin.Patch(t.Context(), tn.path, map[string]any{"displayName": name}, nil)
			tn.refused(err, "FIELD_INVALID", "displayName")
		}
	})
}
