package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	from := func(root string) (string, string) {
		o := options{root: root, out: t.TempDir(), version: "v9.8.7", portal: portal, arch: runtime.GOARCH}
		digest, err := build(t.Context(), o, "gateway")
		require.NoError(t, err)
		return digest, o.out
	}
	digest, out := from(root)
	again, other := from(copied(t))
	require.Equal(t, digest, again, "one source, one image, wherever it is built")
	for _, name := range []string{"gateway.tar", "gateway.cdx.json"} {
		require.Equal(t, read(t, filepath.Join(out, name)), read(t, filepath.Join(other, name)), name)
	}

	files := unpacked(t, filepath.Join(out, "gateway.tar"), digest)
	require.Contains(t, string(read(t, filepath.Join(files, "etc", "ssl", "certs", "ca-certificates.crt"))), "BEGIN CERTIFICATE")
	require.Equal(t, "<!doctype html>", string(read(t, filepath.Join(files, portalDir, "index.html"))))

	requireProgram(t, files)

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

// TestEveryServiceHasAnImage looks into those of the other services.
func TestEveryServiceHasAnImage(t *testing.T) {
	t.Parallel()
	o := options{root: root, out: t.TempDir(), version: "v9.8.7", arch: runtime.GOARCH}
	for _, service := range services {
		if service == "gateway" {
			continue // see above
		}
		digest, err := build(t.Context(), o, service)
		require.NoError(t, err)
		files := unpacked(t, filepath.Join(o.out, service+".tar"), digest)
		requireProgram(t, files)
		require.NoDirExists(t, filepath.Join(files, portalDir), service)
		require.FileExists(t, filepath.Join(o.out, service+".cdx.json"))
	}
}

// TestDockerfileBuildsTheSame compares what the Dockerfile says with what this command does.
func TestDockerfileBuildsTheSame(t *testing.T) {
	t.Parallel()
	file := string(read(t, root+"/deploy/images/Dockerfile"))
	require.Contains(t, file, "-trimpath -buildvcs=false")
	require.Contains(t, file, "CGO_ENABLED=0")
	require.Contains(t, file, `-ldflags "-s -w -buildid= -X `+versionVariable+`=$VERSION"`)
	require.Contains(t, file, "\nFROM scratch\n")
	require.Contains(t, file, "\nUSER "+nobody+"\n")
	require.Contains(t, file, "/image/"+portalDir)
	language := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(read(t, root+"/go.work"))
	require.NotNil(t, language)
	require.Contains(t, file, "FROM golang:"+string(language[1])+".", "the compiler is that of go.work")
}

const root = "../../.."

// copied is a copy of the sources in a folder of another name, without what was built there.
func copied(t *testing.T) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "elsewhere")
	for _, part := range []string{"go.work", "go.work.sum", "proto", "services", "gateway", "deploy/local"} {
		err := filepath.WalkDir(filepath.Join(root, part), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			name, err := filepath.Rel(root, path)
			switch {
			case err != nil:
				return err
			case d.IsDir() && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".")):
				return filepath.SkipDir
			case !d.Type().IsRegular():
				return nil
			}
			target := filepath.Join(to, name)
			return errors.Join(os.MkdirAll(filepath.Dir(target), 0o755), os.WriteFile(target, read(t, path), 0o600))
		})
		require.NoError(t, err)
	}
	return to
}

// unpacked checks an archive's one image and answers a folder with its files.
func unpacked(t *testing.T, archive, digest string) string {
	t.Helper()
	dir := t.TempDir()
	untar(t, read(t, archive), dir)
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
	files := t.TempDir()
	untar(t, raw, files)
	return files
}

// requireProgram wants a static program that says its version.
func requireProgram(t *testing.T, files string) {
	t.Helper()
	binary := filepath.Join(files, "switchboard")
	program, err := elf.Open(binary)
	require.NoError(t, err)
	defer func() { _ = program.Close() }()
	for _, p := range program.Progs {
		require.NotEqual(t, elf.PT_INTERP, p.Type, "not static")
	}
	said, err := exec.CommandContext(t.Context(), binary, "version").Output()
	require.NoError(t, err)
	require.Contains(t, string(said), "v9.8.7")
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
