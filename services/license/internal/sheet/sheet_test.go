package sheet_test

import (
	"encoding/csv"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/license/internal/sheet"
)

func TestGuard(t *testing.T) {
	t.Parallel()
	for _, cell := range []string{
		"=1+1", "+SUM(A1)", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "=cmd|' /C calc'!A0", "'=1", "''=1", "--", "+1e5",
	} {
		require.Equal(t, "'"+cell, sheet.Guard(cell))
	}
	for _, cell := range []string{"", "-", "Ana", "'n Huis", "'", "{\"a\":1}", "+441632960001", "+441632960001;+441632960002", "0042", "a=b", "accounts/1"} {
		require.Equal(t, cell, sheet.Guard(cell))
		require.Equal(t, cell, sheet.Unguard(cell))
	}
}

func FuzzGuard(f *testing.F) {
	for _, cell := range []string{"", "'", "=1", "'=1", "''=1", "-", "'-", "+1", "\x00", "＝", "\xff="} {
		f.Add(cell)
	}
	f.Fuzz(func(t *testing.T, cell string) {
		guarded := sheet.Guard(cell)
		require.Equal(t, cell, sheet.Unguard(guarded))
		if strings.ContainsAny(guarded, "=@|!(") {
			require.NotContains(t, "=+-@\t\r\n", guarded[:1], "a spreadsheet would compute it")
		}
	})
}

func TestWriter(t *testing.T) {
	t.Parallel()
	var file strings.Builder
	pieces := 0
	w := sheet.NewWriter(func(piece []byte) error {
		pieces++
		require.Equal(t, byte('\n'), piece[len(piece)-1], "whole lines")
		require.Less(t, len(piece), 300<<10)
		file.Write(piece)
		return nil
	})
	const lines = 10_000
	long := strings.Repeat("ü", 50)
	for range lines {
		require.NoError(t, w.Write([]string{"=1,\"", long}))
	}
	require.NoError(t, w.Flush())
	require.NoError(t, w.Flush(), "nothing is left")
	require.Greater(t, pieces, 3)
	records, err := csv.NewReader(strings.NewReader(file.String())).ReadAll()
	require.NoError(t, err)
	require.Len(t, records, lines)
	require.Equal(t, []string{"'=1,\"", long}, records[lines-1])

	gone := errors.New("gone")
	w = sheet.NewWriter(func([]byte) error { return gone })
	require.NoError(t, w.Write([]string{"a"}))
	require.ErrorIs(t, w.Flush(), gone)
}
