// Package serviceproc runs services as processes of their own, so that tests can end one as a crash does: at any moment, or at a
// named step of its work. The process is another run of the executable that the stack is in; its main function (TestMain, for
// tests) calls Main first.
package serviceproc

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/services/platform/localetcd"
)

// specEnv names the file that says what a process is to run.
const specEnv = "SWITCHBOARD_LOCAL_SERVICE_PROCESS"

// spec is what the file says.
type spec struct {
	Service string          `json:"service"`
	Config  json.RawMessage `json:"config"`
	// Control is the folder through which a test arranges the process's end.
	Control string `json:"control"`
}

// hello is the first line that a process writes: where it serves.
type hello struct {
	Addr    string `json:"addr"`
	OpsAddr string `json:"opsAddr"`
}

// Launcher starts services as processes of their own. It implements stack.Launcher.
type Launcher struct {
	// Dir is a folder for settings and for what is arranged with the processes.
	Dir string
	// Output gets what the processes log. Default: nobody does.
	Output io.Writer
}

// control is the folder of a replica.
func (l Launcher) control(service string, replica int) string {
	return filepath.Join(l.Dir, fmt.Sprintf("%s-%d", service, replica))
}

// Launch implements stack.Launcher.
func (l Launcher) Launch(ctx context.Context, s stack.Spec) (stack.Process, error) {
	dir := l.control(s.Service, s.Replica)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the process: %w", err)
	}
	if err := stack.ChooseAddresses(s); err != nil {
		return nil, err
	}
	file, err := writeSpec(dir, s)
	if err != nil {
		return nil, err
	}
	return start(ctx, file, l.Output)
}

// etcd is what a process is that is a member of etcd.
const etcd = "etcd"

// LaunchEtcd starts the n-th member of an etcd cluster, with the data that it left when it last ran. Addr of the process is where
// clients reach it; it has no OpsAddr.
func (l Launcher) LaunchEtcd(ctx context.Context, n int, opts localetcd.Options) (*Process, error) {
	dir := l.control(etcd, n)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the process: %w", err)
	}
	file, err := writeSpec(dir, stack.Spec{Service: etcd, Replica: n, Config: opts})
	if err != nil {
		return nil, err
	}
	return start(ctx, file, l.Output)
}

func writeSpec(dir string, s stack.Spec) (string, error) {
	config, err := json.Marshal(s.Config)
	if err != nil {
		return "", fmt.Errorf("encoding the settings of %s: %w", s.Service, err)
	}
	raw, err := json.Marshal(spec{Service: s.Service, Config: config, Control: dir})
	if err != nil {
		return "", fmt.Errorf("encoding the settings of %s: %w", s.Service, err)
	}
	file := filepath.Join(dir, "spec.json")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		return "", fmt.Errorf("writing the settings of %s: %w", s.Service, err)
	}
	return file, nil
}

// Process is a service, or a member of etcd, in a process of its own. It implements stack.Process.
type Process struct {
	hello
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// start runs this executable once more and waits until it says where it serves.
func start(ctx context.Context, file string, output io.Writer) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this executable: %w", err)
	}
	cmd := exec.Command(self) //nolint:noctx // the process outlives the context in which it is started
	cmd.Env = append(os.Environ(), specEnv+"="+file)
	cmd.Stderr = output
	cmd.SysProcAttr = dieWithParent()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting a process: %w", err)
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	lines := make(chan []byte, 1)
	go p.run(stdout, started, lines)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting a process: %w", err)
	}
	select {
	case line := <-lines:
		if err := json.Unmarshal(line, &p.hello); err != nil {
			return nil, errors.Join(fmt.Errorf("the process said %q: %w", line, err), p.Kill())
		}
		return p, nil
	case <-p.done:
		return nil, fmt.Errorf("the process ended at once: %w", p.err)
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), p.Kill())
	}
}

// await hands over the first line and waits for the process to end.
func (p *Process) await(stdout io.Reader, lines chan<- []byte) {
	in := bufio.NewReader(stdout)
	if line, err := in.ReadBytes('\n'); err == nil {
		lines <- line
	}
	_, _ = io.Copy(io.Discard, in) // nothing more is said
	p.err = p.cmd.Wait()
}

// Addr implements stack.Process.
func (p *Process) Addr() string { return p.hello.Addr }

// OpsAddr implements stack.Process.
func (p *Process) OpsAddr() string { return p.hello.OpsAddr }

// Stop implements stack.Process.
func (p *Process) Stop(ctx context.Context) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("asking the process to end: %w", err)
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("the process does not end: %w", ctx.Err()), p.Kill())
	}
}

// Kill implements stack.Process.
func (p *Process) Kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing the process: %w", err)
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(10 * time.Second):
		return errors.New("the process was killed and does not end")
	}
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal to the process, such as SIGSTOP and SIGCONT.
func (p *Process) Signal(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("signalling the process: %w", err)
	}
	return nil
}

// Done implements stack.Process.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err implements stack.Process.
func (p *Process) Err() error { return p.err }
