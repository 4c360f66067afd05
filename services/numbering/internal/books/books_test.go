package books_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchboard-phone/switchboard/services/numbering/internal/books"
)

func TestValidNumber(t *testing.T) {
	t.Parallel()
	for _, number := range []string{
		"+15550100", "+12025550123", "+442079460001", "+441632960001", "+33199001234", "+61491570006", "+123456789012345", "+1234567",
	} {
		require.True(t, books.ValidNumber(number), number)
	}
	for _, number := range []string{
		"", "+", "+123456", "+1234567890123456", "15550100", "+05550100", "++15550100", "+1 5550100", "+1-555-0100", "+1555010x",
		"+15550100\n", "\n+15550100", "+15550100\x00", "+١٢٣٤٥٦٧٨", "＋15550100", "tel:+15550100",
	} {
		require.False(t, books.ValidNumber(number), "%q", number)
	}
}

func TestFoldName(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"Gold", "GOLD", " gold ", "Ｇｏｌｄ"}, {"Two words", "TWO\u00a0 Words", "two\twords"}, {"Straße", "STRASSE"},
		{"Café", "Cafe\u0301", "CAFÉ"}, {"ΣΊΣΥΦΟΣ", "σίσυφος", "σίσυφοσ"}, {"ᎠᎡ", "ꭰꭱ"},
	} {
		for _, name := range same {
			require.Equal(t, books.FoldName(same[0]), books.FoldName(name), name)
		}
	}
	require.NotEqual(t, books.FoldName("Gold 1"), books.FoldName("Gold 2"))
	require.NotEqual(t, books.FoldName("Cafe"), books.FoldName("Café"))
}

// A name that is folded already stays as it is, so that a fold read from the database is that of its name.
func TestFoldName_once(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		fold := books.FoldName(rapid.String().Draw(t, "name"))
		require.Equal(t, fold, books.FoldName(fold))
		require.Equal(t, fold, strings.TrimSpace(fold))
	})
}

func TestCleanText(t *testing.T) {
	t.Parallel()
	got, ok := books.CleanText(" \t Žofie 山田\u3000")
	require.True(t, ok)
	require.Equal(t, "Žofie 山田", got)
	for _, bad := range []string{"a\x00b", "a\nb", "a\u0085b", "\x7f."} {
		_, ok := books.CleanText(bad)
		require.False(t, ok, "%q", bad)
	}
}
