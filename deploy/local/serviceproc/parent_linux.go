package serviceproc

import (
	"io"
	"runtime"
	"syscall"
)

// dieWithParent makes the kernel kill the process when the thread that started it ends, so that no crash of a test leaves one behind.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// run starts the process and waits for its end, on one thread: it must live as long as the process does.
func (p *Process) run(stdout io.Reader, started chan<- error, lines chan<- []byte) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	defer close(p.done)
	p.await(stdout, lines)
}
