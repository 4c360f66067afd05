// Package migrations holds the schema of the extension service.
package migrations

import "embed"

// FS has the migrations in its root; see platform/migrate.
//
//go:embed *.sql
var FS embed.FS
