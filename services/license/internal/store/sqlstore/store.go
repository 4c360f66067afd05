// Package sqlstore keeps the license service's records in CockroachDB or PostgreSQL.
package sqlstore

import (
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

// Store implements store.Store over one database. It is safe for concurrent use.
type Store struct {
	db *crdb.DB
}

var _ store.Store = (*Store)(nil)

// New returns a Store over a database whose schema is up to date.
func New(db *crdb.DB) *Store { return &Store{db: db} }
