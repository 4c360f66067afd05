package serviceproc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// Death is where a process is to end: at a point of platform/faults, before its work is done or after it was done and before
// anybody learns of it.
type Death struct {
	Point string `json:"point"`
	After bool   `json:"after"`
}

// String names it for people.
func (d Death) String() string {
	if d.After {
		return "after " + d.Point
	}
	return "before " + d.Point
}

const (
	deathFile = "death.json"
	traceFile = "trace"
)

// Arrange makes a replica end, as by kill -9, the next time that it comes to the point. It may run already or start later; once
// dead, it starts again without the arrangement.
func (l Launcher) Arrange(service string, replica int, death Death) error {
	raw, err := json.Marshal(death)
	if err != nil {
		return fmt.Errorf("arranging an end: %w", err)
	}
	dir := l.control(service, replica)
	tmp := filepath.Join(dir, deathFile+".new")
	if err := os.WriteFile(tmp, raw, 0o600); err != nil {
		return fmt.Errorf("arranging an end: %w", err)
	}
	if err := os.Rename(tmp, filepath.Join(dir, deathFile)); err != nil {
		return fmt.Errorf("arranging an end: %w", err)
	}
	return nil
}

// Spare takes an arrangement back that has not come to pass. It answers whether there was one.
func (l Launcher) Spare(service string, replica int) (bool, error) {
	err := os.Remove(filepath.Join(l.control(service, replica), deathFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Points lists the points that a replica has come to so far, in the order of their first time.
func (l Launcher) Points(service string, replica int) ([]string, error) {
	raw, err := os.ReadFile(filepath.Join(l.control(service, replica), traceFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the points of %s: %w", service, err)
	}
	var points []string
	for _, point := range strings.Fields(string(raw)) {
		if !slices.Contains(points, point) {
			points = append(points, point)
		}
	}
	return points, nil
}

// executioner is the injector of a process: it notes each point and ends the process where it was arranged.
type executioner struct {
	dir  string
	mu   sync.Mutex
	seen map[string]bool
}

func newExecutioner(dir string) *executioner { return &executioner{dir: dir, seen: map[string]bool{}} }

// Before implements faults.Injector.
func (e *executioner) Before(_ context.Context, point string) error {
	if err := e.note(point); err != nil {
		return err
	}
	return e.meet(Death{Point: point})
}

// After implements faults.Injector.
func (e *executioner) After(_ context.Context, point string, err error) error {
	if err != nil {
		return err
	}
	return e.meet(Death{Point: point, After: true})
}

// note writes down a point when it is new.
func (e *executioner) note(point string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.seen[point] {
		return nil
	}
	e.seen[point] = true
	f, err := os.OpenFile(filepath.Join(e.dir, traceFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("noting a point: %w", err)
	}
	_, err = fmt.Fprintln(f, point)
	return errors.Join(err, f.Close())
}

// meet ends the process when it was arranged for now.
func (e *executioner) meet(now Death) error {
	file := filepath.Join(e.dir, deathFile)
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for an arranged end: %w", err)
	}
	var death Death
	if err := json.Unmarshal(raw, &death); err != nil {
		return fmt.Errorf("looking for an arranged end: %w", err)
	}
	if death != now {
		return nil
	}
	if err := os.Remove(file); err != nil {
		return nil //nolint:nilerr // another goroutine of this process was faster, and the end is near
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		return fmt.Errorf("meeting an arranged end: %w", err)
	}
	select {} // not one step further
}
