package token_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/token"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

var (
	now     = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	account = uuid.MustParse("0193c2a4-5b6c-7d8e-9fa0-b1c2d3e4f506")
	person  = uuid.MustParse("0193c2a4-5b6c-7d8e-9fa0-b1c2d3e4f507")
)

// keyFile writes keys, each of one byte repeated.
func keyFile(t testing.TB, keys ...byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	var lines []string
	for _, k := range keys {
		lines = append(lines, base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(k), 32))))
	}
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600))
	return path
}

func signer(t testing.TB, keys ...byte) *token.Signer {
	t.Helper()
	s, err := token.NewSigner(token.Config{KeyFile: keyFile(t, keys...), Lifetime: time.Hour})
	require.NoError(t, err)
	return s
}

func TestTokens(t *testing.T) {
	t.Parallel()
	s := signer(t, 'a')
	text, expires, err := s.Sign(token.Setup, account, person, now)
	require.NoError(t, err)
	require.Equal(t, now.Add(time.Hour), expires)
	gotAccount, gotPerson, until, err := s.Read(token.Setup, text, expires)
	require.NoError(t, err, "the last instant included")
	require.Equal(t, []uuid.UUID{account, person}, []uuid.UUID{gotAccount, gotPerson})
	require.True(t, expires.Equal(until))

	for name, read := range map[string]func() error{
		"expired":            func() error { _, _, _, err := s.Read(token.Setup, text, expires.Add(time.Second)); return err },
		"for something else": func() error { _, _, _, err := s.Read(token.Confirm, text, now); return err },
		"of another key":     func() error { _, _, _, err := signer(t, 'b').Read(token.Setup, text, now); return err },
		"cut":                func() error { _, _, _, err := s.Read(token.Setup, text[:len(text)-1], now); return err },
		"unsigned": func() error {
			_, _, _, err := s.Read(token.Setup, "eyJhbGciOiJub25lIn0."+strings.Split(text, ".")[1]+".", now)
			return err
		},
	} {
		require.Equal(t, commonv1.Reason_TOKEN_INVALID, errs.Reason(read()), name)
	}

	// A new key in front signs, the old one still verifies.
	_, _, _, err = signer(t, 'b', 'a').Read(token.Setup, text, now)
	require.NoError(t, err)
}

// TestKeysAreRotatedInPlace changes the file of a signer under way.
func TestKeysAreRotatedInPlace(t *testing.T) {
	t.Parallel()
	path := keyFile(t, 'a')
	s, err := token.NewSigner(token.Config{KeyFile: path, Lifetime: time.Hour})
	require.NoError(t, err)
	sign := func() string {
		text, _, err := s.Sign(token.Setup, account, person, now)
		require.NoError(t, err)
		return text
	}
	put := func(keys ...byte) {
		require.NoError(t, os.Rename(keyFile(t, keys...), path))
	}
	old := sign()
	put('b', 'a')
	require.Eventually(t, func() bool { return header(sign()) != header(old) }, 10*time.Second, 10*time.Millisecond, "the new key signs")
	fresh := sign()
	for _, text := range []string{old, fresh} {
		_, _, _, err = s.Read(token.Setup, text, now)
		require.NoError(t, err)
	}
	require.NoError(t, os.WriteFile(path, []byte("half of"), 0o600))
	put('b')
	refused := func() bool { _, _, _, err := s.Read(token.Setup, old, now); return err != nil }
	require.Eventually(t, refused, 10*time.Second, 10*time.Millisecond, "the old key is gone")
	_, _, _, err = s.Read(token.Setup, fresh, now)
	require.NoError(t, err)

	require.NoError(t, os.WriteFile(path, []byte("half of"), 0o600))
	began := time.Now()
	require.Eventually(t, func() bool {
		_, _, _, err := s.Read(token.Setup, fresh, now)
		require.NoError(t, err, "what is wrong changes nothing")
		return time.Since(began) > 1500*time.Millisecond
	}, 10*time.Second, 50*time.Millisecond)
}

func header(text string) string { return strings.Split(text, ".")[0] }

func TestKeysAreChecked(t *testing.T) {
	t.Parallel()
	short := filepath.Join(t.TempDir(), "keys")
	for _, content := range []string{"", "\n", "not base64!", base64.StdEncoding.EncodeToString([]byte("short"))} {
		require.NoError(t, os.WriteFile(short, []byte(content), 0o600))
		_, err := token.NewSigner(token.Config{KeyFile: short})
		require.Error(t, err, content)
	}
	_, err := token.NewSigner(token.Config{KeyFile: short + ".missing"})
	require.Error(t, err)
	_, err = token.NewSigner(token.Config{})
	require.NoError(t, err, "a random key")
}

// FuzzRead shows that no text but one that was signed is taken.
func FuzzRead(f *testing.F) {
	s := signer(f, 'a')
	signed := map[string]bool{}
	for _, purpose := range []token.Purpose{token.Setup, token.Confirm} {
		text, _, err := s.Sign(purpose, account, person, now)
		require.NoError(f, err)
		signed[text] = purpose == token.Setup
		f.Add(text)
		parts := strings.Split(text, ".")
		f.Add("eyJhbGciOiJub25lIn0." + parts[1] + ".")
		f.Add(parts[0] + "." + parts[1])
		f.Add(`{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`)
	}
	for _, text := range []string{"", "..", "\x00", "a.b.c", "{}", strings.Repeat(".", 100)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		gotAccount, gotPerson, _, err := s.Read(token.Setup, text, now)
		if err != nil {
			require.Equal(t, commonv1.Reason_TOKEN_INVALID, errs.Reason(err))
			require.False(t, signed[text])
			return
		}
		require.Equal(t, []uuid.UUID{account, person}, []uuid.UUID{gotAccount, gotPerson}, "what it says is what was signed")
	})
}
