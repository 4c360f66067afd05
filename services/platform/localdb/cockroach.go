package localdb

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/cockroachdb/cockroach-go/v2/testserver"

	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

// findCockroach returns the path of a binary.
func findCockroach(ctx context.Context, opts *Options) (string, error) {
	if path := os.Getenv("COCKROACH_BINARY"); path != "" {
		if _, err := exec.LookPath(path); err != nil {
			return "", fmt.Errorf("COCKROACH_BINARY: %w", err)
		}
		return path, nil
	}
	if path, err := exec.LookPath("cockroach"); err == nil {
		return path, nil
	}
	if opts.SkipDownload {
		return "", errors.New("no cockroach binary on the PATH")
	}
	opts.Log.InfoContext(ctx, "no cockroach binary on the PATH: trying to download one", "give_up_after", opts.DownloadTimeout)
	return within(ctx, opts.DownloadTimeout, download)
}

// download has cockroach-go fetch a release, or find the one it fetched before.
func download() (string, error) {
	return testserver.DownloadBinary(&testserver.TestConfig{}, "", false)
}

// within gives fetch, which takes no context, some time. One that takes longer is left behind and ends by itself.
func within(ctx context.Context, timeout time.Duration, fetch func() (string, error)) (string, error) {
	type answer struct {
		path string
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		path, err := fetch()
		done <- answer{path, err}
	}()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	select {
	case a := <-done:
		if a.err != nil {
			return "", fmt.Errorf("no cockroach binary on the PATH, and none could be downloaded: %w", a.err)
		}
		return a.path, nil
	case <-ctx.Done():
		return "", fmt.Errorf("no cockroach binary on the PATH, and none could be downloaded within %v", timeout)
	}
}

// cockroachCache holds more than what waits to be flushed can take of it, four tables of 64 MiB: in a cache that has less,
// CockroachDB 20.1 looks for room forever, and the node never answers again. Memory is taken as it is used.
const cockroachCache = "--cache=320MiB"

// startCockroach runs one node.
func startCockroach(ctx context.Context, binary string, opts *Options) (*Instance, error) {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return nil, fmt.Errorf("cockroach binary: %w", err)
	}
	run, err := tempDir(nil) // the node also writes dumps to its working folder
	if err != nil {
		return nil, err
	}
	store, data := "type=mem,size=1GiB", ""
	if opts.DataDir != "" {
		data = filepath.Join(opts.DataDir, "cockroachdb")
		store = "path=" + data
	}
	urlFile := filepath.Join(run, "url")
	p, err := child{path: binary, dir: run, onDeath: syscall.SIGKILL, args: []string{
		"start-single-node", "--insecure", "--store=" + store, "--listen-addr=127.0.0.1:0", "--http-addr=127.0.0.1:0",
		"--listening-url-file=" + urlFile, cockroachCache, "--max-sql-memory=256MiB",
	}}.start()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(run))
	}
	// The log is synced with every commit, so there is nothing that a slow, gentle stop would save.
	stop := func() error { return errors.Join(p.stop(syscall.SIGKILL, time.Second), os.RemoveAll(run)) }
	u, err := waitForURL(ctx, p, urlFile)
	if err != nil {
		return nil, errors.Join(p.failure(err), stop())
	}
	if opts.DataDir != "" {
		if err := writeMarker(opts.DataDir, marker{Engine: crdb.CockroachDB}); err != nil {
			return nil, errors.Join(err, stop())
		}
	}
	return &Instance{Source: binary, DataDir: data, base: u, stop: stop}, nil
}

// waitForURL waits until the node has written where it listens.
func waitForURL(ctx context.Context, p *process, file string) (*url.URL, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if b, err := os.ReadFile(file); err == nil && strings.HasSuffix(string(b), "\n") {
			u, err := url.Parse(strings.TrimSpace(string(b)))
			if err != nil {
				return nil, fmt.Errorf("read the URL of the node: %w", err)
			}
			return u, nil
		}
		select {
		case <-p.done:
			return nil, errors.New("it ended at once")
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}

func userinfo(user string) *url.Userinfo { return url.User(user) }
