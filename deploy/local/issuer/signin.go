package issuer

import (
	"context"
	"embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
)

// Account is an organisation whose people can sign in.
type Account struct {
	// ID is the account's id.
	ID string
	// DisplayName is the organisation's name.
	DisplayName string
	// People are those of its directory that are worth a button of their own.
	People []Person
}

// Person is somebody of an account.
type Person struct {
	// Email is the person's address, and what tokens have as subject.
	Email string
	// DisplayName is the person's name.
	DisplayName string
	// Role is OWNER, ADMIN or MEMBER.
	Role string
}

// Directory lists who can sign in, newest account first.
type Directory func(ctx context.Context) ([]Account, error)

//go:embed signin.html
var pages embed.FS

var signInPage = template.Must(template.New("signin.html").Funcs(template.FuncMap{"choice": choice}).ParseFS(pages, "signin.html"))

// choice is the value of a button: who the token is for. Nothing protects it, since this issuer trusts whoever asks.
func choice(account, role, subject, name string) (string, error) {
	raw, err := json.Marshal(Claims{Subject: subject, Account: account, Role: role, Email: subject, Name: name, Operator: account == ""})
	return base64.RawURLEncoding.EncodeToString(raw), err
}

func readChoice(text string) (Claims, error) {
	var c Claims
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(raw, &c)
}

// signIn shows who can sign in. The page's form sends the parameters of the request back with the choice.
func (i *Issuer) signIn(w http.ResponseWriter, r *http.Request) {
	req, err := readAuthorization(r.URL.Query())
	if err != nil {
		refuseAuthorization(w, req, err)
		return
	}
	var accounts []Account
	if i.cfg.Directory != nil {
		if accounts, err = i.cfg.Directory(r.Context()); err != nil {
			http.Error(w, "The directory cannot be read: "+err.Error(), http.StatusInternalServerError)
			return
		}
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'")
	// The caller may be gone; there is nobody left to tell.
	_ = signInPage.Execute(w, map[string]any{"Accounts": accounts, "Request": req.values()})
}

// signedIn sends the person back to the portal with a code.
func (i *Issuer) signedIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "The form cannot be read.", http.StatusBadRequest)
		return
	}
	req, err := readAuthorization(r.PostForm)
	if err != nil {
		refuseAuthorization(w, req, err)
		return
	}
	claims, err := readChoice(r.PostForm.Get("as"))
	if err != nil || (!claims.Operator && !roles[claims.Role]) {
		http.Error(w, "Choose who signs in.", http.StatusBadRequest)
		return
	}
	redirect(w, req.redirectURI, url.Values{"code": {i.codes.add(req, claims, i.cfg.Now())}, "state": {req.state}, "iss": {i.url}})
}

// signOut ends nothing, since nobody stays signed in here; it sends the person back to where the portal says.
func signOut(w http.ResponseWriter, r *http.Request) {
	back := r.URL.Query().Get("post_logout_redirect_uri")
	if !loopbackURL(back) {
		http.Error(w, "You are signed out.", http.StatusOK)
		return
	}
	redirect(w, back, url.Values{"state": {r.URL.Query().Get("state")}})
}

// redirect sends the browser on, with what values has that is not empty.
func redirect(w http.ResponseWriter, to string, values url.Values) {
	target, err := url.Parse(to)
	if err != nil {
		http.Error(w, "There is no way back: "+err.Error(), http.StatusBadRequest)
		return
	}
	query := target.Query()
	for name, value := range values {
		if value[0] != "" {
			query[name] = value
		}
	}
	target.RawQuery = query.Encode()
	w.Header().Set("Cache-Control", "no-store")
	// Set and not http.Redirect, which takes relative addresses too: readAuthorization and signOut let only this machine's pass.
	w.Header().Set("Location", target.String())
	w.WriteHeader(http.StatusSeeOther)
}
