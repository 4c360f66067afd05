package books_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/numbering/internal/books"
)

func FuzzValidNumber(f *testing.F) {
	for _, s := range []string{
		"", "+", "+442079460123", "+0123456789", "+1234567", "+123456", "+123456789012345", "+1234567890123456", "442079460123", "+44 20", "+٤٤٢٠٧٩٤٦",
		"+442079460123\n", "\n+442079460123",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		digits, plus := strings.CutPrefix(s, "+")
		want := plus && len(digits) >= 7 && len(digits) <= 15 && digits[0] != '0' && strings.Trim(digits, "0123456789") == ""
		require.Equal(t, want, books.ValidNumber(s))
	})
}
