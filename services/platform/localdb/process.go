package localdb

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a child that ends with us.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	out  *tail
}

// child says what to run. It gets a process group of its own, so that Ctrl-C in a terminal reaches us alone and we end it
// when those who use it are done.
type child struct {
	path string
	args []string
	dir  string
	// user to run as; nil: as we do.
	user *account
	// onDeath is the signal that the child gets when this process dies without having stopped it.
	onDeath syscall.Signal
}

// start runs the child on a thread that waits for it: the kernel's death signal goes by the parent's thread, not its process.
func (c child) start() (*process, error) {
	//nolint:noctx // the child outlives the context in which it is started
	p := &process{cmd: exec.Command(c.path, c.args...), done: make(chan struct{}), out: &tail{}}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = c.dir, p.out, p.out
	// Nothing of ours may steer the server, PGDATA and the like.
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.dir, "TZ=UTC", "LC_ALL=C"}
	// Give up on the pipe soon after the child is gone, even if a grandchild still holds it.
	p.cmd.WaitDelay = time.Second
	p.cmd.SysProcAttr = sysProcAttr(c)
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer close(p.done)
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", c.path, err)
	}
	return p, nil
}

// stop sends sig and, when that has not helped after wait, SIGKILL.
func (p *process) stop(sig syscall.Signal, wait time.Duration) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.cmd.Path, err)
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(wait):
	}
	_ = p.cmd.Process.Kill()
	<-p.done
	return nil
}

// failure describes a child that did not come up.
func (p *process) failure(err error) error {
	return fmt.Errorf("%s did not start: %w; it said:\n%s", p.cmd.Path, err, p.out)
}

// tail keeps the last part of what a child prints.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailSize = 8 << 10

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if extra := len(t.buf) - tailSize; extra > 0 {
		t.buf = append(t.buf[:0], t.buf[extra:]...)
	}
	return len(b), nil
}

// String returns what is kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.buf))
}

// freePort asks the kernel for a port that nobody uses right now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.New("find a free port: not a TCP address")
	}
	return addr.Port, nil
}
