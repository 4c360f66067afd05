package issuer

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// codeLifetime is how long a code can be exchanged (RFC 6749, section 4.1.2 recommends at most ten minutes).
const codeLifetime = time.Minute

// authorization is a request of the authorization code flow with PKCE (RFC 6749, RFC 7636, OpenID Connect Core).
type authorization struct {
	clientID, redirectURI, state, nonce, challenge, scope string
}

// oauthError is a refusal with a code of RFC 6749.
type oauthError struct{ code, text string }

// Error implements error.
func (e oauthError) Error() string { return e.text }

func readAuthorization(v url.Values) (authorization, error) {
	a := authorization{
		clientID: v.Get("client_id"), redirectURI: v.Get("redirect_uri"), state: v.Get("state"),
		nonce: v.Get("nonce"), challenge: v.Get("code_challenge"), scope: v.Get("scope"),
	}
	if a.clientID == "" || !loopbackURL(a.redirectURI) {
		a.redirectURI = "" // Nobody is sent to where nobody should go.
		return a, errors.New("name client_id, and as redirect_uri an address of this machine")
	}
	if v.Get("response_type") != "code" {
		return a, oauthError{"unsupported_response_type", "response_type must be code"}
	}
	if a.challenge == "" || v.Get("code_challenge_method") != "S256" {
		return a, oauthError{"invalid_request", "code_challenge with code_challenge_method=S256 is required"}
	}
	return a, nil
}

// values are the parameters as they came.
func (a authorization) values() map[string]string {
	return map[string]string{
		"response_type": "code", "client_id": a.clientID, "redirect_uri": a.redirectURI, "state": a.state, "nonce": a.nonce,
		"scope": a.scope, "code_challenge": a.challenge, "code_challenge_method": "S256",
	}
}

// refuseAuthorization tells the portal, or the person where the portal is not known.
func refuseAuthorization(w http.ResponseWriter, a authorization, err error) {
	var refusal oauthError
	if a.redirectURI == "" || !errors.As(err, &refusal) {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	redirect(w, a.redirectURI, url.Values{"error": {refusal.code}, "error_description": {refusal.text}, "state": {a.state}})
}

// loopbackURL says whether an address leads to this machine. Codes are sent nowhere else.
func loopbackURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || (ip != nil && ip.IsLoopback())
}

// grant is what a code stands for.
type grant struct {
	authorization
	claims  Claims
	expires time.Time
}

// codes holds codes that were not exchanged yet.
type codes struct {
	mu     sync.Mutex
	grants map[string]grant
}

// add makes a code and forgets the expired ones.
func (c *codes) add(a authorization, claims Claims, now time.Time) string {
	code := rand.Text()
	c.mu.Lock()
	defer c.mu.Unlock()
	for old, g := range c.grants {
		if now.After(g.expires) {
			delete(c.grants, old)
		}
	}
	c.grants[code] = grant{a, claims, now.Add(codeLifetime)}
	return code
}

// take exchanges a code, which works once.
func (c *codes) take(form url.Values, now time.Time) (grant, error) {
	if form.Get("grant_type") != "authorization_code" {
		return grant{}, oauthError{"unsupported_grant_type", "send a JSON object, or a form with grant_type=authorization_code"}
	}
	c.mu.Lock()
	g, ok := c.grants[form.Get("code")]
	delete(c.grants, form.Get("code"))
	c.mu.Unlock()
	verifier := sha256.Sum256([]byte(form.Get("code_verifier")))
	challenge := base64.RawURLEncoding.EncodeToString(verifier[:])
	switch {
	case !ok || now.After(g.expires):
		return grant{}, oauthError{"invalid_grant", "the code is not known, was used, or has expired"}
	case g.clientID != form.Get("client_id") || g.redirectURI != form.Get("redirect_uri"):
		return grant{}, oauthError{"invalid_grant", "the code belongs to another client_id or redirect_uri"}
	case subtle.ConstantTimeCompare([]byte(challenge), []byte(g.challenge)) != 1:
		return grant{}, oauthError{"invalid_grant", "code_verifier does not match"}
	}
	return g, nil
}

// exchange answers a code with an access token and an ID token, which say the same about the person.
func (i *Issuer) exchange(w http.ResponseWriter, form url.Values) {
	g, err := i.codes.take(form, i.cfg.Now())
	var refusal oauthError
	if errors.As(err, &refusal) {
		answer(w, http.StatusBadRequest, map[string]string{"error": refusal.code, "error_description": refusal.text})
		return
	}
	access, life, err := i.issue(g.claims)
	if err == nil {
		g.claims.Audience, g.claims.Nonce = g.clientID, g.nonce
		var id string
		if id, _, err = i.issue(g.claims); err == nil {
			answer(w, http.StatusOK, map[string]any{
				"access_token": access, "token_type": "Bearer", "expires_in": int64(life.Seconds()), "id_token": id, "scope": g.scope,
			})
			return
		}
	}
	answer(w, http.StatusInternalServerError, map[string]string{"error": "server_error", "error_description": fmt.Sprint(err)})
}
