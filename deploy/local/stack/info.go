package stack

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Info says where everything is. It is what the ready file holds.
type Info struct {
	// Gateway is the gateway's full URL.
	Gateway string `json:"gateway"`
	// Gateways holds the full URLs of all gateways, the one above first.
	Gateways []string `json:"gateways"`
	// GRPC holds the address (host:port) of each service's first replica, by name.
	GRPC map[string]string `json:"grpc"`
	// CAFile is the path of the authority whose certificates the services show over gRPC.
	CAFile string `json:"caFile"`
	// TokenURL is the full URL that hands out tokens.
	TokenURL string `json:"tokenURL"`
	// Mail is the full URL that lists the mails.
	Mail string `json:"mail"`
	// Database names engine and version.
	Database string `json:"database"`
	// Etcd is etcd's client URL, or a comma separated list of those of its members.
	Etcd string `json:"etcd"`
	// Control is the path of the Unix socket through which the processes of a cluster are ended, paused and started; empty for a
	// stack in one process.
	Control string `json:"control,omitempty"`
	// Ops holds the URL of each service's port for metrics, health and profiles, by name.
	Ops map[string]string `json:"ops"`
}

// WriteReadyFile writes info to path in one step, so that whoever waits for the file never reads half of it.
func WriteReadyFile(path string, info Info) error {
	raw, err := json.MarshalIndent(info, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the ready file: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".ready-*")
	if err != nil {
		return fmt.Errorf("writing the ready file: %w", err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	if _, err := tmp.Write(append(raw, '\n')); err != nil {
		_ = tmp.Close()
		return fmt.Errorf("writing the ready file: %w", err)
	}
	if err := tmp.Chmod(0o644); err != nil {
		_ = tmp.Close()
		return fmt.Errorf("writing the ready file: %w", err)
	}
	if err := tmp.Close(); err != nil {
		return fmt.Errorf("writing the ready file: %w", err)
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fmt.Errorf("writing the ready file: %w", err)
	}
	return nil
}
