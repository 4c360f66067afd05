// Package authn says who calls and whether they may.
//
// Who: a person by the bearer token of an OpenID Connect issuer (Verifier), a Switchboard service by its certificate (see package
// mtls), or nobody. Whether: the access option of the method in the proto files (Policy).
package authn

import (
	"context"
	"strings"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// Identity is a caller, as its token or its certificate names it.
type Identity struct {
	// Subject identifies the caller at the issuer.
	Subject string
	// Account is the id (not the resource name) of the account that the caller belongs to; empty for operators and services.
	Account string
	// Role is what the caller may do in the account: OWNER, ADMIN or MEMBER; empty without an account.
	Role string
	// Email is the caller's address, where the token tells one that the issuer has verified.
	Email string
	// User is the id of the directory user that the caller is; empty when the directory was not asked or does not know (see Place).
	User string
	// Operator marks platform operators.
	Operator bool
	// Service is the name of a calling Switchboard service ("license"), out of its certificate. No token grants it.
	Service string
}

// Actor names the caller for logs and account logs: "service:license", "operator:jo" or "user:jo".
func (i Identity) Actor() string {
	switch {
	case i.Service != "":
		return "service:" + i.Service
	case i.Operator:
		return "operator:" + i.Subject
	case i.Subject != "":
		return "user:" + i.Subject
	}
	return "anonymous"
}

type identityKey struct{}

// NewContext returns a context that carries the caller.
func NewContext(ctx context.Context, id Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, id)
}

// FromContext returns the caller; false when the call came without a token.
func FromContext(ctx context.Context) (Identity, bool) {
	id, ok := ctx.Value(identityKey{}).(Identity)
	return id, ok
}

// RequireAccount refuses callers who are neither an operator nor of the account with the id. It is for methods whose request
// does not name the account, after the resource was looked up.
func RequireAccount(ctx context.Context, account string) error {
	id, ok := FromContext(ctx)
	if ok && (id.Operator || id.Account == account && account != "") {
		return nil
	}
	return denied()
}

// Bearer returns the token of an authorization header; UNAUTHENTICATED when it holds none.
func Bearer(header string) (string, error) {
	scheme, token, _ := strings.Cut(header, " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "bearer") || token == "" {
		return "", unauthenticated("the authorization header does not hold a bearer token")
	}
	return token, nil
}

// Verifier turns a bearer token into the caller. Errors are UNAUTHENTICATED for a token that is not valid, and UNAVAILABLE when
// that cannot be found out now.
type Verifier interface {
	Verify(ctx context.Context, token string) (Identity, error)
}

// denied is the same for every refusal, so that it tells nothing.
func denied() error {
	return errs.New(commonv1.Reason_PERMISSION_DENIED, "you may not do this")
}

func unauthenticated(text string) *errs.Error {
	return errs.New(commonv1.Reason_UNAUTHENTICATED, "%s", text)
}
