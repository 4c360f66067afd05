package authn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/time/rate"
)

// How the issuer is asked. The rate keeps tokens that name keys which do not exist from becoming a flood at the issuer.
const (
	fetchTimeout  = 5 * time.Second
	fetchTries    = 3
	fetchPause    = 100 * time.Millisecond
	fetchRate     = 1
	fetchBurst    = 10
	maxKeySetSize = 1 << 20
)

// keySet is the issuer's keys, fetched on demand. It tells a failure to fetch apart from a bad signature, which go-oidc does not.
type keySet struct {
	issuer string
	client *http.Client
	fetch  *fetcher

	mu     sync.Mutex
	remote *oidc.RemoteKeySet // once it is known where the keys are
}

// fetchErrorKey holds a *error in the context of a verification, for failures to fetch.
type fetchErrorKey struct{}

func newKeySet(issuer, jwksURL string) *keySet {
	// Fetches are rare, so no connection is kept for the next one.
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	f := &fetcher{next: transport, limit: rate.NewLimiter(fetchRate, fetchBurst)}
	s := &keySet{issuer: issuer, fetch: f, client: &http.Client{Transport: f, Timeout: fetchTimeout}}
	if jwksURL != "" {
		s.remote = s.keysAt(jwksURL)
	}
	return s
}

func (s *keySet) keysAt(url string) *oidc.RemoteKeySet {
	return oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), s.client), url)
}

// VerifySignature implements oidc.KeySet.
func (s *keySet) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	remote, err := s.locate(ctx)
	if err != nil {
		report(ctx, err)
		return nil, err
	}
	before := s.fetch.failures()
	payload, err := remote.VerifySignature(ctx, jwt)
	if err == nil {
		return payload, nil
	}
	if ctx.Err() != nil {
		report(ctx, ctx.Err())
	} else if s.fetch.failures() != before {
		report(ctx, err)
	}
	return nil, err
}

func report(ctx context.Context, err error) {
	if p, ok := ctx.Value(fetchErrorKey{}).(*error); ok {
		*p = err
	}
}

// locate reads the discovery document, once it can.
func (s *keySet) locate(ctx context.Context) (*oidc.RemoteKeySet, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.remote != nil {
		return s.remote, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(s.issuer, "/")+"/.well-known/openid-configuration", nil)
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxKeySetSize))
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	var d discovery
	if err := d.parse(body, s.issuer); err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	s.remote = s.keysAt(d.JWKSURL)
	return s.remote, nil
}

// fetcher is the transport to the issuer: a few tries, a bounded rate, and a count of what failed.
type fetcher struct {
	next  http.RoundTripper
	limit *rate.Limiter

	mu     sync.Mutex
	failed int
}

func (f *fetcher) failures() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

// RoundTrip implements http.RoundTripper.
func (f *fetcher) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := f.try(req)
	if err != nil {
		f.mu.Lock()
		f.failed++
		f.mu.Unlock()
		return nil, err
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, maxKeySetSize)
	return resp, nil
}

func (f *fetcher) try(req *http.Request) (resp *http.Response, err error) {
	if !f.limit.Allow() {
		return nil, errors.New("the issuer was asked too often")
	}
	for n := 1; ; n++ {
		resp, err = f.next.RoundTrip(req)
		if err == nil && resp.StatusCode == http.StatusOK {
			return resp, nil
		}
		if err == nil {
			_ = resp.Body.Close()
			err = fmt.Errorf("the issuer answered %s", resp.Status)
		}
		if n == fetchTries {
			return nil, err
		}
		select {
		case <-req.Context().Done():
			return nil, req.Context().Err()
		case <-time.After(time.Duration(n) * fetchPause):
		}
	}
}
