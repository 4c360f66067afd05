package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

// Files serves the files of a tree that does not change while the process runs. They are read and compressed once.
type Files struct {
	files  map[string]file
	policy string
}

type file struct {
	// packed is data compressed by gzip; nil where that gains nothing.
	data, packed      []byte
	contentType, etag string
	immutable         bool
}

// NewFiles reads a tree. The file `index.html` is served as /, `admin/index.html` as /admin/, `help.html` as /help, every other one
// under its own path. What lies below `assets` has a fingerprint in its name and may be kept by browsers for good.
//
// Pages may use what comes from the gateway itself and call the origins named ("https://login.example.com"), and nothing else.
func NewFiles(tree fs.FS, origins ...string) (*Files, error) {
	out := &Files{files: map[string]file{}, policy: contentSecurityPolicy(origins)}
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		return out.Add(pathOf(name), mime.TypeByExtension(path.Ext(name)), data)
	})
	if err != nil {
		return nil, fmt.Errorf("static files: %w", err)
	}
	return out, nil
}

func pathOf(name string) string {
	if page, ok := strings.CutSuffix(name, ".html"); ok {
		if dir, ok := strings.CutSuffix("/"+page, "/index"); ok {
			return dir + "/"
		}
		return "/" + page
	}
	return "/" + name
}

// Add serves data under a path as well. It may not be called once requests are served.
func (f *Files) Add(urlPath, contentType string, data []byte) error {
	packed, err := pack(data)
	if err != nil {
		return fmt.Errorf("compressing %s: %w", urlPath, err)
	}
	sum := sha256.Sum256(data)
	f.files[urlPath] = file{
		data: data, packed: packed, contentType: contentType,
		etag: hex.EncodeToString(sum[:16]), immutable: strings.HasPrefix(urlPath, "/assets/"),
	}
	return nil
}

// pack compresses data, or answers nil where that saves less than a tenth.
func pack(data []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if out.Len() > len(data)*9/10 {
		return nil, nil
	}
	return out.Bytes(), nil
}

// contentSecurityPolicy lets pages use what comes from the gateway itself, call the origins named, and nothing else.
func contentSecurityPolicy(origins []string) string {
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
		"connect-src " + strings.Join(append([]string{"'self'"}, origins...), " ") + "; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}

// Serve answers a GET or HEAD request for a file and says whether there is one.
func (f *Files) Serve(w http.ResponseWriter, r *http.Request) bool {
	return f.serve(w, r, r.URL.Path)
}

// ServePage answers a browser that asks for a page which is no file: with /, whose script knows the address. It says whether it did.
func (f *Files) ServePage(w http.ResponseWriter, r *http.Request) bool {
	if !strings.Contains(r.Header.Get("Accept"), "text/html") || strings.Contains(path.Base(r.URL.Path), ".") {
		return false
	}
	return f.serve(w, r, "/")
}

func (f *Files) serve(w http.ResponseWriter, r *http.Request, urlPath string) bool {
	found, ok := f.files[urlPath]
	if !ok || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
		return false
	}
	h := w.Header()
	h.Set("Content-Type", found.contentType)
	h.Set("Cache-Control", "no-cache")
	if found.immutable {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	h.Set("Content-Security-Policy", f.policy)
	// Pages are opened by links that carry a token.
	h.Set("Referrer-Policy", "no-referrer")
	data, etag := found.data, found.etag
	if found.packed != nil {
		h.Set("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			data, etag = found.packed, found.etag+"-gzip"
		}
	}
	h.Set("ETag", `"`+etag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	return true
}
