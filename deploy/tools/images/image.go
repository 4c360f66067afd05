// Command images builds an OCI image of each service without a container engine: one static binary, the certificate authorities of
// the web, and for the gateway the portal's files. Built twice of one source, with one version, it gives the same digest.
package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// portalDir is where the gateway finds the portal in its image.
const portalDir = "usr/share/switchboard/portal"

// nobody is the user of the processes: no name, no home, not root.
const nobody = "65532:65532"

// contents are the files of an image by path, without a leading slash.
type contents map[string]file

type file struct {
	data []byte
	mode int64
}

// gather collects what goes into the image of a service. portal is the folder of the built portal, only looked at for the gateway.
func gather(service, binary, portal string) (contents, error) {
	raw, err := os.ReadFile(binary)
	if err != nil {
		return nil, fmt.Errorf("binary: %w", err)
	}
	out := contents{"switchboard": {raw, 0o555}, "etc/ssl/certs/ca-certificates.crt": {authorities(), 0o444}}
	if service != "gateway" {
		return out, nil
	}
	if _, err := os.Stat(filepath.Join(portal, "index.html")); err != nil {
		return nil, fmt.Errorf("the portal has not been built (make portal): %w", err)
	}
	root := os.DirFS(portal)
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(root, name)
		out[path.Join(portalDir, name)] = file{data, 0o444}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("portal: %w", err)
	}
	return out, nil
}

// authorities are those that browsers trust, from a Go module, so that they do not depend on the machine that builds.
func authorities() []byte {
	var out bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil { // a constraint cannot be said in PEM
			_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate})
		}
	}
	return out.Bytes()
}

// archive writes files as a tar in which nothing depends on when, where or by whom it is made.
func (c contents) archive() ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	names := make([]string, 0, len(c))
	folders := map[string]bool{}
	for name := range c {
		names = append(names, name)
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			folders[dir+"/"] = true
		}
	}
	for dir := range folders {
		names = append(names, dir)
	}
	slices.Sort(names)
	for _, name := range names {
		h := &tar.Header{Name: name, ModTime: time.Unix(0, 0).UTC(), Format: tar.FormatUSTAR, Typeflag: tar.TypeDir, Mode: 0o755}
		f, isFile := c[name]
		if isFile {
			h.Typeflag, h.Mode, h.Size = tar.TypeReg, f.mode, int64(len(f.data))
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("layer: %w", err)
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, fmt.Errorf("layer: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("layer: %w", err)
	}
	return buf.Bytes(), nil
}

// image puts an image together.
func (c contents) image(service, version, arch string) (v1.Image, error) {
	raw, err := c.archive()
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil },
		tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, fmt.Errorf("layer: %w", err)
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.AppendLayers(base, layer)
	if err != nil {
		return nil, fmt.Errorf("image: %w", err)
	}
	img, err = mutate.ConfigFile(img, &v1.ConfigFile{
		Architecture: arch, OS: "linux", RootFS: must(img).RootFS, History: must(img).History,
		Config: v1.Config{
			User: nobody, Entrypoint: []string{"/switchboard"}, Cmd: []string{"serve"}, WorkingDir: "/",
			ExposedPorts: map[string]struct{}{"9090/tcp": {}, port(service): {}},
			Labels: map[string]string{
				"org.opencontainers.image.title": "switchboard/" + service, "org.opencontainers.image.version": version,
			},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("image: %w", err)
	}
	return img, nil
}

func port(service string) string {
	if service == "gateway" {
		return "8080/tcp"
	}
	return "8443/tcp"
}

// must reads the configuration of an image that was made in memory.
func must(img v1.Image) *v1.ConfigFile {
	cfg, err := img.ConfigFile()
	if err != nil {
		panic(err)
	}
	return cfg
}

// save writes an image as an OCI archive: what `skopeo copy oci-archive:…` and `ctr images import` take.
func save(img v1.Image, service, version, to string) error {
	dir, err := os.MkdirTemp("", "switchboard-image-")
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	index, err := layout.Write(dir, empty.Index)
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	err = index.AppendImage(img, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "switchboard/" + service + ":" + version}))
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	files := contents{}
	root := os.DirFS(dir)
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(root, name)
		files[name] = file{data, 0o644}
		return err
	})
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	raw, err := files.archive()
	if err != nil {
		return err
	}
	if err := os.WriteFile(to, raw, 0o644); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	return nil
}
