package issuer_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/issuer"
)

// serve starts an issuer on a free port.
func serve(t *testing.T, cfg issuer.Config) *issuer.Issuer {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	iss, err := issuer.New("http://"+srv.Listener.Addr().String(), cfg)
	require.NoError(t, err)
	srv.Config.Handler = iss.Handler()
	srv.Start()
	t.Cleanup(srv.Close)
	return iss
}

// verify checks a token as a service does: by discovery and the published keys.
func verify(t *testing.T, iss *issuer.Issuer, token string) (map[string]any, error) {
	t.Helper()
	provider, err := oidc.NewProvider(t.Context(), iss.URL())
	require.NoError(t, err)
	idToken, err := provider.Verifier(&oidc.Config{
		ClientID:             iss.Audience(),
		SupportedSigningAlgs: []string{issuer.RS256, issuer.ES256},
	}).Verify(t.Context(), token)
	if err != nil {
		return nil, err
	}
	var claims map[string]any
	require.NoError(t, idToken.Claims(&claims))
	return claims, nil
}

func post(t *testing.T, iss *issuer.Issuer, body string) (int, map[string]any) {
	t.Helper()
	resp, err := http.Post(iss.URL()+issuer.TokenPath, "application/json", strings.NewReader(body))
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	var out map[string]any
	require.NoError(t, json.Unmarshal(raw, &out), string(raw))
	return resp.StatusCode, out
}

func TestTokensAreVerifiedByDiscovery(t *testing.T) {
	t.Parallel()
	iss := serve(t, issuer.Config{})
	for _, alg := range []string{issuer.RS256, issuer.ES256} {
		code, out := post(t, iss, `{"subject":"ada","account":"accounts/a1","role":"ADMIN","email":"ada@example.com","algorithm":"`+alg+`"}`)
		require.Equal(t, http.StatusOK, code, out)
		claims, err := verify(t, iss, out["accessToken"].(string))
		require.NoError(t, err)
		require.Equal(t, "ada", claims["sub"])
		require.Equal(t, "a1", claims["account"], "the resource name's prefix is not part of the id")
		require.Equal(t, "ADMIN", claims["role"])
		require.Equal(t, "ada@example.com", claims["email"])
		require.NotContains(t, claims, "operator")
		require.NotContains(t, claims, "service")
	}
}

func TestOperatorToken(t *testing.T) {
	t.Parallel()
	iss := serve(t, issuer.Config{})
	code, out := post(t, iss, `{"operator":true}`)
	require.Equal(t, http.StatusOK, code)
	claims, err := verify(t, iss, out["accessToken"].(string))
	require.NoError(t, err)
	require.Equal(t, true, claims["operator"])
	require.NotEmpty(t, claims["sub"])
}

func TestTokenRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	iss := serve(t, issuer.Config{})
	for name, body := range map[string]string{
		"no JSON":           `subject=ada`,
		"nobody":            `{}`,
		"unknown role":      `{"subject":"ada","account":"a1","role":"KING"}`,
		"no account":        `{"subject":"ada","role":"OWNER"}`,
		"service":           `{"subject":"x","account":"a1","role":"OWNER","service":"license"}`,
		"unknown algorithm": `{"operator":true,"algorithm":"none"}`,
	} {
		code, out := post(t, iss, body)
		require.Equal(t, http.StatusBadRequest, code, name)
		require.NotEmpty(t, out["error"], name)
		require.NotContains(t, out, "accessToken", name)
	}
}

func TestExpiredAndForeignTokensAreRefused(t *testing.T) {
	t.Parallel()
	iss, other := serve(t, issuer.Config{}), serve(t, issuer.Config{})
	expired, err := iss.Token(issuer.Claims{Subject: "ada", Account: "a1", Role: "OWNER", Lifetime: -time.Hour})
	require.NoError(t, err)
	_, err = verify(t, iss, expired)
	require.ErrorContains(t, err, "expired")
	foreign, err := other.Token(issuer.Claims{Subject: "ada", Account: "a1", Role: "OWNER"})
	require.NoError(t, err)
	_, err = verify(t, iss, foreign)
	require.Error(t, err)
	wrongAudience, err := iss.Token(issuer.Claims{Subject: "ada", Account: "a1", Role: "OWNER", Audience: "somebody-else"})
	require.NoError(t, err)
	_, err = verify(t, iss, wrongAudience)
	require.ErrorContains(t, err, "audience")
}
