package localdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// Node is one server of a database on this machine, which can be ended and started again with its data, at its address. It is safe
// for concurrent use.
type Node struct {
	// Addr is where it listens, host:port.
	Addr string

	child child
	// crash is the signal that ends the server without order; gentle ends it in order.
	crash, gentle syscall.Signal
	// answers returns nil once the server, which runs as p, serves.
	answers func(ctx context.Context, p *process) error

	mu      sync.Mutex
	process *process
}

// Start starts the server and returns once it serves. It does nothing when the server runs.
func (n *Node) Start(ctx context.Context) error {
	p, err := n.launch()
	if err != nil {
		return err
	}
	if err := n.answers(ctx, p); err != nil {
		return errors.Join(p.failure(err), n.Kill())
	}
	return nil
}

// launch starts the process if there is none, without waiting for it to serve.
func (n *Node) launch() (*process, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.running() {
		return n.process, nil
	}
	p, err := n.child.start()
	if err != nil {
		return nil, err
	}
	n.process = p
	return p, nil
}

func (n *Node) running() bool {
	if n.process == nil {
		return false
	}
	select {
	case <-n.process.done:
		return false
	default:
		return true
	}
}

// Running says whether there is a process, paused or not.
func (n *Node) Running() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.running()
}

// PID is the process's id; 0 when there is none.
func (n *Node) PID() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.running() {
		return 0
	}
	return n.process.cmd.Process.Pid
}

// Signal sends a signal to the server's main process, such as SIGSTOP and SIGCONT.
func (n *Node) Signal(sig syscall.Signal) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.running() {
		return errors.New("the server does not run")
	}
	if err := n.process.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("signal %s: %w", n.process.cmd.Path, err)
	}
	return nil
}

// Kill ends the server as a crash does and waits.
func (n *Node) Kill() error { return n.end(n.crash, time.Second) }

// Stop ends the server in order, for as long as ctx allows, and waits.
func (n *Node) Stop(ctx context.Context) error {
	wait := 20 * time.Second
	if deadline, ok := ctx.Deadline(); ok {
		wait = max(0, min(wait, time.Until(deadline)))
	}
	return n.end(n.gentle, wait)
}

func (n *Node) end(sig syscall.Signal, wait time.Duration) error {
	n.mu.Lock()
	p := n.process
	if !n.running() {
		p = nil
	}
	n.mu.Unlock()
	if p == nil {
		return nil
	}
	return p.stop(sig, wait)
}

// stopNodes ends nodes and removes what was temporary.
func stopNodes(nodes []*Node, cleanup func() error) func() error {
	return func() error {
		var all []error
		for _, n := range nodes {
			// A paused one takes no signal but these two.
			if n.Running() {
				_ = n.Signal(syscall.SIGCONT)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			all = append(all, n.Stop(ctx))
			cancel()
		}
		return errors.Join(append(all, cleanup())...)
	}
}

func removeAll(dir string) func() error { return func() error { return os.RemoveAll(dir) } }
