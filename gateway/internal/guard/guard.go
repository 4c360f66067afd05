// Package guard stands before every call: who sends it, and not too many from one caller or for one account. What a caller may do is for
// the services to say, which verify the token again.
package guard

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// Limit is how many calls there may be: Rate a second on average, and Burst at once. A rate of 0 is no limit.
type Limit struct {
	Rate  float64
	Burst int
}

// Check says whether the limit makes sense.
func (l Limit) Check() error {
	if l.Rate < 0 || l.Rate > 0 && l.Burst < 1 {
		return errors.New("a rate must not be negative, and needs a burst of at least 1")
	}
	return nil
}

// Options are what a Guard works with; all are required.
type Options struct {
	Verifier   authn.Verifier
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Clock      clock.Clock
	// Caller is the limit of one caller: a person, or where a call needs no token a network address. Account is that of all people of
	// an account together.
	Caller, Account Limit
}

// Guard admits calls. It is safe for concurrent use.
type Guard struct {
	opts              Options
	callers, accounts *limiters
	refused           *prometheus.CounterVec
}

// New returns a Guard.
func New(opts Options) (*Guard, error) {
	g := &Guard{
		opts: opts, callers: newLimiters(opts.Caller), accounts: newLimiters(opts.Account),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "switchboard_refused_total", Help: "Calls refused because of who made them, or how many.",
		}, []string{"method", "reason"}),
	}
	if err := opts.Registerer.Register(g.refused); err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	return g, nil
}

// Admit says whether the call of a method goes on. It is refused with UNAUTHENTICATED or RATE_LIMITED, which are told to the log for
// auditing, or with UNAVAILABLE while the issuer's keys cannot be had. Public methods need no token and any is passed over; they are counted
// by network address.
func (g *Guard) Admit(r *http.Request, method string, public bool) error {
	id, err := g.identify(r, public)
	if err == nil {
		err = g.count(r, id)
	}
	switch reason := errs.Reason(err); reason {
	case commonv1.Reason_UNAUTHENTICATED, commonv1.Reason_RATE_LIMITED, commonv1.Reason_PERMISSION_DENIED:
		g.Audit(r, method, id, reason)
	}
	return err
}

// Audit tells of a refused call: by whom, of what, why. Nothing of a token or a body is told.
func (g *Guard) Audit(r *http.Request, method string, id authn.Identity, reason commonv1.Reason) {
	g.refused.WithLabelValues(method, reason.String()).Inc()
	g.opts.Logger.WarnContext(r.Context(), "call refused", "audit", true, "method", method, "reason", reason.String(),
		"caller", id.Actor(), "account", id.Account, "address", address(r))
}

func (g *Guard) identify(r *http.Request, public bool) (authn.Identity, error) {
	header := r.Header.Values("Authorization")
	if len(header) > 1 || (len(header) == 0 && !public) {
		return authn.Identity{}, errs.New(commonv1.Reason_UNAUTHENTICATED, "send one Authorization header with a bearer token")
	}
	if public {
		return authn.Identity{}, nil
	}
	token, err := authn.Bearer(header[0])
	if err != nil {
		return authn.Identity{}, err
	}
	return g.opts.Verifier.Verify(r.Context(), token)
}

// count takes one from the caller's and the account's rate, or from neither.
func (g *Guard) count(r *http.Request, id authn.Identity) error {
	now := g.opts.Clock.Now()
	caller := id.Account + "/" + id.Actor()
	if id.Subject == "" {
		caller = address(r)
	}
	give, wait := g.callers.take(caller, now)
	if wait == 0 && id.Account != "" {
		if _, wait = g.accounts.take(id.Account, now); wait > 0 {
			give()
		}
	}
	if wait > 0 {
		return errs.New(commonv1.Reason_RATE_LIMITED, "too many calls; repeat the call a little later").RetryAfter(wait)
	}
	return nil
}

// address is the caller's network address, without the port.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// maxLimiters bounds the remembered limiters, twice over: there are two generations.
const maxLimiters = 50_000

// limiters holds a limiter for each key that was seen lately.
type limiters struct {
	limit Limit

	mu       sync.Mutex
	now, old map[string]*rate.Limiter
}

func newLimiters(limit Limit) *limiters {
	return &limiters{limit: limit, now: map[string]*rate.Limiter{}}
}

// take takes one call from the key's limiter, which give puts back, or says how long to wait.
func (l *limiters) take(key string, now time.Time) (give func(), wait time.Duration) {
	if l.limit.Rate == 0 {
		return func() {}, 0
	}
	reservation := l.of(key).ReserveN(now, 1)
	if wait = reservation.DelayFrom(now); wait > 0 {
		reservation.CancelAt(now)
		return func() {}, wait
	}
	return func() { reservation.CancelAt(now) }, 0
}

func (l *limiters) of(key string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if found, ok := l.now[key]; ok {
		return found
	}
	found, ok := l.old[key]
	if !ok {
		found = rate.NewLimiter(rate.Limit(l.limit.Rate), l.limit.Burst)
	}
	if len(l.now) >= maxLimiters {
		l.now, l.old = map[string]*rate.Limiter{}, l.now
	}
	l.now[key] = found
	return found
}
