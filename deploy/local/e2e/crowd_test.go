package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// crowdEnv makes this executable a crowd: "<address> <connections>". It is a process of its own because each end of a connection is an
// open file, of which a process may have only so many.
const crowdEnv = "SWITCHBOARD_TEST_CROWD"

// crowdMain opens connections that send nothing, says how many there are, and holds them until its input ends. It answers false when
// this process is no crowd.
func crowdMain() (code int, mine bool) {
	what := os.Getenv(crowdEnv)
	if what == "" {
		return 0, false
	}
	if err := crowd(what); err != nil {
		fmt.Fprintln(os.Stderr, "crowd:", err)
		return 1, true
	}
	return 0, true
}

func crowd(what string) error {
	addr, count, _ := strings.Cut(what, " ")
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	// The runtime has raised the soft limit to the hard one already; only root may raise that.
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: uint64(2 * n), Max: uint64(2 * n)})
	conns := make([]net.Conn, n)
	for i := range conns {
		if conns[i], err = net.Dial("tcp", addr); err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
	}
	if _, err := fmt.Fprintln(os.Stdout, n); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	for _, conn := range conns {
		_ = conn.Close()
	}
	return err
}

// startCrowd runs a crowd until the test ends and answers how many connections it has opened.
func startCrowd(t *testing.T, addr string, n int) string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", crowdEnv, addr, n))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(n), strings.TrimSpace(line))
	return strings.TrimSpace(line)
}
