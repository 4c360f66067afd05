package issuer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Paths that Handler answers, below the issuer's address.
const (
	DiscoveryPath = "/.well-known/openid-configuration"
	KeysPath      = "/keys"
	TokenPath     = "/token"
)

// maxBody bounds a token request.
const maxBody = 64 << 10

// roles that a token for an account can carry.
var roles = map[string]bool{"OWNER": true, "ADMIN": true, "MEMBER": true}

// tokenRequest is the body of POST /token. Service tokens are not to be had this way: a person at the portal must not
// become a service by asking.
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
func (i *Issuer) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+DiscoveryPath, i.discovery)
	mux.HandleFunc("GET "+KeysPath, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, i.keys) })
	mux.HandleFunc("POST "+TokenPath, i.token)
	return mux
}

func (i *Issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"issuer":                                i.url,
		"jwks_uri":                              i.url + KeysPath,
		"token_endpoint":                        i.url + TokenPath,
		"response_types_supported":              []string{"token"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{RS256, ES256},
	})
}

func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	req, err := readTokenRequest(http.MaxBytesReader(w, r.Body, maxBody))
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
		return req, errors.New(`name "subject", "account" and "role", or ask for {"operator":true}`)
	}
	if !roles[req.Role] {
		return req, fmt.Errorf("role %q: use OWNER, ADMIN or MEMBER", req.Role)
	}
	return req, nil
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	// The caller may be gone; there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(body)
}
