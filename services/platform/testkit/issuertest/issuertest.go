// Package issuertest is a token issuer for tests of one service: it signs tokens and publishes the key that proves them.
package issuertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// lifetime is longer than any clock goes that a test moves.
const lifetime = 1000 * time.Hour

// Issuer signs tokens. URL is its name, and where its keys are.
type Issuer struct {
	URL    string
	signer jose.Signer
}

// New starts an issuer that ends with the test.
func New(tb testing.TB) *Issuer {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(tb, err)
	jwk := jose.JSONWebKey{Key: key, KeyID: "k", Algorithm: "ES256", Use: "sig"}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jwk}, nil)
	require.NoError(tb, err)
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{jwk.Public()}})
	require.NoError(tb, err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(keys) }))
	tb.Cleanup(func() {
		server.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	return &Issuer{URL: server.URL, signer: signer}
}

// Token makes a token for the audience "switchboard" with further claims.
func (i *Issuer) Token(tb testing.TB, claims map[string]any) string {
	tb.Helper()
	all := map[string]any{"iss": i.URL, "aud": "switchboard", "sub": "tester", "exp": time.Now().Add(lifetime).Unix()}
	maps.Copy(all, claims)
	payload, err := json.Marshal(all)
	require.NoError(tb, err)
	signed, err := i.signer.Sign(payload)
	require.NoError(tb, err)
	token, err := signed.CompactSerialize()
	require.NoError(tb, err)
	return token
}
