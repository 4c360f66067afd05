package gateway

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// buildPortal writes what a build of the portal looks like.
func buildPortal(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"index.html": "<!doctype html><title>portal</title>", "assets/app-1a2b.js": strings.Repeat("let x = 1;\n", 100), "favicon.svg": "<svg/>",
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return dir
}

func TestPortal_Files(t *testing.T) {
	t.Parallel()
	_, target := startFake(t)
	cfg := loopback(target)
	cfg.Portal.Dir, cfg.Portal.Issuer = buildPortal(t), "https://login.example.com/realm"
	b := serve(t, cfg)

	for path, contentType := range map[string]string{
		"/": "text/html; charset=utf-8", "/assets/app-1a2b.js": "text/javascript; charset=utf-8", "/favicon.svg": "image/svg+xml",
		"/portal/config.json": "application/json",
	} {
		got := b.do(t, "GET", path, "", "Authorization:")
		require.Equal(t, 200, got.code, path)
		require.Equal(t, contentType, got.header.Get("Content-Type"), path)
		require.Equal(t, "no-referrer", got.header.Get("Referrer-Policy"))
		policy := got.header.Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'")
		require.Contains(t, policy, "connect-src 'self' https://login.example.com;")
		require.NotContains(t, policy, "unsafe")
		again := b.do(t, "GET", path, "", "If-None-Match: "+got.header.Get("ETag"))
		require.Equal(t, 304, again.code, path)
	}
	require.Equal(t, "public, max-age=31536000, immutable", b.do(t, "GET", "/assets/app-1a2b.js", "").header.Get("Cache-Control"))
	require.Equal(t, "no-cache", b.do(t, "GET", "/", "").header.Get("Cache-Control"))

	var settings map[string]string
	require.NoError(t, json.Unmarshal([]byte(b.do(t, "GET", "/portal/config.json", "").body), &settings))
	require.Equal(t, map[string]string{
		"issuer": "https://login.example.com/realm", "clientId": "switchboard-portal", "scope": "openid profile email",
	}, settings)
}

// A browser that opens an address of the portal gets the page whose script knows it; nobody else takes a page for an answer.
func TestPortal_Addresses(t *testing.T) {
	t.Parallel()
	_, target := startFake(t)
	cfg := loopback(target)
	cfg.Portal.Dir = buildPortal(t)
	b := serve(t, cfg)
	const browser = "Accept: text/html,application/xhtml+xml,*/*;q=0.8"
	for _, path := range []string{"/setup", "/confirm", "/phone-system/users/42"} {
		require.Contains(t, b.do(t, "GET", path, "", browser).body, "<title>portal</title>", path)
		require.Equal(t, 404, b.do(t, "GET", path, "").code, "%s, asked for by a program", path)
		require.Equal(t, 404, b.do(t, "POST", path, "", browser).code, path)
	}
	for _, path := range []string{"/v1/nothing", "/assets/old.js", "/../portal.go"} {
		got := b.do(t, "GET", path, "", browser)
		require.Equal(t, 404, got.code, path)
		require.Equal(t, "NOT_FOUND", got.refused(t).reason(t), path)
	}
}

func TestPortal_Compressed(t *testing.T) {
	t.Parallel()
	_, target := startFake(t)
	cfg := loopback(target)
	cfg.Portal.Dir = buildPortal(t)
	b := serve(t, cfg)
	plain := b.do(t, "GET", "/assets/app-1a2b.js", "")
	packed := b.do(t, "GET", "/assets/app-1a2b.js", "", "Accept-Encoding: br, gzip")
	require.Empty(t, plain.header.Get("Content-Encoding"))
	require.Equal(t, "gzip", packed.header.Get("Content-Encoding"))
	require.NotEqual(t, plain.header.Get("ETag"), packed.header.Get("ETag"))
	require.Equal(t, "Accept-Encoding", plain.header.Get("Vary"))
	require.Less(t, len(packed.body), len(plain.body)/2)
	r, err := gzip.NewReader(strings.NewReader(packed.body))
	require.NoError(t, err)
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, plain.body, string(text))
}

// Without a built portal the API works, and pages say what is missing.
func TestPortal_NotInstalled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, path := range []string{"/", "/setup", "/confirm"} {
		got := b.do(t, "GET", path, "", "Accept: text/html")
		require.Equal(t, 200, got.code, path)
		require.Contains(t, got.body, "not installed", path)
	}
	require.Equal(t, 200, b.do(t, "GET", "/page.css", "").code)
	require.Equal(t, 200, b.do(t, "GET", "/openapi.json", "").code)
}
