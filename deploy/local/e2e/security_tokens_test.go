package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/issuer"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

// everyDoor lists one method of each service that an administrator may call.
func everyDoor(t *testing.T) []rpc {
	t.Helper()
	want := map[string]string{"license": "ListSites", "extension": "ListExtensionRanges", "numbering": "ListPackages", "notification": "ListNotifications"}
	var out []rpc
	for _, m := range rpcs(t) {
		if want[m.server()] == string(m.Name()) {
			out = append(out, m)
		}
	}
	require.Len(t, out, 4)
	return out
}

// TestTokensThatAreNotGood are refused by the gateway, and by every service that is called past it.
func TestTokensThatAreNotGood(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newBareTenant(t, s, 1)
		owner := issuer.Claims{Subject: "owner", Account: tn.account, Role: "OWNER", Algorithm: issuer.ES256}
		good := sign(t, s, owner)
		d := &dials{T: t, stack: s, conns: map[[2]string]*grpc.ClientConn{}}
		for name, token := range badTokens(t, s, owner, good) {
			for _, m := range everyDoor(t) {
				err := m.call(withToken(t.Context(), token), d.to(m.server(), ""), m.request(t, tn.account))
				require.Equal(t, codes.Unauthenticated, status.Code(err), "%s at %s: %v", name, m.server(), err)
				require.NotContains(t, err.Error(), token)
			}
			tn.refused(tn.anonymous.As(token).Get(t.Context(), tn.path+"/sites", nil), "UNAUTHENTICATED")
		}
		for _, m := range everyDoor(t) {
			err := m.call(withToken(t.Context(), good), d.to(m.server(), ""), m.request(t, tn.account))
			require.NotContains(t, []codes.Code{codes.Unauthenticated, codes.PermissionDenied}, status.Code(err), "%v", err)
		}
		require.NoError(t, tn.anonymous.As(good).Get(t.Context(), tn.path+"/sites", nil))
	})
}

// TestKeysRotateWithoutRestart signs with a key that nobody has seen before.
func TestKeysRotateWithoutRestart(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newBareTenant(t, s, 1)
		before := sign(t, s, issuer.Claims{Subject: "owner", Account: tn.account, Role: "OWNER"})
		require.NoError(t, s.Issuer().Rotate())
		after := sign(t, s, issuer.Claims{Subject: "owner", Account: tn.account, Role: "OWNER"})
		require.NotEqual(t, header(t, before), header(t, after), "another key id")
		d := &dials{T: t, stack: s, conns: map[[2]string]*grpc.ClientConn{}}
		for _, token := range []string{after, before} {
			require.NoError(t, tn.anonymous.As(token).Get(t.Context(), tn.path+"/sites", nil))
			for _, m := range everyDoor(t) {
				err := m.call(withToken(t.Context(), token), d.to(m.server(), ""), m.request(t, tn.account))
				require.NotContains(t, []codes.Code{codes.Unauthenticated, codes.PermissionDenied, codes.Unavailable}, status.Code(err), "%v", err)
			}
		}
	})
}

func sign(t *testing.T, s *stack.Stack, c issuer.Claims) string {
	t.Helper()
	token, err := s.Issuer().Token(c)
	require.NoError(t, err)
	return token
}

func header(t *testing.T, token string) map[string]string {
	t.Helper()
	var out map[string]string
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &out))
	return out
}

// badTokens makes tokens that each have one fault.
func badTokens(t *testing.T, s *stack.Stack, owner issuer.Claims, good string) map[string]string {
	t.Helper()
	parts := strings.Split(good, ".")
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	with := func(change func(*issuer.Claims)) string { c := owner; change(&c); return sign(t, s, c) }
	claims := func(name string, value any) []byte {
		all := map[string]any{}
		require.NoError(t, json.Unmarshal(body, &all))
		all[name] = value
		out, err := json.Marshal(all)
		require.NoError(t, err)
		return out
	}
	kid := header(t, good)["kid"]
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	forge := func(alg jose.SignatureAlgorithm, key any, payload []byte) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
		require.NoError(t, err)
		signed, err := signer.Sign(payload)
		require.NoError(t, err)
		text, err := signed.CompactSerialize()
		require.NoError(t, err)
		return text
	}
	elsewhere, err := issuer.New("https://issuer.elsewhere.example", issuer.Config{})
	require.NoError(t, err)
	foreign, err := elsewhere.Token(owner)
	require.NoError(t, err)
	b64 := base64.RawURLEncoding.EncodeToString
	return map[string]string{
		"expired":                  with(func(c *issuer.Claims) { c.Lifetime = -time.Hour }),
		"another audience":         with(func(c *issuer.Claims) { c.Audience = "somebody-else" }),
		"not valid yet":            forgeGood(t, s, claims("nbf", time.Now().Add(time.Hour).Unix())),
		"another issuer by name":   forgeGood(t, s, claims("iss", "https://issuer.elsewhere.example")),
		"another issuer":           foreign,
		"another key":              forge(jose.ES256, stranger, body),
		"no algorithm":             b64([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + ".",
		"no algorithm, signed":     b64([]byte(`{"alg":"none","kid":"`+kid+`"}`)) + "." + parts[1] + "." + parts[2],
		"public key as the secret": forge(jose.HS256, publicKeys(t, s, kid), body),
		"tampered":                 parts[0] + "." + b64(claims("sub", "somebody")) + "." + parts[2],
		"without its signature":    parts[0] + "." + parts[1] + ".",
		"two parts":                parts[0] + "." + parts[1],
		"nonsense":                 "nonsense",
	}
}

// forgeGood signs a payload with the issuer's own key.
func forgeGood(t *testing.T, s *stack.Stack, payload []byte) string {
	t.Helper()
	token, err := s.Issuer().Sign(payload)
	require.NoError(t, err)
	return token
}

// publicKeys is the PEM of the issuer's public key with that id.
func publicKeys(t *testing.T, s *stack.Stack, kid string) []byte {
	t.Helper()
	c := gatewayclient.New(s.Issuer().URL(), 1)
	defer c.Close()
	var set jose.JSONWebKeySet
	answer, err := c.Raw(t.Context(), http.MethodGet, issuer.KeysPath, nil, nil)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(answer.Body, &set))
	require.NotEmpty(t, set.Key(kid))
	der, err := x509.MarshalPKIXPublicKey(set.Key(kid)[0].Key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}
