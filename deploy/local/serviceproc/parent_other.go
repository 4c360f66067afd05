//go:build !linux

package serviceproc

import (
	"io"
	"syscall"
)

// dieWithParent has no counterpart here: a crash of the parent leaves the process behind.
func dieWithParent() *syscall.SysProcAttr { return nil }

// run starts the process and waits for its end.
func (p *Process) run(stdout io.Reader, started chan<- error, lines chan<- []byte) {
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	defer close(p.done)
	p.await(stdout, lines)
}
