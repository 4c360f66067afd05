package number_test

import (
	"cmp"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"00", "01", "99", "0123", "123", "9999999999", "0000000000"} {
		n, err := number.Parse(s)
		require.NoError(t, err, s)
		require.Equal(t, s, n.String())
		require.True(t, n.Valid(), s)
		require.Equal(t, len(s), n.Digits())
	}
	for _, s := range []string{"", "1", "12345678901", "12a", " 12", "+12", "-12", "1 2", "١٢٣", "１２", "12\x00"} {
		_, err := number.Parse(s)
		require.ErrorIs(t, err, number.ErrInvalid, "%q", s)
	}
	require.Empty(t, number.Number(0).String())
	for _, n := range []number.Number{0, -1, number.Of(1, 5), number.Of(11, 5), number.Of(2, 100)} {
		require.False(t, n.Valid(), "%d", n)
	}
}

func TestOrderIsByLengthThenText(t *testing.T) {
	t.Parallel()
	text := rapid.StringMatching(`[0-9]{2,10}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		want := cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
		require.Equal(t, want, cmp.Compare(number.MustParse(a), number.MustParse(b)))
	})
}

func TestBlocksCoverASpanOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.Int64Range(0, 5000).Draw(t, "from")
		span := number.Span{From: number.Of(4, from), To: number.Of(4, rapid.Int64Range(from, 9999).Draw(t, "to"))}
		next := span.From
		var blocks []number.Span
		for i := range span.Blocks() {
			b := span.Block(i)
			require.Equal(t, next, b.From)
			require.LessOrEqual(t, b.Size(), int64(number.BlockSize))
			require.Equal(t, i, span.BlockOf(b.From))
			require.Equal(t, i, span.BlockOf(b.To))
			next = b.To + 1
			blocks = append(blocks, b)
		}
		require.Equal(t, span.To+1, next)
		require.Equal(t, []number.Span{span}, number.Join(blocks))
	})
}

func TestSet(t *testing.T) {
	t.Parallel()
	s := number.NewSet(number.MustParse("911"), number.MustParse("112"), number.MustParse("0112"), number.MustParse("112"))
	require.True(t, s.Contains(number.MustParse("112")))
	require.False(t, s.Contains(number.MustParse("113")))
	require.Len(t, s.All(), 3)
	in := s.In(number.Span{From: number.MustParse("100"), To: number.MustParse("911")})
	require.Equal(t, []number.Number{number.MustParse("112"), number.MustParse("911")}, in)
	require.Empty(t, s.In(number.Span{From: number.MustParse("500"), To: number.MustParse("500")}))
	require.Empty(t, number.Set{}.In(number.Span{From: number.MustParse("500"), To: number.MustParse("500")}))
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "1", "00", "0123", "9999999999", "12345678901", "+12", " 12", "１２", "1\x002", "-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := number.Parse(s)
		if err != nil {
			require.ErrorIs(t, err, number.ErrInvalid)
			require.Zero(t, n)
			return
		}
		require.True(t, n.Valid())
		require.Equal(t, s, n.String(), "a number is written in one way")
		require.Equal(t, len(s), n.Digits())
	})
}
