package authn

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

// tokenCheck is how often a token file is looked at; kubelet renews projected tokens long before they expire.
const tokenCheck = time.Second

// FileToken returns credentials that send the token in the file at path with every call, as a bearer token. The file is read
// when the first call is made and again when it has changed, so it may be renewed in place. It also works without TLS, for
// loopback and for meshes that encrypt below. While the file cannot be read, calls fail with UNAVAILABLE.
func FileToken(path string) credentials.PerRPCCredentials { return &fileToken{path: path} }

type fileToken struct {
	path string

	mu      sync.Mutex
	token   string
	modTime time.Time
	checked time.Time
}

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (f *fileToken) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	token, err := f.read()
	if err != nil {
		// Without a code of its own gRPC would call it UNAUTHENTICATED, which reads as a refusal for good by the other side.
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (f *fileToken) RequireTransportSecurity() bool { return false }

func (f *fileToken) read() (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.token != "" && time.Since(f.checked) < tokenCheck {
		return f.token, nil
	}
	info, err := os.Stat(f.path)
	if err != nil {
		return "", fmt.Errorf("token file: %w", err)
	}
	f.checked = time.Now()
	if f.token != "" && info.ModTime().Equal(f.modTime) {
		return f.token, nil
	}
	b, err := os.ReadFile(f.path)
	if err != nil {
		return "", fmt.Errorf("token file: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if token == "" {
		return "", fmt.Errorf("token file %s is empty", f.path)
	}
	f.token, f.modTime = token, info.ModTime()
	return token, nil
}

// StaticToken returns credentials that send token with every call, without TLS too. It is for tests and command-line clients.
func StaticToken(token string) credentials.PerRPCCredentials { return staticToken(token) }

type staticToken string

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (s staticToken) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(s)}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (s staticToken) RequireTransportSecurity() bool { return false }
