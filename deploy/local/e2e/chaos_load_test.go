package e2e

import (
	"cmp"
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
	// took is how long each call took, repetitions included.
	took []time.Duration
	// repeated counts repetitions by what the caller was told before.
	repeated map[string]int
	failed   []error
}

// add makes one sight of two.
func (s *sight) add(other sight) {
	s.took, s.failed = append(s.took, other.took...), append(s.failed, other.failed...)
	for why, n := range other.repeated {
		s.repeats(why, n)
	}
}

func (s *sight) repeats(why string, n int) {
	if s.repeated == nil {
		s.repeated = map[string]int{}
	}
	s.repeated[why] += n
}

// sightHead is the head of a table whose rows are those of sight.row.
var sightHead = fmt.Sprintf("%-40s %8s %8s %8s %10s %10s %10s", "what happened", "calls", "repeated", "failed", "median", "99 of 100", "slowest")

// row is a line of a table for people.
func (s *sight) row(what string) string {
	slices.Sort(s.took)
	quantile := func(per float64) time.Duration {
		if len(s.took) == 0 {
			return 0
		}
		return s.took[min(int(per*float64(len(s.took))), len(s.took)-1)].Round(time.Millisecond)
	}
	repeated := 0
	for _, n := range s.repeated {
		repeated += n
	}
	return fmt.Sprintf("%-40s %8d %8d %8d %10s %10s %10s", what, len(s.took), repeated, len(s.failed), quantile(0.5), quantile(0.99), quantile(1))
}

// seen is what callers see.
type seen struct {
	mu sync.Mutex
	sight
}

// report takes what was seen and begins anew.
func (s *seen) report() sight {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.sight
	s.sight = sight{}
	return out
}

// repeat notes that a call is made once more because of err.
func (s *seen) repeat(err error) {
	why := "no answer"
	var answer *gatewayclient.Error
	if errors.As(err, &answer) {
		why = cmp.Or(answer.Reason, http.StatusText(answer.HTTPStatus))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.repeats(why, 1)
}

// done notes a call that is over.
func (s *seen) done(took time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took = append(s.took, took)
	if err != nil {
		s.failed = append(s.failed, err)
	}
}

func (s *seen) answered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.took)
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
			c.seen.done(time.Since(begun), err)
			return err
		}
		c.seen.repeat(err)
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

// load is a mixed load on one account: people come, licences are assigned with packages, read, changed, removed.
type load struct {
	*tenant
	seen seen
	pkg  string
	// names are people without a licence. staying are phone users who keep theirs for now, those who came first ahead.
	names   chan string
	staying chan []string
	stop    context.CancelFunc
	done    sync.WaitGroup
}

const (
	// loadWorkers are how many callers there are. Each has one call under way.
	loadWorkers = 4
	// loadPeople are how many people wait for a licence. As they go, others come, so the load never runs out, however long it lasts.
	loadPeople = 1000
	// loadStaying is how many groups of people keep their licences: few enough for one page of a list, and for the mail server to remember
	// the mails of all of them.
	loadStaying = 400
	// loadSeats are more licences and packages than can be taken at a time.
	loadSeats = 10_000
)

// startLoad begins a load on an account of its own. It ends with the test, or by end.
func startLoad(t *testing.T, tn *tenant, gateways []string) *load {
	t.Helper()
	l := &load{tenant: tn, pkg: tn.pkg("Domestic", loadSeats), names: make(chan string, loadPeople), staying: make(chan []string, loadStaying)}
	for _, name := range tn.userNames(loadPeople) {
		l.names <- name
	}
	token, err := tn.stack.Issuer().Token(issuer.Claims{Subject: "admin", Account: tn.account, Role: "ADMIN", Lifetime: 24 * time.Hour})
	require.NoError(t, err)
	tn.admin = tn.anonymous.As(token) // for the end of a long test
	ctx, cancel := context.WithCancel(t.Context())
	l.stop = cancel
	for w := range loadWorkers + 1 {
		c := &caller{seen: &l.seen}
		for i := range gateways {
			gateway := gatewayclient.New(gateways[(w+i)%len(gateways)], 4)
			t.Cleanup(gateway.Close)
			c.gateways = append(c.gateways, gateway.As(token))
		}
		l.done.Go(func() {
			if w == loadWorkers {
				l.hire(ctx, c)
			} else {
				l.work(ctx, c)
			}
		})
	}
	t.Cleanup(l.end)
	return l
}

// hire adds people to the directory as others go.
func (l *load) hire(ctx context.Context, c *caller) {
	for ctx.Err() == nil {
		var made struct {
			Users []gatewayclient.User `json:"users"`
		}
		if err := c.post(context.WithoutCancel(ctx), l.path+"/users:batchCreate", map[string]any{"users": l.newcomers(loadPeople / 4)}, &made); err != nil {
			l.Logf("a caller saw: %v", err)
		}
		for _, u := range made.Users {
			select {
			case <-ctx.Done():
				return
			case l.names <- u.Name:
			}
		}
	}
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

// take takes people that have no licence yet; none once the load is over.
func (l *load) take(ctx context.Context, n int) []string {
	var names []string
	for range n {
		select {
		case <-ctx.Done():
			return nil
		case name := <-l.names:
			names = append(names, name)
		}
	}
	return names
}

// linger lets phone users keep their licences. Where there are too many, it answers those who have kept theirs for longest.
func (l *load) linger(users []string) (leaving []string) {
	for {
		select {
		case l.staying <- users:
			return leaving
		default:
		}
		select {
		case first := <-l.staying:
			leaving = append(leaving, first...)
		default:
		}
	}
}

// life assigns licences and reads them; those that stay keep them until others do, the others are changed and removed.
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
	if err != nil {
		return err
	}
	if stay {
		users = l.linger(users)
	}
	if len(users) == 0 {
		return nil
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
	l.seen.done(0, err)
	return err
}
