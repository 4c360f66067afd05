package localdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/localaddr"
)

// StartNodes starts a database whose servers can be ended and started again one by one: CockroachDB with count nodes, each row on
// three of them, or where there is only PostgreSQL, one server of that. Instance.URL names all nodes. Of Options, URL is not for this.
//
// What was committed outlives the end of any process: data is written through to the system, though not to the disk where DataDir is
// empty. ctx bounds the start only; Instance.Stop ends all nodes.
func StartNodes(ctx context.Context, opts Options, count int) (*Instance, []*Node, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.DownloadTimeout <= 0 {
		opts.DownloadTimeout = 5 * time.Second
	}
	if opts.URL != "" || count < 1 {
		return nil, nil, errors.New("nodes are started here, at least one, and not given by URL")
	}
	if err := openDataDir(&opts); err != nil {
		return nil, nil, err
	}
	inst, nodes, err := findNodes(ctx, &opts, count)
	if err != nil {
		return nil, nil, err
	}
	if err := inst.identify(ctx); err != nil {
		return nil, nil, errors.Join(err, inst.Stop())
	}
	return inst, nodes, nil
}

func findNodes(ctx context.Context, opts *Options, count int) (*Instance, []*Node, error) {
	var tried []error
	if opts.Engine != crdb.PostgreSQL {
		binary, err := findCockroach(ctx, opts)
		if err == nil {
			return startCockroachNodes(ctx, binary, opts, count)
		}
		tried = append(tried, err)
	}
	if opts.Engine != crdb.CockroachDB {
		bins, err := findPostgres(ctx, opts)
		if err == nil {
			return startPostgresNode(ctx, bins, opts)
		}
		tried = append(tried, err)
	}
	return nil, nil, fmt.Errorf("%w: %w", ErrNoEngine, errors.Join(tried...))
}

// startCockroachNodes runs a cluster of CockroachDB.
func startCockroachNodes(ctx context.Context, binary string, opts *Options, count int) (*Instance, []*Node, error) {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return nil, nil, fmt.Errorf("cockroach binary: %w", err)
	}
	run, err := tempDir(nil)
	if err != nil {
		return nil, nil, err
	}
	data := run
	if opts.DataDir != "" {
		data = filepath.Join(opts.DataDir, "cockroachdb")
	}
	layout, fresh, err := cockroachLayout(data, count)
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(run))
	}
	nodes := make([]*Node, count)
	for i, addr := range layout {
		nodes[i] = &Node{Addr: addr, crash: syscall.SIGKILL, gentle: syscall.SIGKILL, answers: awaitSQL(addr, "root"), child: child{
			path: binary, dir: run, onDeath: syscall.SIGKILL, args: []string{
				"start", "--insecure", "--store=path=" + filepath.Join(data, "node"+strconv.Itoa(i)), "--listen-addr=" + addr,
				"--http-addr=127.0.0.1:0", "--join=" + strings.Join(layout, ","), cockroachCache, "--max-sql-memory=64MiB",
			},
		}}
	}
	inst := &Instance{
		Source: fmt.Sprintf("%s, %d nodes", binary, count), DataDir: opts.DataDir, stop: stopNodes(nodes, removeAll(run)),
		base: &url.URL{Scheme: "postgresql", User: userinfo("root"), Host: strings.Join(layout, ","), RawQuery: "sslmode=disable"},
	}
	if err := assemble(ctx, binary, nodes, fresh); err != nil {
		return nil, nil, errors.Join(err, inst.Stop())
	}
	if opts.DataDir != "" {
		if err := writeMarker(opts.DataDir, marker{Engine: crdb.CockroachDB}); err != nil {
			return nil, nil, errors.Join(err, inst.Stop())
		}
	}
	return inst, nodes, nil
}

// cockroachLayout chooses where the nodes listen, which they remember of each other, or reads what was chosen for the data before.
func cockroachLayout(data string, count int) (addrs []string, fresh bool, err error) {
	file := filepath.Join(data, "addresses")
	raw, err := os.ReadFile(file)
	if err == nil {
		if addrs = strings.Fields(string(raw)); len(addrs) != count {
			return nil, false, fmt.Errorf("the data in %s is that of %d nodes, not of %d: name another folder or remove it", data, len(addrs), count)
		}
		return addrs, false, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, false, fmt.Errorf("data folder: %w", err)
	}
	for range count {
		addr, err := localaddr.Choose()
		if err != nil {
			return nil, false, err
		}
		addrs = append(addrs, addr)
	}
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, false, fmt.Errorf("data folder: %w", err)
	}
	if err := os.WriteFile(file, []byte(strings.Join(addrs, "\n")+"\n"), 0o644); err != nil {
		return nil, false, fmt.Errorf("data folder: %w", err)
	}
	return addrs, true, nil
}

// assemble starts the nodes, makes a cluster of new ones, and waits until losing one loses nothing.
func assemble(ctx context.Context, binary string, nodes []*Node, fresh bool) error {
	for _, n := range nodes {
		if _, err := n.launch(); err != nil {
			return err
		}
	}
	if fresh {
		if err := initCluster(ctx, binary, nodes[0]); err != nil {
			return err
		}
	}
	for _, n := range nodes {
		if err := n.Start(ctx); err != nil {
			return err
		}
	}
	if len(nodes) < 3 {
		return nil
	}
	return awaitCopies(ctx, nodes[0])
}

// initCluster makes a cluster, as soon as the first node listens.
func initCluster(ctx context.Context, binary string, first *Node) error {
	for {
		out, err := exec.CommandContext(ctx, binary, "init", "--insecure", "--host="+first.Addr).CombinedOutput()
		if err == nil || strings.Contains(string(out), "already been initialized") {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("making a cluster of the nodes: %w; it said:\n%s", ctx.Err(), out)
		case <-time.After(100 * time.Millisecond):
		}
		if !first.Running() {
			return first.process.failure(errors.New("it ended at once"))
		}
	}
}

// awaitCopies waits until every range of the database is on three nodes.
func awaitCopies(ctx context.Context, n *Node) error {
	conn, err := pgx.Connect(ctx, sqlURL(n.Addr, "root"))
	if err != nil {
		return fmt.Errorf("waiting for the copies: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for {
		var lacking int
		err := conn.QueryRow(ctx, `SELECT count(*) FROM crdb_internal.ranges_no_leases WHERE array_length(replicas, 1) < 3`).Scan(&lacking)
		if err != nil {
			return fmt.Errorf("waiting for the copies: %w", err)
		}
		if lacking == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the copies of %d ranges: %w", lacking, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// startPostgresNode runs one PostgreSQL.
func startPostgresNode(ctx context.Context, bins postgresBinaries, opts *Options) (*Instance, []*Node, error) {
	who, err := unprivileged()
	if err != nil {
		return nil, nil, err
	}
	data, cleanup, err := postgresData(who, opts)
	if err != nil {
		return nil, nil, err
	}
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); err != nil {
		if err := initdb(ctx, bins, who, data); err != nil {
			return nil, nil, errors.Join(err, cleanup())
		}
	}
	if opts.DataDir != "" {
		if err := writeMarker(opts.DataDir, marker{Engine: crdb.PostgreSQL, Data: data}); err != nil {
			return nil, nil, err
		}
	}
	addr, err := localaddr.Choose()
	if err != nil {
		return nil, nil, errors.Join(err, cleanup())
	}
	_, port, _ := strings.Cut(addr, ":")
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, nil, errors.Join(err, cleanup())
	}
	args := postgresArgs(data, number, false)
	if opts.DataDir == "" {
		// Without the disk, yet with every commit handed to the system, since the server is to be crashed.
		args = append(args, "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "dynamic_shared_memory_type=mmap")
	}
	node := &Node{
		Addr: addr, crash: syscall.SIGQUIT, gentle: syscall.SIGINT, answers: awaitSQL(addr, superuser),
		child: child{path: bins.path("postgres"), args: args, dir: data, user: who, onDeath: syscall.SIGQUIT},
	}
	inst := &Instance{
		Source: bins.path("postgres"), DataDir: opts.DataDir, stop: stopNodes([]*Node{node}, cleanup),
		base: &url.URL{Scheme: "postgresql", User: userinfo(superuser), Host: addr, RawQuery: "sslmode=disable"},
	}
	if err := node.Start(ctx); err != nil {
		return nil, nil, errors.Join(err, inst.Stop())
	}
	return inst, []*Node{node}, nil
}

func sqlURL(addr, user string) string {
	u := url.URL{Scheme: "postgresql", User: userinfo(user), Host: addr, Path: "/postgres", RawQuery: "sslmode=disable&connect_timeout=2"}
	return u.String()
}

// awaitSQL returns what waits until a server answers a query.
func awaitSQL(addr, user string) func(ctx context.Context, p *process) error {
	return func(ctx context.Context, p *process) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
		defer cancel()
		for {
			last := askSQL(ctx, addr, user)
			if last == nil {
				return nil
			}
			select {
			case <-p.done:
				return errors.New("it ended at once")
			case <-ctx.Done():
				return last
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
}

func askSQL(ctx context.Context, addr, user string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, sqlURL(addr, user))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "SELECT 1")
	return errors.Join(err, conn.Close(ctx))
}
