package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/stretchr/testify/require"
)

// TestImageIsReproducibleAndSmallAndSaysWhatItIs builds the gateway's image, the one with all parts, twice and looks into it.
func TestImageIsReproducibleAndSmallAndSaysWhatItIs(t *testing.T) {
	t.Parallel()
	portal := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(portal, "index.html"), []byte("<!doctype html>"), 0o600))
	twice := func() (string, string) {
		o := options{root: "../../..", out: t.TempDir(), version: "v9.8.7", portal: portal, arch: runtime.GOARCH}
		digest, err := build(t.Context(), o, "gateway")
		require.NoError(t, err)
		return digest, o.out
	}
	digest, out := twice()
	again, other := twice()
	require.Equal(t, digest, again, "one source, one image")
	for _, name := range []string{"gateway.tar", "gateway.cdx.json"} {
		require.Equal(t, read(t, filepath.Join(out, name)), read(t, filepath.Join(other, name)), name)
	}

	dir := t.TempDir()
	untar(t, read(t, filepath.Join(out, "gateway.tar")), dir)
	index, err := layout.ImageIndexFromPath(dir)
	require.NoError(t, err)
	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	require.Len(t, manifest.Manifests, 1)
	require.Equal(t, digest, manifest.Manifests[0].Digest.String())
	img, err := index.Image(manifest.Manifests[0].Digest)
	require.NoError(t, err)
	config, err := img.ConfigFile()
	require.NoError(t, err)
	require.Equal(t, nobody, config.Config.User)
	layers, err := img.Layers()
	require.NoError(t, err)
	require.Len(t, layers, 1)
	content, err := layers[0].Uncompressed()
	require.NoError(t, err)
	raw, err := io.ReadAll(content)
	require.NoError(t, err)
	root := t.TempDir()
	untar(t, raw, root)
	require.Contains(t, string(read(t, filepath.Join(root, "etc", "ssl", "certs", "ca-certificates.crt"))), "BEGIN CERTIFICATE")
	require.Equal(t, "<!doctype html>", string(read(t, filepath.Join(root, portalDir, "index.html"))))

	binary := filepath.Join(root, "switchboard")
	program, err := elf.Open(binary)
	require.NoError(t, err)
	defer func() { _ = program.Close() }()
	for _, p := range program.Progs {
		require.NotEqual(t, elf.PT_INTERP, p.Type, "not static")
	}
	said, err := exec.CommandContext(t.Context(), binary, "version").Output()
	require.NoError(t, err)
	require.Contains(t, string(said), "v9.8.7")

	var parts struct {
		BOMFormat  string
		Components []struct{ Name, Version, PURL string }
	}
	require.NoError(t, json.Unmarshal(read(t, filepath.Join(out, "gateway.cdx.json")), &parts))
	require.Equal(t, "CycloneDX", parts.BOMFormat)
	names := map[string]string{}
	for _, c := range parts.Components {
		names[c.Name] = c.Version
	}
	require.True(t, strings.HasPrefix(names["google.golang.org/grpc"], "v"), "%v", names)
	require.True(t, strings.HasPrefix(names["std"], "go"))
}

func TestGatewayWithoutPortalIsRefused(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "binary")
	require.NoError(t, os.WriteFile(binary, []byte("x"), 0o600))
	_, err := gather("gateway", binary, t.TempDir())
	require.ErrorContains(t, err, "make portal")
	_, err = gather("license", binary, "")
	require.NoError(t, err)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	return raw
}

func untar(t *testing.T, raw []byte, to string) {
	t.Helper()
	for r := tar.NewReader(bytes.NewReader(raw)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		path := filepath.Join(to, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			require.NoError(t, os.MkdirAll(path, 0o755))
			continue
		}
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		data, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, data, os.FileMode(h.Mode)|0o200))
	}
}
