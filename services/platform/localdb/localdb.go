// Package localdb starts a real database on this machine, for local use and for tests.
//
// It takes what it finds, in this order: a database that the caller names; a `cockroach` binary (COCKROACH_BINARY, then PATH);
// a CockroachDB that cockroach-go's testserver can download; the server binaries of a PostgreSQL installation. Servers listen
// on a free port of 127.0.0.1 and ask for no password. They are ended by Stop, and by the kernel should this process die.
package localdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

// ErrNoEngine means that no database could be found; the message says what was tried and what to install.
var ErrNoEngine = errors.New("no database was found")

// Options say what to start.
type Options struct {
	// URL is a postgres:// URL of a database server to use as it is. Nothing is started then.
	URL string
	// DataDir keeps the data from run to run; it is created. Empty means a database that is gone after Stop: in memory on
	// CockroachDB, in a temporary folder and without fsync on PostgreSQL. A folder stays with the engine that filled it first.
	DataDir string
	// Engine restricts the choice. Empty means any, in the order of the package comment.
	Engine crdb.Engine
	// SkipDownload leaves the download out.
	SkipDownload bool
	// DownloadTimeout bounds the download. Default 5 s, which suffices to notice that there is no network, and to use what
	// an earlier, longer one has left.
	DownloadTimeout time.Duration
	// Log is told what is used and why. Default: nobody is.
	Log *slog.Logger
}

// Instance is a running database server.
type Instance struct {
	// Engine and Version say what it is.
	Engine  crdb.Engine
	Version string
	// Source says where it came from, for people: the binary's path, or "given URL".
	Source string
	// DataDir is where the data is kept; empty when it is not.
	DataDir string

	base    *url.URL // administrator, any database
	given   bool     // not ours: no users are created, nothing is stopped
	stop    func() error
	stopped sync.Once
}

// Start finds a database and starts it. ctx bounds the start only. The caller stops the instance.
func Start(ctx context.Context, opts Options) (*Instance, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.DownloadTimeout <= 0 {
		opts.DownloadTimeout = 5 * time.Second
	}
	inst, err := find(ctx, &opts)
	if err != nil {
		return nil, err
	}
	if err := inst.identify(ctx); err != nil {
		return nil, errors.Join(err, inst.Stop())
	}
	opts.Log.InfoContext(ctx, "database is up", "engine", inst.Engine, "version", inst.Version, "source", inst.Source, "data", inst.DataDir)
	return inst, nil
}

// find goes through the possibilities.
func find(ctx context.Context, opts *Options) (*Instance, error) {
	if opts.URL != "" {
		return useURL(opts.URL)
	}
	if err := openDataDir(opts); err != nil {
		return nil, err
	}
	var tried []error
	if opts.Engine != crdb.PostgreSQL {
		binary, err := findCockroach(ctx, opts)
		if err == nil {
			return startCockroach(ctx, binary, opts)
		}
		tried = append(tried, err)
	}
	if opts.Engine != crdb.CockroachDB {
		bins, err := findPostgres(ctx, opts)
		if err == nil {
			return startPostgres(ctx, bins, opts)
		}
		tried = append(tried, err)
	}
	return nil, fmt.Errorf("%w: install CockroachDB (https://www.cockroachlabs.com/docs/releases) and put `cockroach` on the PATH or name it in "+
		"COCKROACH_BINARY, or install the PostgreSQL 15 server (Debian: apt-get install postgresql), or give a database URL. Tried:\n%w",
		ErrNoEngine, errors.Join(tried...))
}

func useURL(raw string) (*Instance, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("the database URL %q cannot be parsed", crdb.Redact(raw))
	}
	return &Instance{Source: "given URL " + crdb.Redact(raw), base: u, given: true, stop: func() error { return nil }}, nil
}

// identify asks the server what it is.
func (i *Instance) identify(ctx context.Context) error {
	db, err := crdb.Open(ctx, crdb.Config{URL: i.adminURL(), MaxConns: 1}, crdb.Options{})
	if err != nil {
		return fmt.Errorf("local database (%s): %w", i.Source, err)
	}
	defer db.Close()
	i.Engine, i.Version = db.Engine(), db.Version()
	return nil
}

// URL returns the URL of a database on the server, with the rights of its administrator.
func (i *Instance) URL(database string) string {
	u := *i.base
	u.Path = "/" + database
	return u.String()
}

// adminURL is a database that every server has, or the one that the caller named.
func (i *Instance) adminURL() string {
	if i.given && len(i.base.Path) > 1 {
		return i.base.String()
	}
	return i.URL("postgres")
}

// Stop ends the server and removes what was temporary. It may be called more than once; a server that was given by URL is
// left alone.
func (i *Instance) Stop() error {
	var err error
	i.stopped.Do(func() { err = i.stop() })
	return err
}
