package authn_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

// issuer is an OpenID Connect issuer of a test.
type issuer struct {
	*httptest.Server
	up      atomic.Bool
	fetches atomic.Int64
	keys    atomic.Pointer[jose.JSONWebKeySet]
}

func newIssuer(t *testing.T, keys ...jose.JSONWebKey) *issuer {
	t.Helper()
	i := &issuer{}
	i.up.Store(true)
	i.publish(keys...)
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.fetches.Add(1)
		w.Header().Set("Content-Type", "application/json")
		switch {
		case !i.up.Load():
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/.well-known/openid-configuration":
			_ = json.NewEncoder(w).Encode(map[string]string{"issuer": i.URL, "jwks_uri": i.URL + "/keys"})
		default:
			_ = json.NewEncoder(w).Encode(i.keys.Load())
		}
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) publish(keys ...jose.JSONWebKey) {
	set := &jose.JSONWebKeySet{}
	for _, k := range keys {
		set.Keys = append(set.Keys, k.Public())
	}
	i.keys.Store(set)
}

func rsaKey(t *testing.T, id string) jose.JSONWebKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return jose.JSONWebKey{Key: k, KeyID: id, Algorithm: "RS256", Use: "sig"}
}

func ecKey(t *testing.T, id string) jose.JSONWebKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return jose.JSONWebKey{Key: k, KeyID: id, Algorithm: "ES256", Use: "sig"}
}

func sign(t *testing.T, key jose.JSONWebKey, claims map[string]any) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key}, nil)
	require.NoError(t, err)
	token, err := jwt.Signed(s).Claims(claims).Serialize()
	require.NoError(t, err)
	return token
}

var noon = time.Date(2031, 5, 1, 12, 0, 0, 0, time.UTC)

// claims returns good ones, changed by with.
func claims(i *issuer, with map[string]any) map[string]any {
	c := map[string]any{"iss": i.URL, "aud": "switchboard", "sub": "jo", "exp": noon.Add(time.Hour).Unix(), "account": "accounts/a1", "role": "ADMIN"}
	for k, v := range with {
		c[k] = v
	}
	return c
}

func verifier(t *testing.T, i *issuer, clk clock.Clock) authn.Verifier {
	t.Helper()
	cfg := authn.DefaultConfig()
	cfg.Issuer = i.URL
	v, err := authn.NewVerifier(cfg, clk)
	require.NoError(t, err)
	return v
}

func TestVerifierReadsClaims(t *testing.T) {
	t.Parallel()
	for _, key := range []jose.JSONWebKey{rsaKey(t, "r"), ecKey(t, "e")} {
		i := newIssuer(t, key)
		v := verifier(t, i, clock.NewFake(noon))
		id, err := v.Verify(t.Context(), sign(t, key, claims(i, map[string]any{"email": "jo@example.com", "email_verified": true})))
		require.NoError(t, err)
		require.Equal(t, authn.Identity{Subject: "jo", Account: "a1", Role: "ADMIN", Email: "jo@example.com"}, id)
		require.Equal(t, "user:jo", id.Actor())

		id, err = v.Verify(t.Context(), sign(t, key, claims(i, map[string]any{"email": "jo@example.com"})))
		require.NoError(t, err)
		require.Empty(t, id.Email, "not verified, so it is nobody's")

		id, err = v.Verify(t.Context(), sign(t, key, claims(i, map[string]any{"account": "", "role": "", "operator": true})))
		require.NoError(t, err)
		require.Equal(t, authn.Identity{Subject: "jo", Operator: true}, id)
		require.Equal(t, "operator:jo", id.Actor())

		id, err = v.Verify(t.Context(), sign(t, key, claims(i, map[string]any{"account": "", "role": "", "service": "license"})))
		require.NoError(t, err)
		require.Equal(t, authn.Identity{Subject: "jo"}, id, "no token makes a service")
	}
}

func TestVerifierRefusesBadTokens(t *testing.T) {
	t.Parallel()
	good, other := ecKey(t, "k"), ecKey(t, "k")
	i := newIssuer(t, good)
	v := verifier(t, i, clock.NewFake(noon))
	hmac, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte("0123456789abcdef0123456789abcdef")}, nil)
	require.NoError(t, err)
	symmetric, err := jwt.Signed(hmac).Claims(claims(i, nil)).Serialize()
	require.NoError(t, err)
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + strings.Split(sign(t, good, claims(i, nil)), ".")[1] + "."
	public, err := x509.MarshalPKIXPublicKey(good.Public().Key)
	require.NoError(t, err)
	byPublic, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{
		Key: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), KeyID: "k",
	}}, nil)
	require.NoError(t, err)
	confused, err := jwt.Signed(byPublic).Claims(claims(i, nil)).Serialize()
	require.NoError(t, err)
	tampered := tamper(t, sign(t, good, claims(i, map[string]any{"role": "MEMBER"})))
	for name, token := range map[string]string{
		"not a token":                "nonsense",
		"empty":                      "",
		"far too long":               string(make([]byte, 1<<20)),
		"another key":                sign(t, other, claims(i, nil)),
		"another audience":           sign(t, good, claims(i, map[string]any{"aud": "elsewhere"})),
		"another issuer":             sign(t, good, claims(i, map[string]any{"iss": "https://elsewhere"})),
		"expired":                    sign(t, good, claims(i, map[string]any{"exp": noon.Add(-time.Minute).Unix()})),
		"not valid yet":              sign(t, good, claims(i, map[string]any{"nbf": noon.Add(time.Hour).Unix()})),
		"almost valid":               sign(t, good, claims(i, map[string]any{"nbf": noon.Add(time.Minute).Unix()})),
		"signed with nothing":        unsigned,
		"the public key as a secret": confused,
		"tampered":                   tampered,
		"a role without account":     sign(t, good, claims(i, map[string]any{"account": ""})),
		"a strange account":          sign(t, good, claims(i, map[string]any{"account": "accounts/a1/users/u"})),
		"claims of other types":      sign(t, good, claims(i, map[string]any{"operator": "yes"})),
		"a symmetric signature":      symmetric,
	} {
		_, err := v.Verify(t.Context(), token)
		require.Equal(t, commonv1.Reason_UNAUTHENTICATED, errs.Reason(err), name)
	}
	_, err = v.Verify(t.Context(), sign(t, good, claims(i, map[string]any{"exp": noon.Add(-10 * time.Second).Unix()})))
	require.NoError(t, err, "the issuer's clock may be off a little")
}

// tamper makes an owner of a member and leaves the signature.
func tamper(t *testing.T, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	changed := strings.Replace(string(body), `"MEMBER"`, `"OWNER"`, 1)
	require.NotEqual(t, string(body), changed)
	parts[1] = base64.RawURLEncoding.EncodeToString([]byte(changed))
	return strings.Join(parts, ".")
}

func TestVerifierStartsBeforeItsIssuer(t *testing.T) {
	t.Parallel()
	key := ecKey(t, "k")
	i := newIssuer(t, key)
	i.up.Store(false)
	v := verifier(t, i, clock.NewFake(noon))
	token := sign(t, key, claims(i, nil))
	_, err := v.Verify(t.Context(), token)
	require.Equal(t, commonv1.Reason_UNAVAILABLE, errs.Reason(err), "not the caller's fault")
	require.False(t, errs.Definitive(err))
	i.up.Store(true)
	_, err = v.Verify(t.Context(), token)
	require.NoError(t, err)
}

func TestVerifierFollowsKeyRotation(t *testing.T) {
	t.Parallel()
	first, second := ecKey(t, "1"), ecKey(t, "2")
	i := newIssuer(t, first)
	v := verifier(t, i, clock.NewFake(noon))
	_, err := v.Verify(t.Context(), sign(t, first, claims(i, nil)))
	require.NoError(t, err)
	i.publish(second)
	_, err = v.Verify(t.Context(), sign(t, second, claims(i, nil)))
	require.NoError(t, err)
	i.up.Store(false)
	// Eventually, since a look at the keys that has ended this very moment still counts.
	testkit.Eventually(t, 5*time.Second, func() error {
		_, err := v.Verify(t.Context(), sign(t, ecKey(t, "3"), claims(i, nil)))
		if errs.Reason(err) != commonv1.Reason_UNAVAILABLE {
			return fmt.Errorf("a key that cannot be looked for is not a bad key: %w", err)
		}
		return nil
	})
}

func TestVerifierBoundsItsQuestions(t *testing.T) {
	t.Parallel()
	key := ecKey(t, "k")
	i := newIssuer(t, key)
	v := verifier(t, i, clock.NewFake(noon))
	for range 40 {
		_, err := v.Verify(t.Context(), sign(t, ecKey(t, "unknown"), claims(i, nil)))
		require.Error(t, err)
	}
	require.Less(t, i.fetches.Load(), int64(20), "tokens of unknown keys do not flood the issuer")
}

func TestVerifierRemembersTokens(t *testing.T) {
	t.Parallel()
	key := ecKey(t, "k")
	i := newIssuer(t, key)
	clk := clock.NewFake(noon)
	v := verifier(t, i, clk)
	token := sign(t, key, claims(i, map[string]any{"exp": noon.Add(90 * time.Second).Unix()}))
	_, err := v.Verify(t.Context(), token)
	require.NoError(t, err)
	fetched := i.fetches.Load()

	i.publish() // from now on no signature can be verified, so what passes was remembered
	i.up.Store(false)
	_, err = v.Verify(t.Context(), token)
	require.NoError(t, err)
	require.Equal(t, fetched, i.fetches.Load())
	clk.Advance(3 * time.Minute)
	_, err = v.Verify(t.Context(), token)
	require.Equal(t, commonv1.Reason_UNAUTHENTICATED, errs.Reason(err), "a token is not remembered beyond its end")
}

func TestVerifierNeedsIssuerAndAudience(t *testing.T) {
	t.Parallel()
	_, err := authn.NewVerifier(authn.Config{Audience: "x"}, nil)
	require.Error(t, err)
	_, err = authn.NewVerifier(authn.Config{Issuer: "x"}, nil)
	require.Error(t, err)
}
