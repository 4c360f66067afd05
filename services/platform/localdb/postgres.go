package localdb

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

// oldestPostgres is the oldest major version that the product supports.
const oldestPostgres = 15

// superuser of the servers that we set up.
const superuser = "postgres"

// postgresBinaries is an installation.
type postgresBinaries struct {
	dir   string
	major int
}

func (b postgresBinaries) path(name string) string { return filepath.Join(b.dir, name) }

// findPostgres returns the newest installation, or the one that the data folder needs.
func findPostgres(ctx context.Context, opts *Options) (postgresBinaries, error) {
	need := dataVersion(opts.DataDir)
	var best postgresBinaries
	var other []string
	for _, dir := range postgresDirs() {
		b := postgresBinaries{dir: dir, major: postgresMajor(ctx, filepath.Join(dir, "postgres"))}
		switch {
		case b.major == 0:
		case b.major < oldestPostgres, need != 0 && b.major != need:
			other = append(other, fmt.Sprintf("%s has version %d", dir, b.major))
		case b.major > best.major:
			best = b
		}
	}
	switch {
	case best.major != 0:
		return best, nil
	case need != 0:
		return best, fmt.Errorf("the data in %s needs the server binaries of PostgreSQL %d, which were not found %v", opts.DataDir, need, other)
	}
	return best, fmt.Errorf("no server binaries of PostgreSQL %d or newer on the PATH or in the usual places %v", oldestPostgres, other)
}

// postgresDirs lists folders that hold both initdb and postgres.
func postgresDirs() []string {
	var dirs []string
	add := func(dir string) {
		for _, name := range []string{"postgres", "initdb"} {
			if _, err := exec.LookPath(filepath.Join(dir, name)); err != nil {
				return
			}
		}
		dirs = append(dirs, dir)
	}
	for _, name := range []string{"postgres", "initdb", "pg_ctl"} {
		if path, err := exec.LookPath(name); err == nil {
			if path, err = filepath.EvalSymlinks(path); err == nil {
				add(filepath.Dir(path))
			}
		}
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin",
	} {
		found, _ := filepath.Glob(pattern)
		for _, dir := range found {
			add(dir)
		}
	}
	return dirs
}

var majorPattern = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// postgresMajor asks a binary for its version; 0 when it does not tell.
func postgresMajor(ctx context.Context, path string) int {
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if m := majorPattern.FindSubmatch(out); err == nil && m != nil {
		n, _ := strconv.Atoi(string(m[1]))
		return n
	}
	return 0
}

// dataVersion reads the major version that a data folder was made with; 0 when there is none yet.
func dataVersion(dataDir string) int {
	if dataDir == "" {
		return 0
	}
	m, err := readMarker(dataDir)
	if err != nil || m.Data == "" {
		m.Data = filepath.Join(dataDir, "postgresql")
	}
	b, err := os.ReadFile(filepath.Join(m.Data, "PG_VERSION"))
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return n
}

// startPostgres sets up the data folder where needed and runs the server.
func startPostgres(ctx context.Context, bins postgresBinaries, opts *Options) (*Instance, error) {
	who, err := unprivileged()
	if err != nil {
		return nil, err
	}
	data, cleanup, err := postgresData(who, opts)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); err != nil {
		if err := initdb(ctx, bins, who, data); err != nil {
			return nil, errors.Join(err, cleanup())
		}
	}
	if opts.DataDir != "" {
		if err := writeMarker(opts.DataDir, marker{Engine: crdb.PostgreSQL, Data: data}); err != nil {
			return nil, err
		}
	}
	inst, err := runPostgres(ctx, bins, who, data, opts.DataDir == "", cleanup)
	if err != nil {
		return nil, errors.Join(err, cleanup())
	}
	return inst, nil
}

// postgresData returns the server's data folder and what removes it if it is temporary.
func postgresData(who *account, opts *Options) (string, func() error, error) {
	if opts.DataDir == "" {
		dir, err := tempDir(who)
		return dir, func() error { return os.RemoveAll(dir) }, err
	}
	keep := func() error { return nil }
	m, err := readMarker(opts.DataDir)
	if err != nil {
		return "", keep, err
	}
	dir := m.Data
	if dir == "" {
		dir = filepath.Join(opts.DataDir, "postgresql")
		if err := who.reachable(opts.DataDir); err != nil {
			dir = besides(opts.DataDir)
			opts.Log.Warn("PostgreSQL does not run as root, so its data goes to another folder", "reason", err.Error(), "data", dir)
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", keep, fmt.Errorf("data folder: %w", err)
	}
	if err := who.give(dir); err != nil {
		return "", keep, err
	}
	return dir, keep, who.reachable(dir)
}

// initdb fills a data folder. Texts compare by code point, as they do on CockroachDB.
func initdb(ctx context.Context, bins postgresBinaries, who *account, data string) error {
	var out string
	for _, locale := range []string{"C.UTF-8", "C"} {
		p, err := child{path: bins.path("initdb"), dir: data, user: who, onDeath: syscall.SIGKILL, args: []string{
			"--pgdata=" + data, "--username=" + superuser, "--auth=trust", "--encoding=UTF8", "--locale=" + locale, "--no-sync", "--no-instructions",
		}}.start()
		if err != nil {
			return err
		}
		select {
		case <-p.done:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), p.stop(syscall.SIGKILL, 0))
		}
		if p.cmd.ProcessState.Success() {
			return nil
		}
		out = p.out.String()
	}
	return fmt.Errorf("initdb failed; it said:\n%s", out)
}

// runPostgres starts the server on a free port and waits for it. The port may be taken by somebody else in between, so it
// tries a few.
func runPostgres(ctx context.Context, bins postgresBinaries, who *account, data string, temporary bool, cleanup func() error) (*Instance, error) {
	gentle := syscall.SIGINT // ends sessions and writes a checkpoint
	if temporary {
		gentle = syscall.SIGQUIT
	}
	var last error
	for range 3 {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		p, err := child{path: bins.path("postgres"), args: postgresArgs(data, port, temporary), dir: data, user: who, onDeath: gentle}.start()
		if err != nil {
			return nil, err
		}
		u := &url.URL{Scheme: "postgresql", User: userinfo(superuser), Host: "127.0.0.1:" + strconv.Itoa(port), RawQuery: "sslmode=disable"}
		if err := waitForPostgres(ctx, p, u); err != nil {
			last = errors.Join(p.failure(err), p.stop(syscall.SIGQUIT, time.Second))
			continue
		}
		inst := &Instance{Source: bins.path("postgres"), base: u, stop: func() error {
			return errors.Join(p.stop(gentle, 20*time.Second), cleanup())
		}}
		if !temporary {
			inst.DataDir = data
		}
		return inst, nil
	}
	return nil, last
}

func postgresArgs(data string, port int, temporary bool) []string {
	settings := map[string]string{
		"listen_addresses": "127.0.0.1", "port": strconv.Itoa(port), "unix_socket_directories": "",
		"max_connections": "400", "max_pred_locks_per_transaction": "128",
		"timezone": "UTC", "log_timezone": "UTC", "log_min_messages": "fatal",
	}
	if temporary {
		settings["fsync"], settings["synchronous_commit"], settings["full_page_writes"] = "off", "off", "off"
		// Inside the data folder, so that it goes with it even after an abrupt end.
		settings["dynamic_shared_memory_type"] = "mmap"
	}
	args := []string{"-D", data}
	for k, v := range settings {
		args = append(args, "-c", k+"="+v)
	}
	return args
}

func waitForPostgres(ctx context.Context, p *process, u *url.URL) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	at := *u
	at.Path = "/postgres"
	for {
		conn, err := pgx.Connect(ctx, at.String())
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-p.done:
			return errors.New("it ended at once")
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}
