package authn

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-phone/switchboard/services/platform/clock"
)

// Person is who a caller is in an account's directory.
type Person struct {
	// ID of the directory user; empty when the directory does not know the caller.
	ID string
	// Role is what the directory grants; empty for nothing, for as long as the person has not confirmed the account.
	Role string
}

// Directory says who a caller is in an account. subject and email are the token's; the address is one that the issuer has verified,
// or empty. A caller that the directory does not know is no error.
type Directory interface {
	Find(ctx context.Context, account, subject, email string) (Person, error)
}

// ranks orders roles, least first.
var ranks = []string{"", "MEMBER", "ADMIN", "OWNER"}

// Place completes a caller out of the directory, which decides: for a person that it knows, its role counts, and a role in the token can
// only lower it. For somebody that it does not know the role in the token stands: the issuer vouches for an account's first owner, for
// one. Operators and callers without an account are left as they are; so are tokens that name no person a directory could know.
func Place(ctx context.Context, dir Directory, id Identity) (Identity, error) {
	if dir == nil || id.Account == "" || id.Operator || !mayBeKnown(id) {
		return id, nil
	}
	person, err := dir.Find(ctx, id.Account, id.Subject, id.Email)
	if err != nil || person.ID == "" {
		return id, err
	}
	id.User = person.ID
	if id.Role == "" || slices.Index(ranks, person.Role) < slices.Index(ranks, id.Role) {
		id.Role = person.Role
	}
	return id, nil
}

// mayBeKnown says whether a token names a person in a way that a directory can find.
func mayBeKnown(id Identity) bool { return id.Email != "" || uuid.Validate(id.Subject) == nil }

// Remember returns a directory that asks dir at most every ttl about the same caller, so that a change of role is in force ttl
// later. It keeps a bounded number of answers.
func Remember(dir Directory, ttl time.Duration, clk clock.Clock) Directory {
	if clk == nil {
		clk = clock.System
	}
	return &remembered{dir: dir, ttl: ttl, clock: clk, now: map[[3]string]answer{}}
}

type remembered struct {
	dir   Directory
	ttl   time.Duration
	clock clock.Clock

	mu       sync.Mutex
	now, old map[[3]string]answer
}

type answer struct {
	person Person
	until  time.Time
}

// Find implements Directory.
func (r *remembered) Find(ctx context.Context, account, subject, email string) (Person, error) {
	key := [3]string{account, subject, email}
	r.mu.Lock()
	known, ok := r.now[key]
	if !ok {
		known, ok = r.old[key]
	}
	r.mu.Unlock()
	if ok && r.clock.Now().Before(known.until) {
		return known.person, nil
	}
	person, err := r.dir.Find(ctx, account, subject, email)
	if err != nil {
		return Person{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.now) >= cacheSize {
		r.now, r.old = map[[3]string]answer{}, r.now
	}
	r.now[key] = answer{person: person, until: r.clock.Now().Add(r.ttl)}
	return person, nil
}

// ownKey holds a *own in the context of a call that is admitted for the caller's own only.
type ownKey struct{}

type own struct {
	user  string
	asked bool
}

// OwnOnly returns the directory user whose own things alone the call may touch; false when the caller may touch all that the request
// names. A handler of a method with `own` in its access option asks before it tells or changes anything, and refuses with Denied
// what is not that person's, whether or not it exists.
func OwnOnly(ctx context.Context) (user string, only bool) {
	o, ok := ctx.Value(ownKey{}).(*own)
	if !ok {
		return "", false
	}
	o.asked = true
	return o.user, true
}

// WithOwn returns the context of a call that may touch only what is the user's own, and a function that says whether the handler
// has asked for it.
func WithOwn(ctx context.Context, user string) (context.Context, func() bool) {
	o := &own{user: user}
	return context.WithValue(ctx, ownKey{}, o), func() bool { return o.asked }
}

// Denied is the refusal of a caller who may not do what the call asks. It is the same for every one, so that it tells nothing.
func Denied() error { return denied() }
