package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
)

// Action is what can be done to a process.
type Action string

// The actions. Kill ends a process as a crash does, Stop in order; Restart is Stop and Start. Pause stops it where it stands, with all its
// connections open, until Resume.
const (
	Kill    Action = "kill"
	Stop    Action = "stop"
	Start   Action = "start"
	Restart Action = "restart"
	Pause   Action = "pause"
	Resume  Action = "resume"
)

// Actions lists the actions.
func Actions() []Action { return []Action{Kill, Stop, Start, Restart, Pause, Resume} }

// Status says how a process is.
type Status struct {
	Name string `json:"name"`
	// State is running, paused or stopped.
	State string `json:"state"`
	// Addr is where it serves, host:port.
	Addr string `json:"addr"`
	// PID is its process id; 0 when it is stopped.
	PID int `json:"pid"`
}

// process is what a member can be told.
type process interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
	Kill() error
	Signal(sig syscall.Signal) error
	Running() bool
	PID() int
}

// member is one process of the cluster, over its restarts.
type member struct {
	name, addr string
	process    process

	mu     sync.Mutex
	paused bool
}

func (m *member) isPaused() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.paused
}

// do carries out an action, one at a time.
func (m *member) do(ctx context.Context, action Action) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if action == Start {
		return m.process.Start(ctx)
	}
	if !m.process.Running() {
		if action == Restart {
			return m.process.Start(ctx)
		}
		return errors.New("it is stopped")
	}
	switch action {
	case Kill:
		m.paused = false // SIGKILL reaches a paused process, too
		return m.process.Kill()
	case Pause:
		m.paused = true
		return m.process.Signal(syscall.SIGSTOP)
	case Resume:
		m.paused = false
		return m.process.Signal(syscall.SIGCONT)
	case Stop, Restart:
		return m.stop(ctx, action == Restart)
	case Start:
	}
	return fmt.Errorf("there is no action %q", action)
}

// stop ends it in order, and starts it again.
func (m *member) stop(ctx context.Context, again bool) error {
	if m.paused {
		m.paused = false
		if err := m.process.Signal(syscall.SIGCONT); err != nil {
			return err
		}
	}
	if err := m.process.Stop(ctx); err != nil || !again {
		return err
	}
	return m.process.Start(ctx)
}

// end stops the member for good, whether it runs or not.
func (m *member) end(ctx context.Context) error {
	if !m.process.Running() {
		return nil
	}
	return m.do(ctx, Stop)
}

func (m *member) status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Status{Name: m.name, Addr: m.addr, State: "stopped"}
	if m.process.Running() {
		s.State, s.PID = "running", m.process.PID()
		if m.paused {
			s.State = "paused"
		}
	}
	return s
}

// ParseAction reads an action as people write it.
func ParseAction(text string) (Action, error) {
	for _, a := range Actions() {
		if string(a) == strings.ToLower(text) {
			return a, nil
		}
	}
	return "", fmt.Errorf("there is no action %q: %v", text, Actions())
}
