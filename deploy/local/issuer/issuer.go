// Package issuer is a token issuer for one machine: it hands out signed access tokens in the shape of OpenID Connect
// (discovery document, JSON Web Key Set, RS256 and ES256), so that the services verify tokens exactly as they do in
// production. It trusts whoever asks. It belongs to the local stack and to tests, and no service binary links it.
package issuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
)

// Algorithms that tokens can be signed with.
const (
	RS256 = string(jose.RS256)
	ES256 = string(jose.ES256)
)

// DefaultAudience is the audience that tokens are made for unless Config says otherwise.
const DefaultAudience = "switchboard"

// rsaBits is the smallest size that RFC 7518 (section 3.3) allows for RS256.
const rsaBits = 2048

// Config says what tokens are made like. The zero value is ready to use.
type Config struct {
	// Audience is the `aud` claim; empty for DefaultAudience.
	Audience string
	// Lifetime is how long a token is valid; 0 for twelve hours, which is a working day at a local stack.
	Lifetime time.Duration
	// Now is where the time comes from; nil for the system clock.
	Now func() time.Time
	// Directory is who the sign-in page lists, besides the operator; nil for nobody.
	Directory Directory
}

// Claims says who a token is for. Either Account or Operator is the usual case, but nothing is refused: tests need tokens that
// make no sense, too.
type Claims struct {
	// Subject is the `sub` claim: who the caller is.
	Subject string
	// Account is the id of the caller's account, with or without "accounts/" in front.
	Account string
	// Role is OWNER, ADMIN or MEMBER; empty leaves it to the directory.
	Role string
	// Email is the caller's e-mail address, which counts as verified.
	Email string
	// Name is the caller's name.
	Name string
	// Operator makes a token for a platform operator.
	Operator bool
	// Algorithm is RS256 (also when empty) or ES256.
	Algorithm string
	// Lifetime overrides Config.Lifetime. A negative one makes a token that has expired.
	Lifetime time.Duration
	// Audience overrides Config.Audience.
	Audience string
	// Nonce is the `nonce` claim of an ID token.
	Nonce string
}

// Issuer makes tokens. It is safe for concurrent use.
type Issuer struct {
	url   string
	cfg   Config
	codes codes

	mu      sync.Mutex
	signers map[string]jose.Signer
	keys    jose.JSONWebKeySet
}

// New makes an issuer with fresh keys. url is the `iss` claim and the address that Handler is served under, without a
// slash at the end. It fails only where the machine's source of randomness does.
func New(url string, cfg Config) (*Issuer, error) {
	if cfg.Audience == "" {
		cfg.Audience = DefaultAudience
	}
	if cfg.Lifetime == 0 {
		cfg.Lifetime = 12 * time.Hour
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	i := &Issuer{url: strings.TrimRight(url, "/"), cfg: cfg, signers: map[string]jose.Signer{}, codes: codes{grants: map[string]grant{}}}
	return i, i.Rotate()
}

// Rotate makes fresh keys and signs with them from now on. The keys from before stay published, so that their tokens stay good.
func (i *Issuer) Rotate() error {
	rsaKey, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return fmt.Errorf("making the RS256 key: %w", err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making the ES256 key: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return errors.Join(i.add(jose.RS256, rsaKey), i.add(jose.ES256, ecKey))
}

// published returns the keys that prove tokens.
func (i *Issuer) published() jose.JSONWebKeySet {
	i.mu.Lock()
	defer i.mu.Unlock()
	return jose.JSONWebKeySet{Keys: slices.Clone(i.keys.Keys)}
}

// Sign signs claims as they are, with ES256, for tests of tokens that Token would not make.
func (i *Issuer) Sign(payload []byte) (string, error) { return i.sign(ES256, payload) }

func (i *Issuer) sign(algorithm string, payload []byte) (string, error) {
	i.mu.Lock()
	signer, ok := i.signers[algorithm]
	i.mu.Unlock()
	if !ok {
		return "", fmt.Errorf("algorithm %q: use %s or %s", algorithm, RS256, ES256)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("signing the token: %w", err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("encoding the token: %w", err)
	}
	return token, nil
}

// add makes a signer for key and publishes its public half.
func (i *Issuer) add(alg jose.SignatureAlgorithm, key crypto.Signer) error {
	id := uuid.NewString()
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: id}},
		(&jose.SignerOptions{}).WithType("JWT"),
	)
	if err != nil {
		return fmt.Errorf("making the %s signer: %w", alg, err)
	}
	i.signers[string(alg)] = signer
	i.keys.Keys = append(i.keys.Keys, jose.JSONWebKey{Key: key.Public(), KeyID: id, Algorithm: string(alg), Use: "sig"})
	return nil
}

// URL is the issuer's address, the `iss` claim of its tokens.
func (i *Issuer) URL() string { return i.url }

// Audience is the `aud` claim of its tokens.
func (i *Issuer) Audience() string { return i.cfg.Audience }

// payload is a token's body. The names of the private claims are those that the services read.
type payload struct {
	Issuer    string `json:"iss"`
	Audience  string `json:"aud"`
	Subject   string `json:"sub"`
	ID        string `json:"jti"`
	IssuedAt  int64  `json:"iat"`
	NotBefore int64  `json:"nbf"`
	Expiry    int64  `json:"exp"`
	Account   string `json:"account,omitempty"`
	Role      string `json:"role,omitempty"`
	Email     string `json:"email,omitempty"`
	Verified  bool   `json:"email_verified,omitempty"`
	Name      string `json:"name,omitempty"`
	Nonce     string `json:"nonce,omitempty"`
	Operator  bool   `json:"operator,omitempty"`
}

// Token makes a signed token. It fails on an algorithm other than RS256 and ES256 and on a token for nobody.
func (i *Issuer) Token(c Claims) (string, error) {
	token, _, err := i.issue(c)
	return token, err
}

// issue makes a signed token and says how long it is valid.
func (i *Issuer) issue(c Claims) (string, time.Duration, error) {
	if c.Subject == "" {
		c.Subject = defaultSubject(c)
	}
	if c.Subject == "" {
		return "", 0, errors.New("a token needs a subject, or operator")
	}
	if c.Algorithm == "" {
		c.Algorithm = RS256
	}
	life := c.Lifetime
	if life == 0 {
		life = i.cfg.Lifetime
	}
	body, err := json.Marshal(i.payload(c, life))
	if err != nil {
		return "", 0, fmt.Errorf("encoding the claims: %w", err)
	}
	token, err := i.sign(c.Algorithm, body)
	return token, life, err
}

func (i *Issuer) payload(c Claims, life time.Duration) payload {
	now := i.cfg.Now()
	// An expired token was issued in the past, or it would be refused for the wrong reason.
	start := now.Add(min(0, 2*life))
	audience := c.Audience
	if audience == "" {
		audience = i.cfg.Audience
	}
	return payload{
		Issuer:    i.url,
		Audience:  audience,
		Subject:   c.Subject,
		ID:        uuid.NewString(),
		IssuedAt:  start.Unix(),
		NotBefore: start.Unix(),
		Expiry:    now.Add(life).Unix(),
		Account:   strings.TrimPrefix(c.Account, "accounts/"),
		Role:      c.Role,
		Email:     c.Email,
		Verified:  c.Email != "",
		Name:      c.Name,
		Nonce:     c.Nonce,
		Operator:  c.Operator,
	}
}

// defaultSubject names those who have no name of their own.
func defaultSubject(c Claims) string {
	switch {
	case c.Operator:
		return "operator"
	default:
		return ""
	}
}
