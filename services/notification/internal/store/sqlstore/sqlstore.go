// Package sqlstore keeps messages in CockroachDB or PostgreSQL. What a method changes it changes in one statement, so that it
// needs neither an explicit transaction nor a loop over rows; each bears repetition, which is what platform/crdb's Do asks for.
package sqlstore

import (
	"github.com/switchboard-phone/switchboard/services/notification/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

// Store implements store.Store.
type Store struct {
	db   *crdb.DB
	mark watermark
}

var _ store.Store = (*Store)(nil)

// New returns a Store on db, which has the schema of the service's migrations. The caller closes db.
func New(db *crdb.DB) *Store { return &Store{db: db, mark: watermark{whole: wholeInterval}} }
