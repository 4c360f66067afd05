package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/issuer"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/gateway"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

// oneOwn starts a stack of the test's own on one engine: what is tested is the gateway, which knows no engine.
func oneOwn(t *testing.T, name string, opts stack.Options) *stack.Stack {
	t.Helper()
	s, err := start(t.Context(), testkit.Engines(t)[0], name, opts)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		require.NoError(t, s.Stop(ctx))
	})
	return s
}

// gatewayWith changes the settings of the gateway.
func gatewayWith(change func(*gateway.HTTPConfig)) stack.Options {
	return configured(func(c *gateway.Config) { change(&c.HTTP) })
}

// latencies are how long calls took.
type latencies []time.Duration

// measure calls n times, one after the other, and fails when a call does.
func measure(t *testing.T, n int, call func() error) latencies {
	t.Helper()
	out := make(latencies, n)
	for i := range out {
		began := time.Now()
		require.NoError(t, call())
		out[i] = time.Since(began)
	}
	slices.Sort(out)
	return out
}

func (l latencies) String() string {
	return fmt.Sprintf("median %.1f ms, 99th percentile %.1f ms", l[len(l)/2].Seconds()*1000, l[len(l)*99/100].Seconds()*1000)
}

// idleConnections is how many connections the crowd opens.
const idleConnections = 10_000

// TestACrowdDoesNotKeepCallersOut opens 10,000 connections that send nothing and 200 that send a byte now and then, and calls meanwhile.
func TestACrowdDoesNotKeepCallersOut(t *testing.T) {
	t.Parallel()
	const patience = 3 * time.Second
	s := oneOwn(t, "crowd", gatewayWith(func(c *gateway.HTTPConfig) {
		c.HeaderTimeout, c.ReadTimeout, c.IdleTimeout = 2*patience, patience, patience
	}))
	tn := newBareTenant(t, s, 1)
	call := func() error { return tn.admin.Get(t.Context(), tn.path+"/sites", nil) }
	before := measure(t, 200, call)

	addr := strings.TrimPrefix(s.Info().Gateway, "http://")
	idle := startCrowd(t, addr, idleConnections)
	slow := dribble(t, addr, 200)
	during := measure(t, 200, call)
	t.Logf("%s idle and 200 dribbling connections: alone %s; with them %s", idle, before, during)
	cut := 0
	for _, conn := range slow {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(20*patience)))
		if _, err := io.Copy(io.Discard, conn); !isTimeout(err) { // a refusal, perhaps, and the end
			cut++
		}
	}
	require.Equal(t, len(slow), cut, "whoever dribbles is cut off")
	require.NoError(t, call())
}

func isTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// dribble opens connections that send a request a byte at a time and never come to its end.
func dribble(t *testing.T, addr string, n int) []net.Conn {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait() })
	conns := make([]net.Conn, n)
	for i := range conns {
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		conns[i] = conn
		text := "GET /v1/accounts/a HTTP/1.1\r\nHost: x\r\nX-A: "
		if i%2 == 1 {
			text = "POST /v1/phoneUserSetup:lookup HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{\"token\":\""
		}
		wg.Go(func() {
			defer func() { <-ctx.Done(); _ = conn.Close() }()
			_, err := conn.Write([]byte(text))
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for err == nil {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					_, err = conn.Write([]byte("a"))
				}
			}
		})
	}
	return conns
}

// TestOneCallerOverItsRateSlowsNobodyElse lets a caller call as fast as it can, and measures another account meanwhile.
func TestOneCallerOverItsRateSlowsNobodyElse(t *testing.T) {
	t.Parallel()
	const rate, burst = 20, 40
	s := oneOwn(t, "rates", gatewayWith(func(c *gateway.HTTPConfig) {
		c.CallerRate, c.CallerBurst, c.AccountRate, c.AccountBurst = rate, burst, 10*rate, 10*burst
	}))
	quiet, noisy := newBareTenant(t, s, 1), newBareTenant(t, s, 1)
	callers := make([]func() error, 0, 30)
	for i := range 30 { // a person each, so that none of them meets its own rate
		who := quiet.as(issuer.Claims{Subject: fmt.Sprint("person", i), Account: quiet.account, Role: "ADMIN"})
		callers = append(callers, func() error { return who.Get(t.Context(), quiet.path+"/sites", nil) })
	}
	turn := 0
	call := func() error { turn++; return callers[turn%len(callers)]() }
	alone := measure(t, 150, call)

	ctx, cancel := context.WithCancel(t.Context())
	var passed, limited atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				a, err := noisy.owner.Raw(ctx, http.MethodGet, noisy.path+"/sites", nil, nil)
				switch {
				case err != nil:
				case a.Status == http.StatusTooManyRequests && a.Header.Get("Retry-After") != "":
					limited.Add(1)
				case a.Status == http.StatusOK:
					passed.Add(1)
				}
			}
		})
	}
	testkit.Eventually(t, patience, func() error {
		if limited.Load() < 100 {
			return fmt.Errorf("limited %d times", limited.Load())
		}
		return nil
	})
	// What is refused says when to come back.
	var refusal *gatewayclient.Error
	testkit.Eventually(t, patience, func() error {
		err := noisy.owner.Get(ctx, noisy.path+"/sites", nil)
		if err == nil {
			return errors.New("this call was let through")
		}
		refusal = noisy.refused(err, "RATE_LIMITED")
		return nil
	})
	require.Positive(t, refusal.RetryDelay)
	beside := measure(t, 150, call)
	cancel()
	wg.Wait()
	took := time.Since(began).Seconds()
	t.Logf("another account: alone %s; beside a caller over its rate %s (who was let through %d times and refused %d times in %.1f s)", alone, beside, passed.Load(), limited.Load(), took)
	require.LessOrEqual(t, float64(passed.Load()), burst+rate*took+1, "no more than its rate")
}
