// Package migrations holds the schema of the numbering service's database, for goose (see platform/migrate).
package migrations

import "embed"

// FS holds the migrations in its root.
//
//go:embed *.sql
var FS embed.FS
