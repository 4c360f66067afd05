package mailsink_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/smtp"
	"strings"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/mailsink"
)

const from = "phone@example.com"

// start runs a sink on free ports.
func start(t *testing.T, dir string) (sink *mailsink.Sink, addr, url string) {
	t.Helper()
	sink, err := mailsink.New(dir, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- sink.Serve(lis) }()
	web := httptest.NewServer(sink)
	t.Cleanup(func() {
		web.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		require.NoError(t, sink.Close(ctx))
		require.NoError(t, <-done)
	})
	return sink, lis.Addr().String(), web.URL
}

// compose makes a mail as a mail program does: two bodies, an encoded subject, a quoted-printable text.
func compose(id, to, subject string) []byte {
	return []byte(strings.ReplaceAll(fmt.Sprintf(`From: <%s>
To: <%s>
Message-ID: <%s>
Subject: %s
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=b1

--b1
Content-Type: text/plain; charset=UTF-8
Content-Transfer-Encoding: quoted-printable

Gr=C3=BC=C3=9Fe, your extension is 1042
--b1
Content-Type: text/html; charset=UTF-8
Content-Transfer-Encoding: base64

PGI+MTA0MjwvYj4=
--b1--
`, from, to, id, subject), "\n", "\r\n"))
}

// list reads the mails over HTTP as a caller does.
func list(t *testing.T, url, query string) []mailsink.Mail {
	t.Helper()
	resp, err := http.Get(url + query)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	var out struct{ Messages []mailsink.Mail }
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&out))
	require.NotNil(t, out.Messages, "no mails are an empty list")
	return out.Messages
}

func TestMailsAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	_, addr, url := start(t, "")
	require.Empty(t, list(t, url, ""))
	require.NoError(t, smtp.SendMail(addr, nil, from, []string{"ada@example.com"}, compose("1@x", "ada@example.com", "=?utf-8?q?Willkommen_=C3=A4?=")))
	require.NoError(t, smtp.SendMail(addr, nil, from, []string{"bob@example.com"}, compose("2@x", "bob@example.com", "Hello")))

	mails := list(t, url, "")
	require.Len(t, mails, 2)
	require.Equal(t, "bob@example.com", mails[0].To)
	require.Equal(t, "ada@example.com", mails[1].To)
	require.Equal(t, "Willkommen ä", mails[1].Subject)
	require.Equal(t, "Grüße, your extension is 1042", strings.TrimSpace(mails[1].Text))
	require.Equal(t, "<b>1042</b>", mails[1].HTML)
	require.WithinDuration(t, time.Now(), mails[1].Time, time.Minute)

	require.Len(t, list(t, url, "?to=ADA@example.com"), 1, "an address is the same in whatever case")
	require.Empty(t, list(t, url, "?to=carol@example.com"))
	require.Equal(t, "bob@example.com", list(t, url, "?limit=1")[0].To)
}

func TestRepeatedMessageIDIsTheSameMail(t *testing.T) {
	t.Parallel()
	sink, addr, url := start(t, "")
	for range 3 {
		require.NoError(t, smtp.SendMail(addr, nil, from, []string{"ada@example.com"}, compose("1@x", "ada@example.com", "Hello")))
	}
	require.NoError(t, smtp.SendMail(addr, nil, from, []string{"bob@example.com"}, compose("1@x", "bob@example.com", "Hello")))
	mails := list(t, url, "?to=ada@example.com")
	require.Len(t, mails, 1)
	require.Equal(t, 3, mails[0].Deliveries)
	require.Len(t, list(t, url, ""), 2, "another person's mail is another mail")
	kept, evicted, duplicates := sink.Stats()
	require.Equal(t, []int{2, 0, 2}, []int{kept, evicted, duplicates})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	sink, addr, url := start(t, "")
	sink.Refuse(func(to string) error {
		if to == "ada@example.com" {
			return &gosmtp.SMTPError{Code: 550, Message: "no such person"}
		}
		return nil
	})
	err := smtp.SendMail(addr, nil, from, []string{"ada@example.com"}, compose("1@x", "ada@example.com", "Hello"))
	require.ErrorContains(t, err, "550")
	require.NoError(t, smtp.SendMail(addr, nil, from, []string{"bob@example.com"}, compose("2@x", "bob@example.com", "Hello")))
	sink.Refuse(nil)
	require.NoError(t, smtp.SendMail(addr, nil, from, []string{"ada@example.com"}, compose("1@x", "ada@example.com", "Hello")))
	require.Len(t, list(t, url, ""), 2)
}

func TestMailsOnDiskAreThereAfterARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, addr, _ := start(t, dir)
	require.NoError(t, smtp.SendMail(addr, nil, from, []string{"ada@example.com"}, compose("1@x", "ada@example.com", "Hello")))
	require.NoError(t, smtp.SendMail(addr, nil, from, []string{"bob@example.com"}, compose("2@x", "bob@example.com", "Hello")))

	_, addr, url := start(t, dir)
	mails := list(t, url, "")
	require.Len(t, mails, 2)
	require.Equal(t, "bob@example.com", mails[0].To)
	require.Equal(t, from, mails[0].From)
	require.Equal(t, "<2@x>", mails[0].MessageID)
	require.NoError(t, smtp.SendMail(addr, nil, from, []string{"bob@example.com"}, compose("2@x", "bob@example.com", "Hello")))
	require.Len(t, list(t, url, ""), 2, "a repeat is recognised across a restart")
}
