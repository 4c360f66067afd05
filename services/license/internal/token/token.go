// Package token makes and reads the tokens in the links of mails: signed, expiring, for one purpose and one phone user.
package token

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// Purpose is what a token is good for. A token for one purpose is refused for every other.
type Purpose string

// The purposes.
const (
	// Setup lets a person see and change the own basic settings.
	Setup Purpose = "setup"
	// Confirm lets an invited person confirm the account.
	Confirm Purpose = "confirm"
)

const (
	issuer     = "switchboard-license"
	minKeySize = 32
)

// Config says which keys sign and how long tokens work.
type Config struct {
	// KeyFile holds keys, one a line, in base64, of at least 32 bytes each. The first signs, all verify; tokens name theirs by an id made
	// from it. The file may be replaced while the service runs. To rotate, add a new key at the end, move it to the front once all
	// replicas have it, and drop the old one after Lifetime. Without a file a random key is used, and links end with the process.
	KeyFile string `koanf:"key_file"`
	// Lifetime is how long a token works.
	Lifetime time.Duration `koanf:"lifetime"`
}

// DefaultConfig returns the settings used where Config says nothing.
func DefaultConfig() Config { return Config{Lifetime: 30 * 24 * time.Hour} }

// Signer makes and reads tokens. It is safe for concurrent use.
type Signer struct {
	ring     *ring
	lifetime time.Duration
}

// NewSigner reads the keys, which it reads again when their file has changed.
func NewSigner(cfg Config) (*Signer, error) {
	keys, err := openRing(cfg.KeyFile)
	if err != nil {
		return nil, err
	}
	lifetime := cfg.Lifetime
	if lifetime <= 0 {
		lifetime = DefaultConfig().Lifetime
	}
	return &Signer{ring: keys, lifetime: lifetime}, nil
}

type claims struct {
	jwt.Claims
	Account string `json:"acc"`
}

// Sign makes a token for one phone user and says until when it works.
func (s *Signer) Sign(p Purpose, account, phoneUser uuid.UUID, now time.Time) (string, time.Time, error) {
	expires := now.Add(s.lifetime).Truncate(time.Second).UTC()
	_, signer := s.ring.current()
	text, err := jwt.Signed(signer).Claims(claims{
		Claims: jwt.Claims{
			Issuer: issuer, Audience: jwt.Audience{string(p)}, Subject: phoneUser.String(),
			IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(expires),
		},
		Account: account.String(),
	}).Serialize()
	if err != nil {
		return "", time.Time{}, fmt.Errorf("sign token: %w", err)
	}
	return text, expires, nil
}

// Read checks a token and says for which phone user it was made and until when it works. Anything wrong is TOKEN_INVALID.
func (s *Signer) Read(p Purpose, text string, now time.Time) (account, phoneUser uuid.UUID, expires time.Time, err error) {
	parsed, parseErr := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.HS256})
	if parseErr != nil {
		return uuid.Nil, uuid.Nil, time.Time{}, invalid("is not one of ours: open the link out of the mail unchanged")
	}
	keys, _ := s.ring.current()
	for _, key := range keys {
		// Tokens from before there were ids name none.
		if id := parsed.Headers[0].KeyID; id != "" && id != key.id {
			continue
		}
		var c claims
		if parsed.Claims(key.secret, &c) != nil {
			continue
		}
		return c.check(p, now)
	}
	return uuid.Nil, uuid.Nil, time.Time{}, invalid("is not one of ours: open the link out of the mail unchanged")
}

func (c *claims) check(p Purpose, now time.Time) (account, phoneUser uuid.UUID, expires time.Time, err error) {
	// No leeway: issuer and reader are one service.
	err = c.ValidateWithLeeway(jwt.Expected{Issuer: issuer, AnyAudience: jwt.Audience{string(p)}, Time: now}, 0)
	switch {
	case errors.Is(err, jwt.ErrExpired):
		return uuid.Nil, uuid.Nil, time.Time{}, invalid("has expired: ask your administrator to send the mail again")
	case err != nil || c.Expiry == nil:
		return uuid.Nil, uuid.Nil, time.Time{}, invalid("serves another purpose")
	}
	if account, err = uuid.Parse(c.Account); err == nil {
		phoneUser, err = uuid.Parse(c.Subject)
	}
	if err != nil {
		return uuid.Nil, uuid.Nil, time.Time{}, invalid("is damaged")
	}
	return account, phoneUser, c.Expiry.Time(), nil
}

func invalid(why string) error {
	return errs.New(commonv1.Reason_TOKEN_INVALID, "the token %s", why)
}
