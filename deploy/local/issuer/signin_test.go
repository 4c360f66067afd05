package issuer_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/issuer"
)

const (
	verifier   = "a-verifier-of-at-least-forty-three-characters-in-all"
	backToHere = "http://127.0.0.1:9/signed-in"
)

// authorization is a request as a portal makes it.
func authorization() url.Values {
	sum := sha256.Sum256([]byte(verifier))
	return url.Values{
		"response_type": {"code"}, "client_id": {"portal"}, "redirect_uri": {backToHere}, "state": {"s1"}, "nonce": {"n1"},
		"scope": {"openid"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
}

// browse fetches without following redirects.
func browse(t *testing.T, method, address string, form url.Values) (*http.Response, string) {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var resp *http.Response
	var err error
	if method == http.MethodGet {
		resp, err = client.Get(address + "?" + form.Encode())
	} else {
		resp, err = client.PostForm(address, form)
	}
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(text)
}

var button = regexp.MustCompile(`name="as" value="([^"]+)">([^<]+)`)

// signIn chooses the button with that text and answers the parameters that the portal is sent back with.
func signIn(t *testing.T, iss *issuer.Issuer, who string) url.Values {
	t.Helper()
	resp, page := browse(t, http.MethodGet, iss.URL()+issuer.SignInPath, authorization())
	require.Equal(t, http.StatusOK, resp.StatusCode, page)
	form := authorization()
	for _, found := range button.FindAllStringSubmatch(page, -1) {
		if found[2] == who+" " {
			form.Set("as", found[1])
		}
	}
	require.NotEmpty(t, form.Get("as"), page)
	resp, page = browse(t, http.MethodPost, iss.URL()+issuer.SignInPath, form)
	require.Equal(t, http.StatusSeeOther, resp.StatusCode, page)
	to, err := resp.Location()
	require.NoError(t, err)
	require.Equal(t, backToHere, to.Scheme+"://"+to.Host+to.Path)
	require.Equal(t, "s1", to.Query().Get("state"))
	require.Equal(t, iss.URL(), to.Query().Get("iss"))
	return to.Query()
}

func exchange(t *testing.T, iss *issuer.Issuer, code, codeVerifier string) (int, map[string]any) {
	t.Helper()
	resp, text := browse(t, http.MethodPost, iss.URL()+issuer.TokenPath, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {backToHere}, "client_id": {"portal"}, "code_verifier": {codeVerifier},
	})
	require.Equal(t, "*", resp.Header.Get("Access-Control-Allow-Origin"))
	var out map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &out), text)
	return resp.StatusCode, out
}

func directory(context.Context) ([]issuer.Account, error) {
	return []issuer.Account{{ID: "a1", DisplayName: "Acme & Co", People: []issuer.Person{{Email: "ada@example.com", DisplayName: "Ada Lovelace", Role: "OWNER"}}}}, nil
}

func TestSignIn_Person(t *testing.T) {
	t.Parallel()
	iss := serve(t, issuer.Config{Directory: directory})
	code, out := exchange(t, iss, signIn(t, iss, "Ada Lovelace").Get("code"), verifier)
	require.Equal(t, http.StatusOK, code, out)
	claims, err := verify(t, iss, out["access_token"].(string))
	require.NoError(t, err)
	require.Equal(t, "ada@example.com", claims["sub"])
	require.Equal(t, "a1", claims["account"])
	require.Equal(t, "OWNER", claims["role"])
	require.NotContains(t, claims, "operator")

	_, err = verify(t, iss, out["id_token"].(string))
	require.ErrorContains(t, err, "audience", "an ID token is for the portal and opens no service")
}

func TestSignIn_Operator(t *testing.T) {
	t.Parallel()
	iss := serve(t, issuer.Config{})
	code, out := exchange(t, iss, signIn(t, iss, "Platform operator").Get("code"), verifier)
	require.Equal(t, http.StatusOK, code, out)
	claims, err := verify(t, iss, out["access_token"].(string))
	require.NoError(t, err)
	require.Equal(t, true, claims["operator"])
	require.NotContains(t, claims, "role")
}

func TestSignIn_CodesWorkOnceAndForTheirOwner(t *testing.T) {
	t.Parallel()
	iss := serve(t, issuer.Config{Directory: directory})
	first := signIn(t, iss, "Member").Get("code")
	code, out := exchange(t, iss, first, "somebody-else's-verifier-of-forty-three-characters")
	require.Equal(t, http.StatusBadRequest, code)
	require.Equal(t, "invalid_grant", out["error"])
	code, _ = exchange(t, iss, first, verifier)
	require.Equal(t, http.StatusBadRequest, code, "a code that was tried is used up")

	second := signIn(t, iss, "Member").Get("code")
	code, _ = exchange(t, iss, second, verifier)
	require.Equal(t, http.StatusOK, code)
	code, _ = exchange(t, iss, second, verifier)
	require.Equal(t, http.StatusBadRequest, code)
}

func TestSignIn_CodesExpire(t *testing.T) {
	t.Parallel()
	now := time.Now()
	iss := serve(t, issuer.Config{Now: func() time.Time { return now }})
	code := signIn(t, iss, "Platform operator").Get("code")
	now = now.Add(time.Minute + time.Second)
	status, _ := exchange(t, iss, code, verifier)
	require.Equal(t, http.StatusBadRequest, status)
}

func TestSignIn_Refused(t *testing.T) {
	t.Parallel()
	iss := serve(t, issuer.Config{})
	for name, tt := range map[string]struct {
		parameter, value, sentBack string
	}{
		"another machine": {"redirect_uri", "https://example.com/", ""},
		"no address":      {"redirect_uri", "javascript:alert(1)", ""},
		"no client":       {"client_id", "", ""},
		"implicit flow":   {"response_type", "token", "unsupported_response_type"},
		"no PKCE":         {"code_challenge", "", "invalid_request"},
		"plain PKCE":      {"code_challenge_method", "plain", "invalid_request"},
	} {
		request := authorization()
		request.Set(tt.parameter, tt.value)
		resp, _ := browse(t, http.MethodGet, iss.URL()+issuer.SignInPath, request)
		if tt.sentBack == "" {
			require.Equal(t, http.StatusBadRequest, resp.StatusCode, name)
			continue
		}
		to, err := resp.Location()
		require.NoError(t, err, name)
		require.Equal(t, tt.sentBack, to.Query().Get("error"), name)
	}
	resp, _ := browse(t, http.MethodPost, iss.URL()+issuer.SignInPath, authorization())
	require.Equal(t, http.StatusBadRequest, resp.StatusCode, "nobody was chosen")
}

func TestSignOut(t *testing.T) {
	t.Parallel()
	iss := serve(t, issuer.Config{})
	resp, _ := browse(t, http.MethodGet, iss.URL()+issuer.SignOutPath, url.Values{"post_logout_redirect_uri": {"http://localhost:1/bye"}, "state": {"s2"}})
	require.Equal(t, "http://localhost:1/bye?state=s2", resp.Header.Get("Location"))
	resp, _ = browse(t, http.MethodGet, iss.URL()+issuer.SignOutPath, url.Values{"post_logout_redirect_uri": {"https://example.com"}})
	require.Equal(t, http.StatusOK, resp.StatusCode)
}
