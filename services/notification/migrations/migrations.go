// Package migrations holds the schema of the notification service's database.
package migrations

import "embed"

// FS holds the migrations, in the form that platform/migrate takes.
//
//go:embed *.sql
var FS embed.FS
