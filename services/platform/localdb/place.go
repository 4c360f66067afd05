package localdb

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

// account is a user of the machine.
type account struct {
	name     string
	uid, gid uint32
	groups   []uint32
}

// unprivileged returns the user that PostgreSQL runs as: nil, which is us, unless we are root, whom it refuses.
func unprivileged() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		return &account{name: name, uid: uint32(uid), gid: uint32(gid), groups: []uint32{uint32(gid)}}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody")
}

// reachable returns an error that names the folder when a cannot enter dir or one of those above it.
func (a *account) reachable(dir string) error {
	if a == nil {
		return nil
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("look at %s: %w", dir, err)
		}
		if !a.mayEnter(info) {
			return fmt.Errorf("the user %s cannot enter %s (mode %#o)", a.name, dir, info.Mode().Perm())
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

func (a *account) mayEnter(info os.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	mode := info.Mode().Perm()
	switch {
	case ok && st.Uid == a.uid:
		return mode&0o100 != 0
	case ok && slices.Contains(a.groups, st.Gid):
		return mode&0o010 != 0
	}
	return mode&0o001 != 0
}

// give makes dir belong to a.
func (a *account) give(dir string) error {
	if a == nil {
		return nil
	}
	if err := os.Chown(dir, int(a.uid), int(a.gid)); err != nil {
		return fmt.Errorf("give %s to %s: %w", dir, a.name, err)
	}
	return nil
}

// tempPrefix is followed by our process id, so that a later run can tell what was left behind.
const tempPrefix = "switchboard-db-"

// tempDir makes a folder for a that Stop removes, and removes those that dead processes left.
func tempDir(a *account) (string, error) {
	var reasons []error
	for _, base := range tempBases() {
		if err := a.reachable(base); err != nil {
			reasons = append(reasons, err)
			continue
		}
		sweep(base)
		dir, err := os.MkdirTemp(base, tempPrefix+strconv.Itoa(os.Getpid())+"-")
		if err != nil {
			reasons = append(reasons, err)
			continue
		}
		if err := a.give(dir); err != nil {
			return "", errors.Join(err, os.RemoveAll(dir))
		}
		return dir, nil
	}
	return "", fmt.Errorf("no place for temporary data: %w", errors.Join(reasons...))
}

// memoryFree is how much of the machine's memory disk must be free for it to be used, in bytes.
const memoryFree = 2 << 30

// tempBases lists where temporary data may go, best first: in memory, where making a database is some fifteen times as fast as
// on a disk, if there is plenty of it and nobody has asked for another place.
func tempBases() []string {
	bases := []string{os.TempDir(), "/tmp", "/var/tmp"}
	const memory = "/dev/shm"
	var st syscall.Statfs_t
	if os.Getenv("TMPDIR") == "" && syscall.Statfs(memory, &st) == nil && st.Bavail*uint64(st.Bsize) >= memoryFree {
		return append([]string{memory}, bases...)
	}
	return bases
}

// sweep removes folders of processes that are gone. What cannot be removed stays.
func sweep(base string) {
	left, _ := filepath.Glob(filepath.Join(base, tempPrefix+"*-*"))
	for _, dir := range left {
		number, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), tempPrefix), "-")
		pid, err := strconv.Atoi(number)
		if err != nil || pid <= 0 || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		_ = os.RemoveAll(dir)
	}
}

// marker remembers in a data folder what filled it.
type marker struct {
	Engine crdb.Engine `json:"engine"`
	// Data is the folder of the server itself where that is not inside.
	Data string `json:"data,omitempty"`
}

const markerFile = "database.json"

// openDataDir creates the data folder and holds the choice to the engine that filled it.
func openDataDir(opts *Options) error {
	if opts.DataDir == "" {
		return nil
	}
	dir, err := filepath.Abs(opts.DataDir)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	opts.DataDir = dir
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	m, err := readMarker(dir)
	if err != nil || m.Engine == "" {
		return err
	}
	if opts.Engine != "" && opts.Engine != m.Engine {
		return fmt.Errorf("the data in %s is that of %s, not of %s: name another folder or remove it", dir, m.Engine, opts.Engine)
	}
	opts.Engine = m.Engine
	return nil
}

func readMarker(dir string) (marker, error) {
	var m marker
	b, err := os.ReadFile(filepath.Join(dir, markerFile))
	if errors.Is(err, os.ErrNotExist) {
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		return m, fmt.Errorf("data folder %s: %w", dir, err)
	}
	return m, nil
}

func writeMarker(dir string, m marker) error {
	b, err := json.Marshal(m)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, markerFile), append(b, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("data folder %s: %w", dir, err)
	}
	return nil
}

// besides names a folder in a place that lasts and everybody can enter, for data whose own folder they cannot.
func besides(dir string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(dir))
	return fmt.Sprintf("/var/tmp/switchboard-data-%016x", h.Sum64())
}
