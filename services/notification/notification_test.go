package notification_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	notificationv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/notification/v1"
	"github.com/switchboard-phone/switchboard/services/notification"
	"github.com/switchboard-phone/switchboard/services/notification/internal/smtptest"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/migrate"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
	"github.com/switchboard-phone/switchboard/services/platform/testkit/peertest"
)

func TestEnqueueMessages_tellsEverybodyOnce(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		b.cfg.Sender.PollInterval = time.Hour // the call itself wakes the sender
		b.start(t)
		var all []*notificationv1.Message
		for i := range 60 {
			m := b.message(i)
			m.Kind = notificationv1.Notification_Kind(1 + i%3)
			m.LinkExpireTime = timestamppb.New(time.Date(2026, 3, 8, 9, 30, 0, 0, time.UTC))
			all = append(all, m)
		}
		require.Equal(t, 50, b.enqueue(t, all[:50]...))
		require.Equal(t, 10, b.enqueue(t, all...), "those that are there already are not taken again")
		require.Equal(t, 0, b.enqueue(t, all...))
		b.awaitSent(t, 60)

		mails := b.mails.Mails()
		require.Len(t, mails, 60)
		for _, m := range all {
			i := slices.IndexFunc(mails, func(got smtptest.Mail) bool { return got.To == m.GetRecipient() })
			require.GreaterOrEqual(t, i, 0, "nothing for %s", m.GetRecipient())
			require.Equal(t, "<"+m.GetMessageId()+"@example.com>", mails[i].MessageID())
			require.Contains(t, mails[i].Text, "https://phone.example.com/setup?token="+secret+"\n")
			require.Contains(t, mails[i].HTML, secret)
			require.Contains(t, mails[i].Text, "Hello "+m.GetDisplayName()+",")
			told := strings.Contains(mails[i].Decoded("Subject"), m.GetExtensionNumber())
			require.Equal(t, m.GetKind() != notificationv1.Notification_INVITATION, told)
		}
	})
}

func TestNotifications_read(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		b.start(t)
		m := b.message(1)
		b.enqueue(t, m)
		b.awaitSent(t, 1)
		name := b.parent() + "/notifications/" + m.GetMessageId()
		n, err := b.client.GetNotification(b.asAdmin(t), &notificationv1.GetNotificationRequest{Name: name})
		require.NoError(t, err)
		require.Equal(t, name, n.GetName())
		require.Equal(t, "Person1@Example.com", n.GetRecipient())
		require.Equal(t, notificationv1.Notification_WELCOME, n.GetKind())
		require.Equal(t, notificationv1.Notification_SENT, n.GetState())
		require.Equal(t, "Your phone extension at Acme is 1001", n.GetSubject())
		require.Contains(t, n.GetTextBody(), "token=REDACTED\n")
		require.NotContains(t, n.GetTextBody(), secret)
		require.EqualValues(t, 1, n.GetAttempts())
		require.Equal(t, m.GetPhoneUser(), n.GetPhoneUser())
		require.NotNil(t, n.GetSendTime())
		require.Nil(t, n.GetNextAttemptTime())
		require.Len(t, n.GetDeliveryAttempts(), 1)
		require.True(t, n.GetDeliveryAttempts()[0].GetSucceeded())

		listed := b.list(t, `recipient = "person1@example.COM" AND state = SENT AND kind = WELCOME AND phoneUser = "`+m.GetPhoneUser()+`"`)
		require.Len(t, listed.GetNotifications(), 1)
		require.Empty(t, listed.GetNotifications()[0].GetDeliveryAttempts())
		require.NotContains(t, listed.String(), secret)
		require.Empty(t, b.list(t, `recipient = "person2@example.com"`).GetNotifications())
	})
}

func TestListNotifications_pages(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		b.start(t)
		var want []string
		for i := range 7 {
			m := b.message(i)
			b.enqueue(t, m)
			want = append([]string{b.parent() + "/notifications/" + m.GetMessageId()}, want...)
		}
		var got []string
		req := &notificationv1.ListNotificationsRequest{Parent: b.parent(), PageSize: 3, Filter: "kind = WELCOME"}
		for page := range 3 {
			resp, err := b.client.ListNotifications(b.asAdmin(t), req)
			require.NoError(t, err)
			require.EqualValues(t, 7+page, resp.GetTotalSize())
			for _, n := range resp.GetNotifications() {
				got = append(got, n.GetName())
			}
			req.PageToken = resp.GetNextPageToken()
			require.Equal(t, page == 2, req.GetPageToken() == "", "page %d", page)
			b.enqueue(t, b.message(100+page)) // newer ones shift nothing
		}
		require.Equal(t, want, got)
	})
}

func (b *bundle) requireRefused(t *testing.T, req *notificationv1.ListNotificationsRequest, want commonv1.Reason) {
	t.Helper()
	_, err := b.client.ListNotifications(b.asAdmin(t), req)
	require.Equal(t, want.String(), errs.Reason(err).String(), "%v", err)
}

func TestNotifications_refusals(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		b.start(t)
		for _, filter := range []string{"nonsense", `subject = "x"`, "state = GONE", "kind > WELCOME", `phoneUser = "x"`, "state ="} {
			b.requireRefused(t, &notificationv1.ListNotificationsRequest{Parent: b.parent(), Filter: filter}, commonv1.Reason_FILTER_INVALID)
		}
		b.requireRefused(t, &notificationv1.ListNotificationsRequest{Parent: b.parent(), Filter: "recipient = \"a\x00b\""}, commonv1.Reason_FIELD_INVALID)
		b.requireRefused(t, &notificationv1.ListNotificationsRequest{Parent: b.parent(), PageToken: "x"}, commonv1.Reason_PAGE_TOKEN_INVALID)
		b.enqueue(t, b.message(1), b.message(2))
		first, err := b.client.ListNotifications(b.asAdmin(t), &notificationv1.ListNotificationsRequest{Parent: b.parent(), PageSize: 1})
		require.NoError(t, err)
		require.NotEmpty(t, first.GetNextPageToken())
		b.requireRefused(t, &notificationv1.ListNotificationsRequest{
			Parent: b.parent(), PageToken: first.GetNextPageToken(), Filter: "state = SENT",
		}, commonv1.Reason_PAGE_TOKEN_INVALID)
		operator := b.as(t, map[string]any{"operator": true})
		for name, want := range map[string]commonv1.Reason{
			b.parent() + "/notifications/" + uuid.NewString(): commonv1.Reason_NOT_FOUND,
			b.parent() + "/notifications/x":                   commonv1.Reason_NOT_FOUND,
			"accounts/x/notifications/" + uuid.NewString():    commonv1.Reason_NOT_FOUND,
			b.parent() + "/phoneUsers/" + uuid.NewString():    commonv1.Reason_FIELD_INVALID,
		} {
			_, err := b.client.GetNotification(operator, &notificationv1.GetNotificationRequest{Name: name})
			require.Equal(t, want.String(), errs.Reason(err).String(), name)
		}
		_, err = b.client.ListNotifications(operator, &notificationv1.ListNotificationsRequest{Parent: "accounts/x"})
		require.Equal(t, commonv1.Reason_NOT_FOUND, errs.Reason(err))
	})
}

func TestNotifications_access(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		b.start(t)
		m := b.message(1)
		b.enqueue(t, m)
		get := &notificationv1.GetNotificationRequest{Name: b.parent() + "/notifications/" + m.GetMessageId()}
		list := &notificationv1.ListNotificationsRequest{Parent: b.parent()}
		for who, test := range map[string]struct {
			ctx  context.Context
			read commonv1.Reason
			send commonv1.Reason
		}{
			"nobody":          {t.Context(), commonv1.Reason_UNAUTHENTICATED, commonv1.Reason_UNAUTHENTICATED},
			"owner":           {b.as(t, map[string]any{"account": b.account, "role": "OWNER"}), 0, commonv1.Reason_PERMISSION_DENIED},
			"admin":           {b.as(t, map[string]any{"account": b.account, "role": "ADMIN"}), 0, commonv1.Reason_PERMISSION_DENIED},
			"member":          {b.as(t, map[string]any{"account": b.account, "role": "MEMBER"}), commonv1.Reason_PERMISSION_DENIED, commonv1.Reason_PERMISSION_DENIED},
			"another's admin": {b.as(t, map[string]any{"account": uuid.NewString(), "role": "ADMIN"}), commonv1.Reason_PERMISSION_DENIED, commonv1.Reason_PERMISSION_DENIED},
			"operator":        {b.as(t, map[string]any{"operator": true}), 0, commonv1.Reason_PERMISSION_DENIED},
			"license":         {peertest.As(t.Context(), "license"), commonv1.Reason_PERMISSION_DENIED, 0},
			"numbering":       {peertest.As(t.Context(), "numbering"), commonv1.Reason_PERMISSION_DENIED, commonv1.Reason_PERMISSION_DENIED},
		} {
			ctx := test.ctx
			_, err := b.client.ListNotifications(ctx, list)
			require.Equal(t, test.read.String(), errs.Reason(err).String(), "%s lists", who)
			_, err = b.client.GetNotification(ctx, get)
			require.Equal(t, test.read.String(), errs.Reason(err).String(), "%s gets", who)
			_, err = b.client.EnqueueMessages(ctx, &notificationv1.EnqueueMessagesRequest{Messages: []*notificationv1.Message{m}})
			require.Equal(t, test.send.String(), errs.Reason(err).String(), "%s enqueues", who)
		}
	})
}

func TestEnqueueMessages_refusals(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		b.start(t)
		changes := []struct {
			field  string
			change func(m *notificationv1.Message)
		}{
			{"account", func(m *notificationv1.Message) { m.Account, m.PhoneUser = "accounts/x", "" }},
			{"account", func(m *notificationv1.Message) { m.Account, m.PhoneUser = "sites/"+b.account, "" }},
			{"recipient", func(m *notificationv1.Message) { m.Recipient = "nobody" }},
			{"recipient", func(m *notificationv1.Message) { m.Recipient = "a@example.com\r\nBcc: b@example.com" }},
			{"link", func(m *notificationv1.Message) { m.Link = "javascript:alert(1)" }},
			{"link", func(m *notificationv1.Message) { m.Link = "" }},
			{"extension_number", func(m *notificationv1.Message) { m.ExtensionNumber = "" }},
			{"extension_number", func(m *notificationv1.Message) {
				m.Kind, m.ExtensionNumber = notificationv1.Notification_CONFIRMED, " "
			}},
			{"phone_user", func(m *notificationv1.Message) {
				m.PhoneUser = "accounts/" + uuid.NewString() + "/phoneUsers/" + uuid.NewString()
			}},
			{"phone_user", func(m *notificationv1.Message) { m.PhoneUser = "x" }},
			{"link_expire_time", func(m *notificationv1.Message) { m.LinkExpireTime = &timestamppb.Timestamp{Nanos: -1} }},
		}
		var messages []*notificationv1.Message
		var want []string
		for i, c := range changes {
			good, bad := b.message(i), b.message(i)
			c.change(bad)
			messages = append(messages, good, bad)
			want = append(want, fmt.Sprintf("messages[%d].%s", 2*i+1, c.field))
		}
		_, err := b.client.EnqueueMessages(b.asLicense(t), &notificationv1.EnqueueMessagesRequest{Messages: messages})
		refused, ok := errs.From(err)
		require.True(t, ok, "%v", err)
		require.Equal(t, commonv1.Reason_FIELD_INVALID, refused.Reason())
		var got []string
		for _, v := range refused.Violations() {
			got = append(got, v.GetField())
		}
		require.Equal(t, want, got, "every offending one, and no other")
		require.Zero(t, b.list(t, "").GetTotalSize(), "none was taken")

		for name, m := range map[string]func(m *notificationv1.Message){
			"id":   func(m *notificationv1.Message) { m.MessageId = "x" },
			"kind": func(m *notificationv1.Message) { m.Kind = 0 },
		} {
			bad := b.message(1)
			m(bad)
			_, err := b.client.EnqueueMessages(b.asLicense(t), &notificationv1.EnqueueMessagesRequest{Messages: []*notificationv1.Message{bad}})
			require.Equal(t, commonv1.Reason_FIELD_INVALID, errs.Reason(err), name)
		}
		_, err = b.client.EnqueueMessages(b.asLicense(t), &notificationv1.EnqueueMessagesRequest{})
		require.Equal(t, commonv1.Reason_FIELD_INVALID, errs.Reason(err))
	})
}

// An address that no mail can reach keeps nothing back: it shows as FAILED.
func TestEnqueueMessages_undeliverableAddress(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		b.start(t)
		good, bad := b.message(1), b.message(2)
		bad.Recipient = "a@b@c"
		require.Equal(t, 2, b.enqueue(t, good, bad))
		b.awaitSent(t, 1)
		testkit.Eventually(t, patience, func() error {
			if n := b.list(t, "state = FAILED").GetTotalSize(); n != 1 {
				return fmt.Errorf("%d failed", n)
			}
			return nil
		})
		failed := b.list(t, "state = FAILED").GetNotifications()[0]
		require.Equal(t, "a@b@c", failed.GetRecipient())
		require.Contains(t, failed.GetLastError(), "not a mail address")
	})
}

// Tokens and people's addresses stay out of the logs, whatever happens to the mail.
func TestLogs_keepSecrets(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		b.cfg.SMTP.Address = l.Addr().String()
		require.NoError(t, l.Close())
		stop := b.start(t)
		bad := b.message(2)
		bad.Recipient = "a@b@c"
		b.enqueue(t, b.message(1), bad)
		testkit.Eventually(t, patience, func() error {
			if !strings.Contains(b.logs.String(), "mail server cannot be reached") || !strings.Contains(b.logs.String(), "mail given up") {
				return fmt.Errorf("nothing was logged yet")
			}
			return nil
		})
		stop()
		require.Contains(t, b.logs.String(), "req-42", "the request that caused a mail can be found")
		require.NotContains(t, b.logs.String(), secret)
		require.NotContains(t, strings.ToLower(b.logs.String()), "person1@example.com")
	})
}

// What was enqueued before the end is sent after the next start.
func TestService_restart(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		good := b.cfg.SMTP.Address
		b.cfg.SMTP.Address = "127.0.0.1:1" // where nobody listens
		stop := b.start(t)
		b.enqueue(t, b.message(1), b.message(2), b.message(3))
		stop()
		b.cfg.SMTP.Address = good
		b.start(t)
		b.awaitSent(t, 3)
		require.Len(t, b.mails.Mails(), 3)
	})
}

func TestNew_refuses(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		b.cfg.Database.URL = e.NewURL(t, nil)
		_, err := notification.New(t.Context(), b.cfg, notification.Options{})
		require.ErrorIs(t, err, migrate.ErrSchemaOlder)
		require.NoError(t, notification.Migrate(t.Context(), b.cfg.Database.URL, nil))
		b.cfg.SMTP.From = ""
		_, err = notification.New(t.Context(), b.cfg, notification.Options{})
		require.ErrorContains(t, err, "from")
		b.cfg.SMTP.From = "phone@example.com"
		s, err := notification.New(t.Context(), b.cfg, notification.Options{})
		require.NoError(t, err)
		require.NoError(t, s.Close())
	})
}
