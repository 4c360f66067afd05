package web

import (
	"bytes"
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

// Files serves the files of a tree that does not change while the process runs. They are read once.
type Files struct {
	files map[string]file
}

type file struct {
	data              []byte
	contentType, etag string
}

// NewFiles reads a tree. The file `setup.html` is served as /setup, `index.html` as /, every other one under its own path.
func NewFiles(tree fs.FS) (*Files, error) {
	out := &Files{files: map[string]file{}}
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		out.Add(pathOf(name), mime.TypeByExtension(path.Ext(name)), data)
		return nil
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
func (f *Files) Add(urlPath, contentType string, data []byte) {
	sum := sha256.Sum256(data)
	f.files[urlPath] = file{data: data, contentType: contentType, etag: `"` + hex.EncodeToString(sum[:16]) + `"`}
}

// contentSecurityPolicy lets pages use what comes from the gateway itself and nothing else.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Serve answers a GET or HEAD request for a file and says whether there is one.
func (f *Files) Serve(w http.ResponseWriter, r *http.Request) bool {
	found, ok := f.files[r.URL.Path]
	if !ok || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
		return false
	}
	h := w.Header()
	h.Set("Content-Type", found.contentType)
	h.Set("ETag", found.etag)
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Security-Policy", contentSecurityPolicy)
	// Pages are opened by links that carry a token.
	h.Set("Referrer-Policy", "no-referrer")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(found.data))
	return true
}
