package issuer

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// serviceTokenLifetime is longer than any clock that a test moves goes.
const serviceTokenLifetime = 10 * 365 * 24 * time.Hour

// WriteServiceToken writes a token for the named service to path, readable by the owner only. The file is replaced in one
// step, so that a reader sees the old token or the new one. It stands for what a platform would project into a container.
func (i *Issuer) WriteServiceToken(path, service string) error {
	token, err := i.Token(Claims{Service: service, Lifetime: serviceTokenLifetime})
	if err != nil {
		return fmt.Errorf("making the token of service %s: %w", service, err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".token-*")
	if err != nil {
		return fmt.Errorf("writing the token of service %s: %w", service, err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	if _, err := tmp.WriteString(token); err != nil {
		_ = tmp.Close()
		return fmt.Errorf("writing the token of service %s: %w", service, err)
	}
	if err := tmp.Close(); err != nil {
		return fmt.Errorf("writing the token of service %s: %w", service, err)
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fmt.Errorf("writing the token of service %s: %w", service, err)
	}
	return nil
}
