package testkit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/localdb"
	"github.com/switchboard-phone/switchboard/services/platform/migrate"
)

// user owns all databases of the tests.
const user = "tester"

// Engine is a running database server to test on.
type Engine struct {
	server *server
	inst   *localdb.Instance
}

// Kind says which engine it is.
func (e Engine) Kind() crdb.Engine { return e.server.kind }

// Instance returns the server itself.
func (e Engine) Instance() *localdb.Instance { return e.inst }

// Option changes how New opens a database.
type Option func(*crdb.Config, *crdb.Options)

// New returns a fresh database, migrated with the files of migrations (nil: empty), which ends with the test. It belongs to
// the test alone.
func (e Engine) New(tb testing.TB, migrations fs.FS, opts ...Option) *crdb.DB {
	tb.Helper()
	return e.Open(tb, e.NewURL(tb, migrations), opts...)
}

// Open opens a database of NewURL, once more if need be: two pools stand for two replicas of a service.
func (e Engine) Open(tb testing.TB, url string, opts ...Option) *crdb.DB {
	tb.Helper()
	cfg, o := crdb.Config{URL: url, MaxConns: 10}, crdb.Options{}
	for _, opt := range opts {
		opt(&cfg, &o)
	}
	db, err := crdb.Open(tb.Context(), cfg, o)
	if err != nil {
		tb.Fatalf("open database: %v", err)
	}
	tb.Cleanup(db.Close)
	return db
}

// databases counts the databases of this process, for their names.
var databases atomic.Int64

// NewURL makes a fresh database like New and returns its URL.
func (e Engine) NewURL(tb testing.TB, migrations fs.FS) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	name := fmt.Sprintf("test_%d", databases.Add(1))
	url, err := e.create(ctx, name, migrations)
	if err != nil {
		tb.Fatalf("make a database: %v", err)
	}
	tb.Cleanup(func() { e.drop(tb, name) })
	return url
}

func (e Engine) create(ctx context.Context, name string, migrations fs.FS) (string, error) {
	if migrations == nil {
		return e.inst.CreateDatabase(ctx, name, user)
	}
	if e.Kind() == crdb.PostgreSQL {
		template, err := e.server.tmpls.get(ctx, e.inst, migrations)
		if err != nil {
			return "", err
		}
		return e.inst.CreateDatabaseFrom(ctx, name, user, template)
	}
	url, err := e.inst.CreateDatabase(ctx, name, user)
	if err != nil {
		return "", err
	}
	return url, migrate.Up(ctx, url, migrations, nil)
}

// drop frees the space of a database on PostgreSQL, where it is a copy on disk. CockroachDB keeps dropped data for a day
// anyway, and all of it is gone with the process.
func (e Engine) drop(tb testing.TB, name string) {
	tb.Helper()
	if e.Kind() != crdb.PostgreSQL {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := e.inst.DropDatabase(ctx, name); err != nil {
		tb.Logf("testkit: %v", err)
	}
}

// templates are migrated databases to copy, one per set of migrations.
type templates struct {
	mu   sync.Mutex
	made map[string]string
}

func (ts *templates) get(ctx context.Context, inst *localdb.Instance, migrations fs.FS) (string, error) {
	key, err := digest(migrations)
	if err != nil {
		return "", err
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if name, ok := ts.made[key]; ok {
		return name, nil
	}
	name := "template_" + key
	url, err := inst.CreateDatabase(ctx, name, user)
	if err != nil {
		return "", err
	}
	if err := migrate.Up(ctx, url, migrations, nil); err != nil {
		return "", err
	}
	if ts.made == nil {
		ts.made = map[string]string{}
	}
	ts.made[key] = name
	return name, nil
}

// digest names a set of migrations by its content.
func digest(fsys fs.FS) (string, error) {
	names, err := fs.Glob(fsys, "*.sql")
	if err != nil {
		return "", fmt.Errorf("list migrations: %w", err)
	}
	h := sha256.New()
	for _, name := range names {
		b, err := fs.ReadFile(fsys, name)
		if err != nil {
			return "", fmt.Errorf("read migration: %w", err)
		}
		_, _ = fmt.Fprintf(h, "%s %d\n%s", name, len(b), b)
	}
	return hex.EncodeToString(h.Sum(nil)[:12]), nil
}
