package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/issuer"
)

// insistence is how long a caller repeats one call. Giving up is a failed request.
const insistence = 2 * time.Minute

// caller is a client as callers are asked to be: it knows all gateways, and repeats what was UNAVAILABLE, by another gateway, under the same
// request id. Nothing else is repeated, but that the one call of the load that takes no request id (PATCH) may find the operation that it
// began itself still under way.
type caller struct {
	gateways []*gatewayclient.Client
	seen     *seen
}

// sight is what callers saw in a phase of a test.
type sight struct {
	calls   int
	retries int
	slowest time.Duration
	failed  []error
}

// seen is what callers see.
type seen struct {
	mu sync.Mutex
	sight
}

// report takes the numbers and begins anew.
func (s *seen) report() sight {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.sight
	s.sight = sight{}
	return out
}

func (s *seen) done(retries int, took time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	s.retries += retries
	s.slowest = max(s.slowest, took)
	if err != nil {
		s.failed = append(s.failed, err)
	}
}

func (s *seen) answered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// unavailable says whether a call may be repeated: nobody was there, or the answer is UNAVAILABLE.
func unavailable(err error) bool {
	var answer *gatewayclient.Error
	return !errors.As(err, &answer) || answer.HTTPStatus == http.StatusServiceUnavailable
}

// patch is the call that takes no request id.
const patch = "PATCH"

// call makes one call, from one gateway to the next as long as it is unavailable. It answers the last error.
func (c *caller) call(ctx context.Context, what string, do func(ctx context.Context, gateway *gatewayclient.Client) error) error {
	begun := time.Now()
	for retries := 0; ; retries++ {
		err := do(ctx, c.gateways[retries%len(c.gateways)])
		own := retries > 0 && what == patch && gatewayclient.Reason(err) == "OPERATION_IN_PROGRESS"
		if err == nil || !unavailable(err) && !own || time.Since(begun) > insistence {
			if err != nil {
				err = fmt.Errorf("%s after %d retries and %s: %w", what, retries, time.Since(begun).Round(time.Millisecond), err)
			}
			c.seen.done(retries, time.Since(begun), err)
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(time.Duration(retries)*20*time.Millisecond, time.Second)):
		}
	}
}

// post is a POST below the account under a request id.
func (c *caller) post(ctx context.Context, path string, body map[string]any, out any) error {
	body["requestId"] = uuid.NewString()
	return c.call(ctx, "POST "+path, func(ctx context.Context, gateway *gatewayclient.Client) error {
		return gateway.Post(ctx, path, body, out)
	})
}

// load is a mixed load on one account: licences assigned with packages, read, changed, removed.
type load struct {
	*tenant
	seen  seen
	pkg   string
	names chan string
	stop  context.CancelFunc
	done  sync.WaitGroup
}

// loadWorkers are how many callers there are. Each has one call under way.
const loadWorkers = 4

// startLoad begins a load on an account of its own with at most people people. It ends with the test, or by end.
func startLoad(t *testing.T, tn *tenant, gateways []string, people int) *load {
	t.Helper()
	l := &load{tenant: tn, pkg: tn.pkg("Domestic", people), names: make(chan string, people)}
	for _, name := range tn.userNames(people) {
		l.names <- name
	}
	token, err := tn.stack.Issuer().Token(issuer.Claims{Subject: "admin", Account: tn.account, Role: "ADMIN", Lifetime: 24 * time.Hour})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	l.stop = cancel
	for w := range loadWorkers {
		c := &caller{seen: &l.seen}
		for i := range gateways {
			gateway := gatewayclient.New(gateways[(w+i)%len(gateways)], 4)
			t.Cleanup(gateway.Close)
			c.gateways = append(c.gateways, gateway.As(token))
		}
		l.done.Go(func() { l.work(ctx, c) })
	}
	t.Cleanup(l.end)
	return l
}

// end stops the load and waits for the calls under way.
func (l *load) end() {
	l.stop()
	l.done.Wait()
}

// work goes through lives until the load is over. A failure is counted where it happens.
func (l *load) work(ctx context.Context, c *caller) {
	for n := 0; ; n++ {
		names := l.take(ctx, 1+n%3)
		if len(names) == 0 {
			return
		}
		// A life is lived to its end, so that what is left over in the books is somebody's fault.
		if err := l.life(context.WithoutCancel(ctx), c, names, n%4 == 3); err != nil {
			l.Logf("a caller saw: %v", err)
		}
	}
}

// take takes people that have no licence yet.
func (l *load) take(ctx context.Context, n int) []string {
	var names []string
	for range n {
		select {
		case <-ctx.Done():
			return nil
		case name := <-l.names:
			names = append(names, name)
		default:
			return nil
		}
	}
	return names
}

// life assigns licences and reads them; those that stay keep them, the others are changed and removed.
func (l *load) life(ctx context.Context, c *caller, names []string, stay bool) error {
	var assigned struct {
		PhoneUsers []gatewayclient.PhoneUser `json:"phoneUsers"`
	}
	err := c.post(ctx, l.path+"/phoneUsers:batchAssign", map[string]any{"assignees": names, "package": l.pkg}, &assigned)
	if err != nil {
		return err
	}
	var users []string
	for _, u := range assigned.PhoneUsers {
		users = append(users, u.Name)
	}
	var read gatewayclient.PhoneUser
	err = c.call(ctx, "GET", func(ctx context.Context, gateway *gatewayclient.Client) error {
		return gateway.Get(ctx, "/v1/"+users[0], &read)
	})
	if err != nil {
		return err
	}
	if read.ExtensionNumber != assigned.PhoneUsers[0].ExtensionNumber {
		return l.wrong("%s was given %s and has %q", users[0], assigned.PhoneUsers[0].ExtensionNumber, read.ExtensionNumber)
	}
	query := url.Values{"filter": {fmt.Sprintf("package = %q", l.pkg)}}
	err = c.call(ctx, "LIST", func(ctx context.Context, gateway *gatewayclient.Client) error {
		all, err := gatewayclient.List[gatewayclient.PhoneUser](ctx, gateway, l.path+"/phoneUsers", "phoneUsers", query)
		if err == nil && !slices.ContainsFunc(all, func(u gatewayclient.PhoneUser) bool { return u.Name == users[0] }) {
			return l.wrong("%s is not listed", users[0])
		}
		return err
	})
	if err != nil || stay {
		return err
	}
	return l.leave(ctx, c, users)
}

// leave changes an extension, takes the packages and removes the licences.
func (l *load) leave(ctx context.Context, c *caller, users []string) error {
	// A site alone asks for any number of it, and what is there already is kept: that may be repeated.
	err := c.call(ctx, patch, func(ctx context.Context, gateway *gatewayclient.Client) error {
		return gateway.Patch(ctx, "/v1/"+users[0]+"?updateMask=site", map[string]any{"site": l.main}, nil)
	})
	if err != nil {
		return err
	}
	if err := c.post(ctx, l.path+"/phoneUsers:batchRemovePackages", map[string]any{"phoneUsers": users}, nil); err != nil {
		return err
	}
	return c.post(ctx, l.path+"/phoneUsers:batchRemove", map[string]any{"phoneUsers": users}, nil)
}

// wrong is an answer that cannot be true. It counts as a failed request.
func (l *load) wrong(format string, args ...any) error {
	err := &gatewayclient.Error{HTTPStatus: http.StatusOK, Message: fmt.Sprintf(format, args...)}
	l.seen.done(0, 0, err)
	return err
}
