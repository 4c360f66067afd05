package notification_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/metadata"

	notificationv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/notification/v1"
	"github.com/switchboard-phone/switchboard/services/notification"
	"github.com/switchboard-phone/switchboard/services/notification/internal/smtptest"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/issuertest"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/logtest"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/peertest"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

const patience = 60 * time.Second

// bundle is a running service with a mail server of its own.
type bundle struct {
	url     string // of the database
	issuer  *issuertest.Issuer
	peers   *peertest.Peers
	mails   *smtptest.Server
	client  notificationv1.NotificationServiceClient
	account string // id
	logs    *logtest.Buffer
	cfg     notification.Config
}

func setup(t *testing.T, e testkit.Engine) *bundle {
	t.Helper()
	b := &bundle{
		url: e.NewURL(t, notification.Migrations), issuer: issuertest.New(t), peers: peertest.New(t), mails: smtptest.Start(t, smtptest.Options{}),
		account: uuid.NewString(), logs: &logtest.Buffer{}, cfg: notification.DefaultConfig(),
	}
	b.cfg.Server.Addr, b.cfg.Server.OpsAddr, b.cfg.Server.DrainWait = "127.0.0.1:0", "127.0.0.1:0", 0
	b.cfg.TLS = b.peers.TLS("notification")
	b.cfg.Database.URL, b.cfg.Database.MaxConns = b.url, 8
	b.cfg.Auth.Issuer, b.cfg.Auth.JWKSURL = b.issuer.URL, b.issuer.URL
	b.cfg.SMTP.Address, b.cfg.SMTP.TLS, b.cfg.SMTP.From = b.mails.Addr, "none", "Switchboard <phone@example.com>"
	b.cfg.Sender.OutagePause, b.cfg.Sender.RetryInitial = 20*time.Millisecond, 20*time.Millisecond
	return b
}

// start runs the service until the returned function is called, at the latest at the end of the test.
func (b *bundle) start(t *testing.T) (stop func()) {
	t.Helper()
	log, err := telemetry.NewLogger(b.logs, telemetry.Config{LogFormat: "json", LogLevel: "debug"})
	require.NoError(t, err)
	s, err := notification.New(t.Context(), b.cfg, notification.Options{Logger: log})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	conn := b.peers.Dial(s.Addr(), "notification")
	b.client = notificationv1.NewNotificationServiceClient(conn)
	var once sync.Once
	stop = func() {
		once.Do(func() {
			require.NoError(t, conn.Close())
			cancel()
			require.NoError(t, <-done)
		})
	}
	t.Cleanup(stop)
	return stop
}

// as returns a context with a token of these claims.
func (b *bundle) as(t *testing.T, claims map[string]any) context.Context {
	t.Helper()
	return metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+b.issuer.Token(t, claims))
}

func (b *bundle) asLicense(t *testing.T) context.Context {
	t.Helper()
	return peertest.As(t.Context(), "license")
}

func (b *bundle) asAdmin(t *testing.T) context.Context {
	t.Helper()
	return b.as(t, map[string]any{"account": b.account, "role": "ADMIN"})
}

func (b *bundle) parent() string { return "accounts/" + b.account }

// secret stands in the link of every message; it must be nowhere but in the mail.
const secret = "s3cret-t0ken"

func (b *bundle) message(i int) *notificationv1.Message {
	return &notificationv1.Message{
		MessageId: uuid.NewString(), Account: b.parent(), Kind: notificationv1.Notification_WELCOME,
		Recipient: fmt.Sprintf("Person%d@Example.com", i), DisplayName: fmt.Sprintf("Person %d", i), AccountDisplayName: "Acme",
		ExtensionNumber: fmt.Sprint(1000 + i), Link: "https://phone.example.com/setup?token=" + secret,
		PhoneUser: b.parent() + "/phoneUsers/" + uuid.NewString(), RequestId: "req-42",
	}
}

func (b *bundle) enqueue(t *testing.T, messages ...*notificationv1.Message) int {
	t.Helper()
	resp, err := b.client.EnqueueMessages(b.asLicense(t), &notificationv1.EnqueueMessagesRequest{Messages: messages})
	require.NoError(t, err)
	return int(resp.GetEnqueuedCount())
}

func (b *bundle) list(t *testing.T, filter string) *notificationv1.ListNotificationsResponse {
	t.Helper()
	resp, err := b.client.ListNotifications(b.asAdmin(t), &notificationv1.ListNotificationsRequest{Parent: b.parent(), Filter: filter, PageSize: 1000})
	require.NoError(t, err)
	return resp
}

// awaitSent waits until n notifications of the account are SENT.
func (b *bundle) awaitSent(t *testing.T, n int) {
	t.Helper()
	testkit.Eventually(t, patience, func() error {
		if got := b.list(t, "state = SENT").GetTotalSize(); int(got) != n {
			return fmt.Errorf("%d of %d are sent", got, n)
		}
		return nil
	})
}
