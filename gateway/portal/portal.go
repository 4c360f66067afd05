// Package portal holds the web page that administrators work with, and that people open by the links in their mails.
//
// Its source is in web, and is built by Node into plain files (`make portal`). The gateway reads them from a folder at its start,
// so that Go code builds and runs without Node; where there is no such folder, a single page says so.
package portal

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
)

//go:embed static
var static embed.FS

// Files returns the built portal in the folder dir, or with dir empty a page that says that the portal is not installed. It fails
// where the folder holds no index.html.
func Files(dir string) (fs.FS, error) {
	if dir == "" {
		files, err := fs.Sub(static, "static")
		if err != nil {
			return nil, fmt.Errorf("portal: %w", err)
		}
		return files, nil
	}
	files := os.DirFS(dir)
	if _, err := fs.Stat(files, "index.html"); err != nil {
		return nil, fmt.Errorf("portal: %s is not a built portal (see `make portal`): %w", dir, err)
	}
	return files, nil
}
