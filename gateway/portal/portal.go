// Package portal carries the pages that people open in a browser.
//
// They are plain files: no request leaves for anywhere but the gateway that serves them, and scripts are files of their own, so
// that a strict Content-Security-Policy holds.
package portal

import (
	"embed"
	"io/fs"
)

//go:embed static
var static embed.FS

// Files returns the pages and what they use: setup.html and confirm.html, which the links in mails open.
func Files() fs.FS {
	files, err := fs.Sub(static, "static")
	if err != nil {
		panic(err) // The folder is part of the binary.
	}
	return files
}
