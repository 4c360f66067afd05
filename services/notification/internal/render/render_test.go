package render_test

import (
	"html"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/notification/internal/message"
	"github.com/switchboard-phone/switchboard/services/notification/internal/render"
)

const link = "https://phone.example.com/setup?lang=en&token=s3cret.abc_DEF-123#top"

func renderer(t *testing.T) *render.Renderer {
	t.Helper()
	r, err := render.New()
	require.NoError(t, err)
	return r
}

func content(k message.Kind) render.Content {
	return render.Content{
		Kind: k, Name: "Ada Lovelace", Organisation: "Analytical Engines", Extension: "0042", Link: link,
		LinkExpiry: time.Date(2026, 3, 8, 10, 30, 0, 0, time.FixedZone("", 3600)),
	}
}

// hrefs returns the targets of the links of an HTML text, as a browser would follow them.
func hrefs(text string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		out = append(out, html.UnescapeString(m[1]))
	}
	return out
}

func TestRender(t *testing.T) {
	t.Parallel()
	r := renderer(t)
	for _, test := range []struct {
		kind      message.Kind
		subject   string
		extension bool
		action    string
	}{
		{message.Welcome, "Your phone extension at Analytical Engines is 0042", true, "basic phone settings"},
		{message.Invitation, "Analytical Engines invites you: please confirm your account", false, "Confirm your account"},
		{message.Confirmed, "Your account at Analytical Engines is confirmed: your extension is 0042", true, "another extension"},
	} {
		t.Run(string(test.kind), func(t *testing.T) {
			t.Parallel()
			texts, err := r.Render(content(test.kind))
			require.NoError(t, err)
			require.Equal(t, test.subject, texts.Subject)
			require.Equal(t, test.extension, strings.Contains(texts.Text, "Your extension: 0042"))
			require.Equal(t, test.extension, strings.Contains(texts.HTML, ">0042<"))
			require.Contains(t, texts.Text, "Hello Ada Lovelace,")
			require.Contains(t, texts.Text, test.action)
			require.Contains(t, texts.Text, "\n"+link+"\n", "on a line of its own, as it is")
			require.Contains(t, texts.Text, "until 8 March 2026, 09:30 UTC")
			require.Contains(t, texts.HTML, "until 8 March 2026, 09:30 UTC")
			require.Equal(t, []string{link, link}, hrefs(texts.HTML))
			require.Contains(t, texts.HTML, "<title>"+test.subject+"</title>")
			require.Equal(t, strings.ReplaceAll(texts.Text, "s3cret.abc_DEF-123", "REDACTED"), texts.Readable)
			require.NotContains(t, texts.Readable, "s3cret")
			for _, text := range []string{texts.Text, texts.HTML} {
				require.NotContains(t, text, "<no value>")
				require.NotContains(t, text, "ZgotmplZ")
			}
		})
	}
}

func TestRender_withoutNames(t *testing.T) {
	t.Parallel()
	r := renderer(t)
	for kind, subject := range map[message.Kind]string{
		message.Welcome: "Your phone extension is 0042", message.Invitation: "Please confirm your account",
		message.Confirmed: "Your account is confirmed: your extension is 0042",
	} {
		c := content(kind)
		c.Name, c.Organisation, c.LinkExpiry, c.Language = "", "", time.Time{}, "tlh"
		texts, err := r.Render(c)
		require.NoError(t, err)
		require.Equal(t, subject, texts.Subject)
		require.Contains(t, texts.Text, "Hello,\n")
		require.NotContains(t, texts.Text, "until")
		require.NotContains(t, texts.Text, " at .")
	}
}

func TestRender_hostileNames(t *testing.T) {
	t.Parallel()
	r := renderer(t)
	for _, name := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</title><script>`, `{{.Link}}`, `javascript:alert(1)`,
		"Eve\r\nBcc: victim@example.net\r\n\r\nYour account was closed, see http://evil.example", "\u202Eevil", "a\x00b",
		strings.Repeat("x", 5000),
	} {
		for _, kind := range []message.Kind{message.Welcome, message.Invitation, message.Confirmed} {
			c := content(kind)
			c.Name, c.Organisation, c.Extension = name, name, name
			texts, err := r.Render(c)
			require.NoError(t, err)
			honest, err := r.Render(content(kind))
			require.NoError(t, err)
			require.False(t, strings.ContainsAny(texts.Subject, "\r\n\x00"), "%q", texts.Subject)
			require.LessOrEqual(t, len(texts.Subject), 500)
			require.Equal(t, strings.Count(honest.Text, "\n"), strings.Count(texts.Text, "\n"), "no line of its own for %q", name)
			require.Equal(t, tags(honest.HTML), tags(texts.HTML), "no tag of its own for %q", name)
			require.Equal(t, []string{link, link}, hrefs(texts.HTML))
			require.NotContains(t, texts.HTML, "\u202e")
		}
	}
}

func tags(text string) []string { return regexp.MustCompile(`<[^>]*>`).FindAllString(text, -1) }

func TestRender_scripts(t *testing.T) {
	t.Parallel()
	r := renderer(t)
	for _, name := range []string{"Žofie Nováková", "山田 太郎", "محمد علي", "Ελένη", "O'Brien"} {
		c := content(message.Welcome)
		c.Name = name
		texts, err := r.Render(c)
		require.NoError(t, err)
		require.Contains(t, texts.Text, "Hello "+name+",")
		require.Contains(t, html.UnescapeString(texts.HTML), ">"+name+"<")
	}
}

func TestCheckLink(t *testing.T) {
	t.Parallel()
	r := renderer(t)
	for _, good := range []string{"http://127.0.0.1:8080/setup?token=x", "https://phone.example.com/a/b%20c?q=1&token=x#y", link} {
		require.NoError(t, render.CheckLink(good))
	}
	for _, bad := range []string{
		"", "/setup?token=x", "setup", "https://", "https:///x", "ftp://example.com/x", "javascript:alert(1)", "data:text/html,x",
		"https://example.com/a b", "https://example.com/\r\nX: y", "https://example.com/\">", "https://example.com/<x>", "https://exämple.com/",
		"https://example.com/%zz", "mailto:a@example.com", "https://example.com/`",
	} {
		require.Error(t, render.CheckLink(bad), bad)
		c := content(message.Welcome)
		c.Link = bad
		_, err := r.Render(c)
		require.Error(t, err, bad)
	}
}

func TestRender_unknownKind(t *testing.T) {
	t.Parallel()
	_, err := renderer(t).Render(content("SURPRISE"))
	require.Error(t, err)
}
