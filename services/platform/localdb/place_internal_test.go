package localdb

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestReachableNamesTheFolderInTheWay(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	require.NoError(t, os.Chmod(base, 0o755))
	locked := filepath.Join(base, "locked")
	inner := filepath.Join(locked, "inner")
	require.NoError(t, os.MkdirAll(inner, 0o755))
	require.NoError(t, os.Chmod(locked, 0o700))
	stranger := &account{name: "stranger", uid: 1 << 30, gid: 1 << 30, groups: []uint32{1 << 30}}
	err := stranger.reachable(inner)
	require.ErrorContains(t, err, "stranger")
	if err != nil && stranger.reachable(base) == nil {
		require.ErrorContains(t, err, locked)
	}
	owner := &account{name: "owner", uid: uint32(os.Getuid()), gid: uint32(os.Getgid()), groups: []uint32{uint32(os.Getgid())}}
	info, err := os.Stat(locked)
	require.NoError(t, err)
	require.True(t, owner.mayEnter(info))
	require.False(t, stranger.mayEnter(info))
	require.NoError(t, os.Chmod(locked, 0o710))
	info, err = os.Stat(locked)
	require.NoError(t, err)
	require.True(t, (&account{uid: 1 << 30, groups: []uint32{uint32(os.Getgid())}}).mayEnter(info))
	require.False(t, stranger.mayEnter(info))
	require.NoError(t, (*account)(nil).reachable("/nowhere"), "as ourselves we need no look")
}

func TestSweepRemovesWhatDeadProcessesLeft(t *testing.T) {
	t.Parallel()
	dead := exec.Command("true")
	require.NoError(t, dead.Run())
	base := t.TempDir()
	mine := filepath.Join(base, tempPrefix+strconv.Itoa(os.Getpid())+"-1")
	theirs := filepath.Join(base, tempPrefix+strconv.Itoa(dead.Process.Pid)+"-1")
	other := filepath.Join(base, tempPrefix+"x-1")
	for _, dir := range []string{mine, theirs, other} {
		require.NoError(t, os.Mkdir(dir, 0o700))
	}
	sweep(base)
	require.DirExists(t, mine)
	require.DirExists(t, other)
	require.NoDirExists(t, theirs)
}

func TestDownloadIsGivenUp(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	_, err := within(t.Context(), 10*time.Millisecond, func() (string, error) { <-release; return "", nil })
	require.ErrorContains(t, err, "10ms")
	broken := errors.New("no route")
	_, err = within(t.Context(), time.Minute, func() (string, error) { return "", broken })
	require.ErrorIs(t, err, broken)
	path, err := within(t.Context(), time.Minute, func() (string, error) { return "/x/cockroach", nil })
	require.NoError(t, err)
	require.Equal(t, "/x/cockroach", path)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = within(ctx, time.Minute, func() (string, error) { <-release; return "", nil })
	require.Error(t, err)
}
