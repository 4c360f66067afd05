package message_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchboard-phone/switchboard/services/notification/internal/message"
)

func TestRedactLink(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://p.example/setup?token=abc.DEF-1_2":        "https://p.example/setup?token=REDACTED",
		"https://p.example/setup?lang=en&token=abc&x=1":    "https://p.example/setup?lang=en&token=REDACTED&x=1",
		"https://p.example/#token=abc":                     "https://p.example/#token=REDACTED",
		"https://p.example/#/setup?token=abc&a=accounts/1": "https://p.example/#/setup?token=REDACTED&a=accounts/1",
		"https://p.example/setup?Token=abc":                "https://p.example/setup?Token=REDACTED",
		"https://p.example/setup?token=a&token=b":          "https://p.example/setup?token=REDACTED&token=REDACTED",
		"https://p.example/setup?token=a#token=b":          "https://p.example/setup?token=REDACTED#token=REDACTED",
		"https://p.example/setup?code=abc":                 "https://p.example/setup?REDACTED",
		"https://p.example/setup?mytoken=abc":              "https://p.example/setup?REDACTED",
		"https://p.example/setup#abc":                      "https://p.example/setup#REDACTED",
		"https://p.example/setup":                          "https://p.example/setup",
	} {
		require.Equal(t, want, message.RedactLink(in), in)
	}
}

// Whatever surrounds it, a token does not survive.
func TestRedactLink_always(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[A-Za-z0-9_.~-]{16,40}`).Draw(t, "secret")
		before := rapid.StringMatching(`([a-z]{1,5}=[a-z0-9]{0,8}&){0,3}`).Draw(t, "before")
		after := rapid.StringMatching(`(&[a-z]{1,5}=[a-z0-9]{0,8}){0,3}`).Draw(t, "after")
		mark := rapid.SampledFrom([]string{"?", "#", "#/page?"}).Draw(t, "mark")
		require.NotContains(t, message.RedactLink("https://p.example/setup"+mark+before+"token="+secret+after), secret)
	})
}

func TestSingleLine(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Ada Lovelace":            "Ada Lovelace",
		"  Ada \t Lovelace  ":     "Ada Lovelace",
		"Ada\r\nBcc: x@y":         "Ada Bcc: x@y",
		"a\u2028b\u2029c\u0085d":  "a b c d",
		"\u202Egnp.exe\u202C":     "gnp.exe",
		"\u2067א\u2069":           "א",
		"محمد\u200Fعلي":           "محمد\u200Fعلي",
		"a\x00b\x1b[31m":          "a b [31m",
		string([]byte{'a', 0xff}): "a",
		"":                        "",
		"👩‍💻 Ada":                 "👩‍💻 Ada",
	} {
		require.Equal(t, want, message.SingleLine(in, 0), "%q", in)
	}
	require.Equal(t, "日本", message.SingleLine("日本語", 2))
	require.Equal(t, "ab", message.SingleLine("ab cd", 3), "no space at the end")
	require.Equal(t, "ab", message.SingleLine("ab", 2))
}

func TestSingleLine_always(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.String().Draw(t, "in")
		limit := rapid.IntRange(1, 50).Draw(t, "limit")
		out := message.SingleLine(in, limit)
		require.LessOrEqual(t, utf8.RuneCountInString(out), limit)
		require.True(t, utf8.ValidString(out))
		require.False(t, strings.ContainsAny(out, "\r\n\x00\t"))
		require.Equal(t, out, message.SingleLine(out, limit), "once is enough")
	})
}

func TestRetryPolicy_Next(t *testing.T) {
	t.Parallel()
	p := message.RetryPolicy{Initial: time.Second, Multiplier: 2, Max: 10 * time.Second, Jitter: 0.5, MaxAttempts: 7}
	require.NoError(t, p.Validate())
	for attempt, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second, 10 * time.Second} {
		wait, again := p.Next(attempt+1, 0)
		require.True(t, again)
		require.Equal(t, want, wait)
		wait, again = p.Next(attempt+1, 0.5)
		require.True(t, again)
		require.Equal(t, want*3/4, wait)
	}
	for _, attempt := range []int{7, 8, 1000} {
		_, again := p.Next(attempt, 0)
		require.False(t, again)
	}
}

func TestRetryPolicy_manyAttempts(t *testing.T) {
	t.Parallel()
	p := message.RetryPolicy{Initial: time.Second, Multiplier: 10, Max: time.Hour, MaxAttempts: 1_000_000}
	wait, again := p.Next(500_000, 0)
	require.True(t, again)
	require.Equal(t, time.Hour, wait, "no overflow")
}

func TestRecipientKey(t *testing.T) {
	t.Parallel()
	require.Equal(t, message.RecipientKey("ada@example.com"), message.RecipientKey(" Ada@EXAMPLE.com "))
	require.NotEqual(t, message.RecipientKey("ada@example.com"), message.RecipientKey("ada@example.org"))
}
