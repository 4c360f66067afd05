package sender_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/notification/internal/message"
	"github.com/switchboard-phone/switchboard/services/notification/internal/sender"
	"github.com/switchboard-phone/switchboard/services/notification/internal/smtptest"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func reply(code int, text string) error {
	return &gosmtp.SMTPError{Code: code, EnhancedCode: gosmtp.EnhancedCode{code / 100, 0, 0}, Message: text}
}

// refuse refuses the first n tries for each recipient with what err says (n < 0: all of them).
func refuse(n int, err error) func(*gosmtp.Conn, string) error {
	var mu sync.Mutex
	tries := map[string]int{}
	return func(_ *gosmtp.Conn, to string) error {
		mu.Lock()
		defer mu.Unlock()
		tries[to]++
		if n < 0 || tries[to] <= n {
			return err
		}
		return nil
	}
}

// blockUntil holds each mail back until release is closed.
func blockUntil(begun chan<- struct{}, release <-chan struct{}) func(*gosmtp.Conn, smtptest.Mail) error {
	return func(*gosmtp.Conn, smtptest.Mail) error {
		begun <- struct{}{}
		<-release
		return nil
	}
}

func TestSender_triesAgain(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		b.server.Set(smtptest.Hooks{Rcpt: refuse(2, reply(450, "greylisted"))})
		keys := b.enqueue(t, 10)
		b.start(t, nil)
		b.await(t, keys, message.Sent)
		b.requireOnceEach(t, keys)
		for _, key := range keys {
			m, attempts := b.get(t, key)
			require.Equal(t, 3, m.Attempts)
			require.Contains(t, m.LastError, "greylisted", "what went wrong last stays to be read")
			require.Len(t, attempts, 3)
			for i, want := range []int{450, 450, 250} {
				require.Equal(t, want, attempts[i].SMTPCode)
				require.Equal(t, want == 250, attempts[i].Succeeded)
				require.Equal(t, want == 250, attempts[i].Error == "")
			}
			require.GreaterOrEqual(t, attempts[1].Time.Sub(attempts[0].Time), 16*time.Millisecond, "not before the wait is over")
		}
	})
}

func TestSender_givesUp(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		code, attempts int
	}{"at once, when refused for good": {550, 1}, "after the last attempt": {451, 4}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
				b := setup(t, e)
				b.sender.MaxAttempts = 4
				b.server.Set(smtptest.Hooks{Rcpt: refuse(-1, reply(test.code, "no such mailbox"))})
				keys := b.enqueue(t, 3)
				b.start(t, nil)
				b.await(t, keys, message.Failed)
				for _, key := range keys {
					m, attempts := b.get(t, key)
					require.Equal(t, test.attempts, m.Attempts)
					require.Len(t, attempts, test.attempts)
					require.Equal(t, test.code, attempts[test.attempts-1].SMTPCode)
					require.Contains(t, m.LastError, "no such mailbox")
				}
				require.Empty(t, b.server.Mails())
			})
		})
	}
}

// One recipient's trouble does not keep the others waiting.
func TestSender_oneHangs(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		b.sender.Concurrency, b.smtp.SendTimeout = 2, 500*time.Millisecond
		keys := b.enqueue(t, 20)
		slow := "person-" + keys[0].ID.String() + "@example.org"
		b.server.Set(smtptest.Hooks{Rcpt: func(_ *gosmtp.Conn, to string) error {
			if to == slow {
				<-b.server.Stopped
			}
			return nil
		}})
		b.start(t, nil)
		b.await(t, keys[1:], message.Sent)
	})
}

// A message that waited for its turn past the claim window is given back and claimed anew: its delivery might outlast the claim.
func TestSender_neverBeginsLate(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		b.sender.Concurrency, b.sender.ClaimWindow, b.smtp.SendTimeout = 1, 100*time.Millisecond, time.Second
		var hung atomic.Bool
		b.server.Set(smtptest.Hooks{Rcpt: func(*gosmtp.Conn, string) error {
			if !hung.Swap(true) {
				<-b.server.Stopped
			}
			return nil
		}})
		keys := b.enqueue(t, 10) // claimed together
		b.start(t, nil)
		b.await(t, keys, message.Sent)
		b.requireOnceEach(t, keys)
		_, first := b.get(t, keys[0])
		require.Len(t, first, 2, "the first one hung")
		for _, key := range keys[1:] {
			m, attempts := b.get(t, key)
			require.Equal(t, 1, m.Attempts, "waiting is no attempt")
			require.Len(t, attempts, 1)
			require.GreaterOrEqual(t, attempts[0].Time.Sub(first[0].Time), b.smtp.SendTimeout, "claimed anew after the first one")
		}
	})
}

// While the mail server is away the queue waits, and only a few messages notice.
func TestSender_outage(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		b.sender.Concurrency, b.sender.MaxAttempts = 4, 2
		b.smtp.Address = testkit.FreeAddr(t)
		keys := b.enqueue(t, 60)
		b.start(t, nil)
		tries := func() (attempts, touched int) {
			for _, key := range keys {
				m, _ := b.get(t, key)
				require.Equal(t, message.Queued, m.State, "an outage gives nothing up")
				attempts += m.Attempts
				if m.LastError != "" {
					touched++
					require.Contains(t, m.LastError, "connect")
				}
			}
			return attempts, touched
		}
		testkit.Eventually(t, patience, func() error {
			if attempts, touched := tries(); attempts < 12 || touched == 0 {
				return fmt.Errorf("%d attempts so far, %d with an error", attempts, touched)
			}
			return nil
		})
		back := smtptest.Start(t, smtptest.Options{Addr: b.smtp.Address})
		b.server = back
		b.await(t, keys, message.Sent)
		b.requireOnceEach(t, keys)
	})
}

// Those under way when the mail server goes away notice; the others are given back untouched, and nothing more is tried for the
// time of the pause.
func TestSender_outagePauses(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		b.sender.Concurrency, b.sender.OutagePause, b.sender.OutagePauseMax = 4, time.Hour, time.Hour
		b.smtp.Address = testkit.FreeAddr(t)
		script := &faults.Script{}
		keys := b.enqueue(t, 60)
		s := b.start(t, script)
		testkit.Eventually(t, patience, func() error {
			touched := 0
			for _, key := range keys {
				m, _ := b.get(t, key)
				if m.Attempts > 0 {
					touched++
				}
				if m.Attempts > 0 && m.LastError == "" {
					return errors.New("some are still claimed")
				}
			}
			if touched == 0 {
				return errors.New("nothing was tried yet")
			}
			return nil
		})
		s.Wake()
		s.stop()
		require.LessOrEqual(t, script.Hits(sender.DeliverPoint), 4)
	})
}

// The connection breaks after the mail was taken and before the server said so: it goes out again, under the same Message-ID.
func TestSender_connectionBreaksAfterData(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		var mu sync.Mutex
		broken := map[string]bool{}
		b.server.Set(smtptest.Hooks{Accepted: func(c *gosmtp.Conn, m smtptest.Mail) error {
			mu.Lock()
			defer mu.Unlock()
			if broken[m.MessageID()] {
				return nil
			}
			broken[m.MessageID()] = true
			return c.Conn().Close()
		}})
		keys := b.enqueue(t, 5)
		b.start(t, nil)
		b.await(t, keys, message.Sent)
		for _, key := range keys {
			m, attempts := b.get(t, key)
			require.Equal(t, 2, m.Attempts)
			require.False(t, attempts[0].Succeeded)
			require.Zero(t, attempts[0].SMTPCode)
			require.True(t, attempts[1].Succeeded)
			require.Equal(t, 2, b.copies()[messageID(key)], "both copies carry the same Message-ID")
		}
	})
}

// A sender dies between the mail server's acceptance and the note of it. Another one takes over once the claim has run out; the
// mail goes out again under the same Message-ID, and the attempt without outcome is on record.
func TestSender_diesAfterAcceptance(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		b.shortClaims()
		accepted, bury := make(chan struct{}), make(chan struct{})
		script := &faults.Script{}
		script.DoAfter(sender.DeliverPoint, 1, func(_ context.Context, err error) error {
			close(accepted)
			<-bury // as good as dead
			return err
		})
		keys := b.enqueue(t, 1)
		dead := b.start(t, script)
		t.Cleanup(func() { close(bury) }) // before the sender is waited for
		<-accepted
		b.start(t, nil)
		b.await(t, keys, message.Sent)
		require.Equal(t, map[string]int{messageID(keys[0]): 2}, b.copies())
		_, attempts := b.get(t, keys[0])
		require.Len(t, attempts, 2)
		require.False(t, attempts[0].Finished, "the dead one left no outcome")
		require.True(t, attempts[1].Succeeded)
		_ = dead
	})
}

// A lost claim (taken, but the answer never came) delays its messages until it has run out, and no more.
func TestSender_claimIsLost(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		b.shortClaims()
		script := &faults.Script{}
		script.FailAfter("notification.Claim", 1, errLost)
		keys := b.enqueue(t, 10)
		b.start(t, script)
		b.await(t, keys, message.Sent)
		b.requireOnceEach(t, keys)
		m, attempts := b.get(t, keys[0])
		require.Equal(t, 2, m.Attempts)
		require.False(t, attempts[0].Finished)
	})
}

// duringClaim has the sender end just when a claim has taken effect.
type duringClaim struct{ end chan func() }

func (duringClaim) Before(context.Context, string) error { return nil }

func (d duringClaim) After(ctx context.Context, point string, err error) error {
	if point == "notification.Claim" {
		if end, ok := <-d.end; ok {
			end()
		}
		return cmp.Or(ctx.Err(), err)
	}
	return err
}

// What is claimed while the service ends does not wait for its claim to run out: it is given back.
func TestSender_endsDuringAClaim(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		keys := b.enqueue(t, 10)
		inj := duringClaim{make(chan func())}
		r := b.start(t, inj)
		inj.end <- r.end // taken by the first claim
		close(inj.end)
		r.stop()
		for _, key := range keys {
			m, _ := b.get(t, key)
			require.Equal(t, message.Queued, m.State)
			require.Zero(t, m.Attempts, "no try was begun")
		}
		b.start(t, nil)
		b.await(t, keys, message.Sent)
		b.requireOnceEach(t, keys)
	})
}

// Writing down the outcomes fails, before or after it was done: it is repeated, and no mail is.
func TestSender_recordFails(t *testing.T) {
	t.Parallel()
	for name, inject := range map[string]func(*faults.Script){
		"before": func(s *faults.Script) {
			for n := 1; n <= 3; n++ {
				s.FailBefore("notification.Record", n, errors.New("the database is away"))
			}
		},
		"after": func(s *faults.Script) {
			for n := 1; n <= 3; n++ {
				s.FailAfter("notification.Record", n, errLost)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
				b := setup(t, e)
				b.server.Set(smtptest.Hooks{Rcpt: refuse(1, reply(450, "not yet"))})
				script := &faults.Script{}
				inject(script)
				keys := b.enqueue(t, 30)
				b.start(t, script)
				b.await(t, keys, message.Sent)
				b.requireOnceEach(t, keys)
				for _, key := range keys {
					m, _ := b.get(t, key)
					require.Equal(t, 2, m.Attempts)
				}
			})
		})
	}
}

// A panic in one delivery is that mail's failure alone.
func TestSender_panic(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		script := &faults.Script{}
		script.DoBefore(sender.DeliverPoint, 2, func(context.Context) error { panic("unforeseen") })
		keys := b.enqueue(t, 5)
		b.start(t, script)
		b.await(t, keys, message.Sent)
		b.requireOnceEach(t, keys)
		attempts := 0
		for _, key := range keys {
			m, _ := b.get(t, key)
			attempts += m.Attempts
		}
		require.Equal(t, 6, attempts)
	})
}
