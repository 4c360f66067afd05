package authn

import (
	"context"

	"google.golang.org/grpc/credentials"
)

// StaticToken returns credentials that send token with every call, without TLS too. It is for tests and command-line clients.
func StaticToken(token string) credentials.PerRPCCredentials { return staticToken(token) }

type staticToken string

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (s staticToken) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(s)}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (s staticToken) RequireTransportSecurity() bool { return false }
