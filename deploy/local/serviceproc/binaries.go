package serviceproc

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"go.yaml.in/yaml/v3"

	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

// Binaries starts services as the programs that are deployed, with a configuration file each. It implements stack.Launcher.
type Binaries struct {
	// Programs is the folder of the programs, each named like its service.
	Programs string
	// Dir is a folder for configuration files.
	Dir string
	// Output gets what the processes log. Default: nobody does.
	Output io.Writer
}

// Launch implements stack.Launcher.
func (b Binaries) Launch(_ context.Context, s stack.Spec) (stack.Process, error) {
	if err := stack.ChooseAddresses(s); err != nil {
		return nil, err
	}
	file, err := b.writeConfig(s)
	if err != nil {
		return nil, err
	}
	program, err := filepath.Abs(filepath.Join(b.Programs, s.Service))
	if err != nil {
		return nil, fmt.Errorf("finding the program of %s: %w", s.Service, err)
	}
	cmd := exec.Command(program, "serve", "--config", file) //nolint:noctx // the process outlives the context in which it is started
	cmd.Stderr = b.Output
	cmd.SysProcAttr = dieWithParent()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", s.Service, err)
	}
	addr, opsAddr := stack.Addresses(s)
	p := &Process{hello: hello{Addr: addr, OpsAddr: opsAddr}, cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go p.run(stdout, started, make(chan []byte, 1)) // what it says is not needed
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", s.Service, err)
	}
	return p, nil
}

// writeConfig writes the settings of a replica as its program reads them.
func (b Binaries) writeConfig(s stack.Spec) (string, error) {
	settings := map[string]any{}
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{TagName: "koanf", Result: &settings})
	if err != nil {
		return "", fmt.Errorf("settings of %s: %w", s.Service, err)
	}
	if err := decoder.Decode(s.Config); err != nil {
		return "", fmt.Errorf("settings of %s: %w", s.Service, err)
	}
	raw, err := yaml.Marshal(plain(settings))
	if err != nil {
		return "", fmt.Errorf("settings of %s: %w", s.Service, err)
	}
	file := filepath.Join(b.Dir, fmt.Sprintf("%s-%d.yaml", s.Service, s.Replica))
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		return "", fmt.Errorf("settings of %s: %w", s.Service, err)
	}
	return file, nil
}

// plain writes durations the way people do.
func plain(settings map[string]any) map[string]any {
	for name, value := range settings {
		switch v := value.(type) {
		case map[string]any:
			settings[name] = plain(v)
		case time.Duration:
			settings[name] = v.String()
		}
	}
	return settings
}
