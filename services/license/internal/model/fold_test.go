package model_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchboard-phone/switchboard/services/license/internal/model"
)

func TestFold(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                     "",
		"  Ada \t  Lovelace\n": "ada lovelace",
		"STRASSE":              "strasse",
		"Straße":               "strasse",
		"Mu\u0308ller":         "m\u00fcller",
		"Ｆｕｌｌ\u3000width":      "full width",
		"ΣΊΣΥΦΟΣ":              "σίσυφοσ",
		"李小龍":                  "李小龍",
	} {
		require.Equal(t, want, model.Fold(in), "%q", in)
	}
	// 200 characters that NFKC spells out to 18 each.
	long := strings.Repeat("\uFDFA", 199)
	a, b := model.Fold(long+"a"), model.Fold(long+"b")
	require.LessOrEqual(t, len(a), 900)
	require.True(t, utf8.ValidString(a))
	require.NotEqual(t, a, b, "what differs stays different")
	require.Equal(t, strings.Repeat("\U0001F98A", 201), model.Fold(strings.Repeat("\U0001F98A", 201)), "long names of ordinary characters are kept whole")
}

func TestQueryWords(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"ada", "o'hara", "50%"}, model.QueryWords(" ADA\x00O'Hara\u00a050% "))
	require.Empty(t, model.QueryWords(" \t\x01 "))
}

func TestSearchPhrase(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{
		"ada": " ada", "anne-m": " anne m", "ana.lopez@": " ana lopez ", "o'hara": " o hara", "@example": " example", "a+b": " a b",
	} {
		got, ok := model.SearchPhrase(word)
		require.True(t, ok, word)
		require.Equal(t, want, got)
	}
	for _, word := range []string{"", "-", "...", "+", "@"} {
		_, ok := model.SearchPhrase(word)
		require.False(t, ok, word)
	}
}

func TestNumberPrefix(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]struct {
		digits   string
		plus, ok bool
	}{
		"": {}, "12": {digits: "12", ok: true}, "+": {plus: true, ok: true}, "+12": {digits: "12", plus: true, ok: true},
		"12a": {}, "++1": {}, "1+": {}, "٣": {}, "0": {digits: "0", ok: true},
	} {
		digits, plus, ok := model.NumberPrefix(word)
		require.Equal(t, want.ok, ok, word)
		if ok {
			require.Equal(t, want.digits, digits, word)
			require.Equal(t, want.plus, plus, word)
		}
	}
}

// TestSearchFindsEveryBeginning types the beginning of any word of any name, in any case, and must find its owner.
func TestSearchFindsEveryBeginning(t *testing.T) {
	t.Parallel()
	word := rapid.StringMatching(`[A-Za-zÀ-ÖØ-öø-ÿΑ-Ωα-ωА-яぁ-ん一-丁0-9]{1,12}`)
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(word, 1, 5).Draw(t, "words")
		between := rapid.SampledFrom([]string{" ", "-", "  ", ", ", "'", "\u00a0"}).Draw(t, "between")
		email := word.Draw(t, "local") + "." + word.Draw(t, "local") + "@" + word.Draw(t, "domain") + ".example"
		text := model.PhoneUserSearchText(strings.Join(words, between), email)
		all := slices.Concat(words, strings.FieldsFunc(email, func(r rune) bool { return r == '.' || r == '@' }))
		typed := []rune(rapid.SampledFrom(all).Draw(t, "word"))
		query := string(typed[:rapid.IntRange(1, len(typed)).Draw(t, "length")])
		if rapid.Bool().Draw(t, "upper") {
			query = strings.ToUpper(query)
		}
		for _, w := range model.QueryWords(query) {
			phrase, ok := model.SearchPhrase(w)
			if !ok || !strings.Contains(text, phrase) {
				t.Fatalf("%q is not found in %q", query, text)
			}
		}
	})
}

// FuzzFold holds for any text: what is indexed and put into statements is valid, bounded, and of the form that queries have.
func FuzzFold(f *testing.F) {
	for _, s := range []string{"", "Ada", "\uFDFA", "İI", "\xff", "a\x00b", "ﬃ", "+1 202", "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			t.Skip("callers send valid UTF-8")
		}
		folded := model.Fold(s)
		if len(folded) > 900 || !utf8.ValidString(folded) || strings.TrimSpace(folded) != folded || strings.Contains(folded, "  ") {
			t.Fatalf("Fold(%q) = %q", s, folded)
		}
		for _, w := range model.QueryWords(s) {
			if strings.ContainsAny(w, "\x00 \t\n") || w == "" {
				t.Fatalf("word %q of %q", w, s)
			}
			phrase, ok := model.SearchPhrase(w)
			if ok && (!strings.HasPrefix(phrase, " ") || strings.TrimSpace(phrase) == "") {
				t.Fatalf("phrase %q of %q", phrase, w)
			}
		}
		text := model.PhoneUserSearchText(s, s)
		if len(text) > 900+300+3 {
			t.Fatalf("search text of %d bytes", len(text))
		}
	})
}
