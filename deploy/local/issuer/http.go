package issuer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Paths that Handler answers, below the issuer's address.
const (
	DiscoveryPath = "/.well-known/openid-configuration"
	KeysPath      = "/keys"
	TokenPath     = "/token"
	SignInPath    = "/authorize"
	SignOutPath   = "/signout"
)

// maxBody bounds a token request.
const maxBody = 64 << 10

// roles that a token for an account can carry.
var roles = map[string]bool{"OWNER": true, "ADMIN": true, "MEMBER": true}

// tokenRequest is the body of POST /token.
type tokenRequest struct {
	Subject   string `json:"subject"`
	Account   string `json:"account"`
	Role      string `json:"role"`
	Email     string `json:"email"`
	Operator  bool   `json:"operator"`
	Algorithm string `json:"algorithm"`
}

// tokenResponse is the answer of POST /token.
type tokenResponse struct {
	AccessToken string `json:"accessToken"`
	TokenType   string `json:"tokenType"`
	// ExpiresIn is the lifetime in seconds.
	ExpiresIn int64 `json:"expiresIn"`
}

// Handler serves the discovery document, the key set and POST /token, which takes
// {"subject":…, "account":…, "role":"OWNER|ADMIN|MEMBER"} or {"operator":true} and optionally "email" and
// "algorithm" ("RS256" or "ES256"), and answers {"accessToken":…}.
//
// For browsers there is the authorization code flow of OpenID Connect, with PKCE: /authorize shows a page to choose a person on,
// and POST /token exchanges the code that it sends back. Any client may use it that is reached on this machine.
func (i *Issuer) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+DiscoveryPath, i.discovery)
	mux.HandleFunc("GET "+KeysPath, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, i.published()) })
	mux.HandleFunc("POST "+TokenPath, i.token)
	mux.HandleFunc("OPTIONS "+TokenPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Access-Control-Allow-Headers", "*")
		answer(w, http.StatusOK, struct{}{})
	})
	mux.HandleFunc("GET "+SignInPath, i.signIn)
	mux.HandleFunc("POST "+SignInPath, i.signedIn)
	mux.HandleFunc("GET "+SignOutPath, signOut)
	return mux
}

func (i *Issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"issuer":                                         i.url,
		"jwks_uri":                                       i.url + KeysPath,
		"token_endpoint":                                 i.url + TokenPath,
		"authorization_endpoint":                         i.url + SignInPath,
		"end_session_endpoint":                           i.url + SignOutPath,
		"response_types_supported":                       []string{"code"},
		"grant_types_supported":                          []string{"authorization_code"},
		"code_challenge_methods_supported":               []string{"S256"},
		"token_endpoint_auth_methods_supported":          []string{"none"},
		"scopes_supported":                               []string{"openid", "profile", "email"},
		"authorization_response_iss_parameter_supported": true,
		"subject_types_supported":                        []string{"public"},
		"id_token_signing_alg_values_supported":          []string{RS256, ES256},
	})
}

func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	// What the body is shows in its first letter: curl sends JSON as a form unless told otherwise.
	if !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			answer(w, http.StatusBadRequest, map[string]string{"error": "invalid_request", "error_description": err.Error()})
			return
		}
		i.exchange(w, form)
		return
	}
	req, err := readTokenRequest(bytes.NewReader(body))
	if err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	token, life, err := i.issue(Claims{
		Subject: req.Subject, Account: req.Account, Role: req.Role, Email: req.Email,
		Operator: req.Operator, Algorithm: req.Algorithm,
	})
	if err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	answer(w, http.StatusOK, tokenResponse{AccessToken: token, TokenType: "Bearer", ExpiresIn: int64(life.Seconds())})
}

func readTokenRequest(body io.Reader) (tokenRequest, error) {
	var req tokenRequest
	dec := json.NewDecoder(body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&req); err != nil {
		return req, fmt.Errorf("the body must be a JSON object: %w", err)
	}
	if req.Operator {
		return req, nil
	}
	if req.Subject == "" || req.Account == "" {
		return req, errors.New(`name "subject" and "account", or ask for {"operator":true}`)
	}
	if req.Role != "" && !roles[req.Role] {
		return req, fmt.Errorf("role %q: use OWNER, ADMIN or MEMBER, or none for that of the directory", req.Role)
	}
	return req, nil
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	// Anybody may read: there are no cookies that a page of another origin could make use of.
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	// The caller may be gone; there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(body)
}
