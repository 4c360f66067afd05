// Package migrations embeds the schema of the license service's database.
package migrations

import "embed"

// FS holds the migrations, for platform/migrate.
//
//go:embed *.sql
var FS embed.FS
