package sender_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/notification/internal/message"
	"github.com/switchboard-phone/switchboard/services/notification/internal/sender"
	"github.com/switchboard-phone/switchboard/services/notification/internal/smtp"
	"github.com/switchboard-phone/switchboard/services/notification/internal/smtptest"
	"github.com/switchboard-phone/switchboard/services/notification/internal/store/sqlstore"
	"github.com/switchboard-phone/switchboard/services/notification/migrations"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

// patience bounds waiting for what must happen.
const patience = 60 * time.Second

// bundle is a database and a mail server, with the senders of a test between them.
type bundle struct {
	engine  testkit.Engine
	url     string
	store   *sqlstore.Store
	server  *smtptest.Server
	account uuid.UUID
	smtp    smtp.Config
	sender  sender.Config
}

func setup(tb testing.TB, e testkit.Engine) *bundle {
	tb.Helper()
	b := &bundle{engine: e, url: e.NewURL(tb, migrations.FS), server: smtptest.Start(tb, smtptest.Options{}), account: uuid.New()}
	b.store = sqlstore.New(e.Open(tb, b.url))
	b.smtp = smtp.DefaultConfig()
	b.smtp.Address, b.smtp.TLS, b.smtp.From = b.server.Addr, smtp.TLSNone, "phone@example.com"
	b.sender = sender.DefaultConfig()
	b.sender.PollInterval, b.sender.RetryInitial, b.sender.RetryMultiplier = 20*time.Millisecond, 20*time.Millisecond, 1.5
	b.sender.OutagePause, b.sender.OutagePauseMax = 20*time.Millisecond, 100*time.Millisecond
	return b
}

// shortClaims makes claims run out within a few seconds.
func (b *bundle) shortClaims() {
	b.sender.ClaimWindow, b.smtp.DialTimeout, b.smtp.SendTimeout = 500*time.Millisecond, time.Second, time.Second
}

// running is a sender at work.
type running struct {
	*sender.Sender
	// end tells it to end, stop does and returns once it has ended.
	end, stop func()
}

// start starts a sender with a database pool of its own, as another process would have; it ends with the test.
func (b *bundle) start(tb testing.TB, inj faults.Injector) running {
	tb.Helper()
	store := sqlstore.New(b.engine.Open(tb, b.url, func(_ *crdb.Config, o *crdb.Options) { o.Faults = inj }))
	client, err := smtp.NewClient(b.smtp)
	require.NoError(tb, err)
	s, err := sender.New(store, client, b.sender, sender.Options{Name: tb.Name(), Faults: inj})
	require.NoError(tb, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	ended := false
	stop := func() {
		if ended {
			return
		}
		ended = true
		cancel()
		require.NoError(tb, <-done)
	}
	tb.Cleanup(stop)
	return running{s, cancel, stop}
}

// enqueue puts n messages to different people into the queue.
func (b *bundle) enqueue(tb testing.TB, n int) []message.Key {
	tb.Helper()
	var keys []message.Key
	var messages []message.New
	for i := range n {
		id := uuid.Must(uuid.NewV7())
		key := message.Key{Account: b.account, ID: id}
		keys = append(keys, key)
		messages = append(messages, message.New{
			Key: key, Kind: message.Welcome, Recipient: fmt.Sprintf("person-%s@example.org", id), DisplayName: fmt.Sprintf("Person %d", i),
			Subject: "Your extension", TextBody: "redacted", MailText: "text\n", MailHTML: "<p>html</p>\n",
		})
	}
	added, err := b.store.Enqueue(tb.Context(), messages)
	require.NoError(tb, err)
	require.Equal(tb, n, added)
	return keys
}

func (b *bundle) get(t *testing.T, key message.Key) (message.Message, []message.Attempt) {
	t.Helper()
	m, attempts, err := b.store.Get(t.Context(), key, 100)
	require.NoError(t, err)
	return m, attempts
}

// await waits until all messages are in the state.
func (b *bundle) await(tb testing.TB, keys []message.Key, want message.State) {
	tb.Helper()
	next := 0
	testkit.Eventually(tb, patience, func() error {
		for ; next < len(keys); next++ {
			m, _, err := b.store.Get(tb.Context(), keys[next], 1)
			if err != nil {
				return err
			}
			if m.State != want {
				return fmt.Errorf("message %d of %d is %s after %d attempts (%s)", next, len(keys), m.State, m.Attempts, m.LastError)
			}
		}
		return nil
	})
}

// copies counts how often the mail server took the mail of each message.
func (b *bundle) copies() map[string]int {
	out := map[string]int{}
	for _, m := range b.server.Mails() {
		out[m.MessageID()]++
	}
	return out
}

func messageID(key message.Key) string { return "<" + key.ID.String() + "@example.com>" }

// requireOnceEach checks that the mail server took the mail of each message exactly once, and no other.
func (b *bundle) requireOnceEach(t *testing.T, keys []message.Key) {
	t.Helper()
	copies := b.copies()
	require.Len(t, copies, len(keys))
	for _, key := range keys {
		require.Equal(t, 1, copies[messageID(key)], "mails of message %s", key.ID)
	}
}

func TestSender_sendsEachOnce(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		b.sender.PollInterval = time.Hour // Wake does it
		s := b.start(t, nil)
		keys := b.enqueue(t, 250)
		s.Wake()
		b.await(t, keys, message.Sent)
		b.requireOnceEach(t, keys)
		require.LessOrEqual(t, b.server.Connections(), 8, "connections are used again")
		for _, key := range keys[:5] {
			m, attempts := b.get(t, key)
			require.Equal(t, 1, m.Attempts)
			require.Empty(t, m.LastError)
			require.Len(t, attempts, 1)
			require.True(t, attempts[0].Succeeded)
			require.Equal(t, 250, attempts[0].SMTPCode)
		}
		for _, m := range b.server.Mails() {
			require.Equal(t, "<"+m.To[len("person-"):len("person-")+36]+"@example.com>", m.MessageID(), "each to its own person")
		}
	})
}

func TestSender_findsWhatOthersEnqueued(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		b.start(t, nil)
		keys := b.enqueue(t, 3) // nobody wakes the sender
		b.await(t, keys, message.Sent)
	})
}

// Two processes work on one queue: no mail goes out twice, and both get work.
func TestSender_twoAtOnce(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		b.sender.Batch = 10
		one, two := b.start(t, nil), b.start(t, nil)
		var keys []message.Key
		for range 10 {
			keys = append(keys, b.enqueue(t, 30)...)
			one.Wake()
			two.Wake()
		}
		b.await(t, keys, message.Sent)
		b.requireOnceEach(t, keys)
		for _, key := range keys {
			m, _ := b.get(t, key)
			require.Equal(t, 1, m.Attempts)
		}
	})
}

func TestSender_stopsInOrder(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		b.sender.Concurrency, b.sender.StopTimeout = 2, patience
		begun, release := make(chan struct{}, 100), make(chan struct{})
		b.server.Set(smtptest.Hooks{Accept: blockUntil(begun, release)})
		keys := b.enqueue(t, 20)
		s := b.start(t, nil)
		<-begun
		<-begun
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			s.stop()
		}()
		// What has not begun is given back at once, though two mails are still under way.
		testkit.Eventually(t, patience, func() error {
			backlog, err := b.store.Backlog(t.Context(), 100)
			if err == nil && backlog.Queued != 20 {
				err = fmt.Errorf("%d queued", backlog.Queued)
			}
			return err
		})
		close(release)
		<-stopped
		sent, untouched := 0, 0
		for _, key := range keys {
			m, attempts := b.get(t, key)
			if m.State == message.Sent {
				sent++
				continue
			}
			require.Equal(t, message.Queued, m.State)
			require.Zero(t, m.Attempts)
			require.Empty(t, attempts)
			untouched++
		}
		require.Equal(t, 2, sent, "the two under way were finished")
		require.Equal(t, 18, untouched)

		b.start(t, nil)
		b.await(t, keys, message.Sent)
		b.requireOnceEach(t, keys)
	})
}

// A mail that hangs past the time to stop is broken off, and tried again by the next.
func TestSender_stopDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		b.sender.StopTimeout = 50 * time.Millisecond
		begun := make(chan struct{}, 100)
		b.server.Set(smtptest.Hooks{Accept: blockUntil(begun, b.server.Stopped)})
		keys := b.enqueue(t, 1)
		s := b.start(t, nil)
		<-begun
		s.stop()
		m, attempts := b.get(t, keys[0])
		require.Equal(t, message.Queued, m.State)
		require.Len(t, attempts, 1)
		require.True(t, attempts[0].Finished, "the end of the attempt is on record")
		require.False(t, attempts[0].Succeeded)
	})
}

func TestNew_refusesBadConfig(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*sender.Config){
		"nobody works":     func(c *sender.Config) { c.Concurrency = 0 },
		"no room":          func(c *sender.Config) { c.Batch = 0 },
		"never looks":      func(c *sender.Config) { c.PollInterval = 0 },
		"no window":        func(c *sender.Config) { c.ClaimWindow = 0 },
		"no pause":         func(c *sender.Config) { c.OutagePause = 0 },
		"no retry":         func(c *sender.Config) { c.MaxAttempts = 0 },
		"shrinking waits":  func(c *sender.Config) { c.RetryMultiplier = 0.5 },
		"too much chance":  func(c *sender.Config) { c.RetryJitter = 1.5 },
		"cap below start":  func(c *sender.Config) { c.RetryMax = time.Millisecond },
		"waits of nothing": func(c *sender.Config) { c.RetryInitial = 0 },
	} {
		cfg := sender.DefaultConfig()
		change(&cfg)
		_, err := sender.New(nil, nil, cfg, sender.Options{})
		require.Error(t, err, name)
	}
}

var errLost = &crdb.AmbiguousError{Op: "test", Err: errors.New("the answer was lost")}
