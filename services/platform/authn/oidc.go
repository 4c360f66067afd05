package authn

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// Config says whose tokens are taken.
type Config struct {
	// Issuer is the URL of the OpenID Connect issuer, exactly as in its tokens.
	Issuer string `koanf:"issuer"`
	// Audience is what the tokens must be meant for.
	Audience string `koanf:"audience"`
	// JWKSURL is where the keys are. Default: where the issuer's discovery document says.
	JWKSURL string `koanf:"jwks_url"`
	// ClockSkew is by how much the issuer's clock may be off when a token's expiry is checked.
	ClockSkew time.Duration `koanf:"clock_skew"`
	// CacheTTL is how long a token that was verified is believed without looking again.
	CacheTTL time.Duration `koanf:"cache_ttl"`
	// RoleTTL is how long a role out of the directory counts without asking again.
	RoleTTL time.Duration `koanf:"role_ttl"`
}

// DefaultConfig returns the settings of everything but the issuer.
func DefaultConfig() Config {
	return Config{Audience: "switchboard", ClockSkew: 30 * time.Second, CacheTTL: time.Minute, RoleTTL: 10 * time.Second}
}

const (
	// cacheSize bounds the remembered tokens (twice over: there are two generations).
	cacheSize = 10_000
	// maxToken bounds a token, in bytes.
	maxToken = 16 << 10
)

// oidcVerifier verifies tokens with the issuer's keys, which it fetches when it first needs them.
type oidcVerifier struct {
	cfg      Config
	clock    clock.Clock
	keys     *keySet
	verifier *oidc.IDTokenVerifier

	mu       sync.Mutex
	now, old map[[sha256.Size]byte]cached
}

type cached struct {
	id    Identity
	until time.Time
}

// NewVerifier returns a Verifier for RS256 and ES256 tokens of an issuer. The issuer need not be up yet: its keys are fetched
// when the first token arrives, and again when a token names a key that is not known. clk may be nil.
func NewVerifier(cfg Config, clk clock.Clock) (Verifier, error) {
	if cfg.Issuer == "" || cfg.Audience == "" {
		return nil, errors.New("authn: issuer and audience are required")
	}
	if clk == nil {
		clk = clock.System
	}
	v := &oidcVerifier{cfg: cfg, clock: clk, keys: newKeySet(cfg.Issuer, cfg.JWKSURL), now: map[[sha256.Size]byte]cached{}}
	v.verifier = oidc.NewVerifier(cfg.Issuer, v.keys, &oidc.Config{
		ClientID: cfg.Audience, SupportedSigningAlgs: []string{oidc.RS256, oidc.ES256},
		Now: func() time.Time { return clk.Now().Add(-cfg.ClockSkew) },
	})
	return v, nil
}

// Verify implements Verifier.
func (v *oidcVerifier) Verify(ctx context.Context, token string) (Identity, error) {
	if len(token) > maxToken {
		return Identity{}, unauthenticated("the token is too long")
	}
	key := sha256.Sum256([]byte(token))
	if id, ok := v.recall(key); ok {
		return id, nil
	}
	var unreachable error
	tok, err := v.verifier.Verify(context.WithValue(ctx, fetchErrorKey{}, &unreachable), token)
	if err != nil {
		return Identity{}, refusal(err, unreachable)
	}
	id, err := v.identity(tok)
	if err != nil {
		return Identity{}, unauthenticated("the token's claims are not valid").Wrap(err)
	}
	v.remember(key, id, tok.Expiry.Add(v.cfg.ClockSkew))
	return id, nil
}

// refusal turns an error of the verifier into one for the caller.
func refusal(err, unreachable error) error {
	var expired *oidc.TokenExpiredError
	switch {
	case unreachable != nil:
		return errs.New(commonv1.Reason_UNAVAILABLE, "tokens cannot be verified now; repeat the call").Wrap(unreachable).RetryAfter(time.Second)
	case errors.As(err, &expired):
		return unauthenticated("the token has expired").Wrap(err)
	}
	return unauthenticated("the token is not valid").Wrap(err)
}

// identity reads the claims.
func (v *oidcVerifier) identity(tok *oidc.IDToken) (Identity, error) {
	var c struct {
		NotBefore float64 `json:"nbf"`
		Account   string  `json:"account"`
		Role      string  `json:"role"`
		Operator  bool    `json:"operator"`
		Email     string  `json:"email"`
		Verified  bool    `json:"email_verified"`
	}
	if err := tok.Claims(&c); err != nil {
		return Identity{}, err
	}
	// go-oidc allows five minutes here, whatever is configured.
	if v.clock.Now().Add(v.cfg.ClockSkew).Unix() < int64(c.NotBefore) {
		return Identity{}, errors.New("the token is not valid yet")
	}
	id := Identity{
		Subject: tok.Subject, Account: strings.TrimPrefix(c.Account, "accounts/"), Role: c.Role,
		Email: c.Email, Operator: c.Operator,
	}
	if !c.Verified {
		id.Email = "" // anybody may have typed it
	}
	if id.Account == "" && id.Role != "" || strings.Contains(id.Account, "/") {
		return Identity{}, errors.New("the claims account and role do not fit")
	}
	return id, nil
}

func (v *oidcVerifier) recall(key [sha256.Size]byte) (Identity, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	c, ok := v.now[key]
	if !ok {
		c, ok = v.old[key]
	}
	return c.id, ok && v.clock.Now().Before(c.until)
}

// remember keeps a verified token. When the present generation is full it becomes the old one, so that memory is bounded and
// tokens in use survive.
func (v *oidcVerifier) remember(key [sha256.Size]byte, id Identity, expiry time.Time) {
	until := v.clock.Now().Add(v.cfg.CacheTTL)
	if expiry.Before(until) {
		until = expiry
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.now) >= cacheSize {
		v.now, v.old = make(map[[sha256.Size]byte]cached, cacheSize), v.now
	}
	v.now[key] = cached{id: id, until: until}
}

// discovery is the part of a discovery document that we use.
type discovery struct {
	Issuer  string `json:"issuer"`
	JWKSURL string `json:"jwks_uri"`
}

func (d *discovery) parse(body []byte, issuer string) error {
	if err := json.Unmarshal(body, d); err != nil {
		return err
	}
	if d.Issuer != issuer || d.JWKSURL == "" {
		return errors.New("the discovery document is another issuer's, or names no keys")
	}
	return nil
}
