package sender_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/notification/internal/smtp"
	"github.com/switchboard-phone/switchboard/services/notification/internal/smtptest"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

// benchMails is how many mails one iteration sends.
const benchMails = 250

// BenchmarkSender says how many mails per second leave, enqueued 250 at a time, and compares with the floor: the same mails
// handed to the same mail server over as many connections, with no queue behind them.
func BenchmarkSender(b *testing.B) {
	b.Run("floor", benchmarkFloor)
	for _, e := range testkit.Engines(b) {
		b.Run(string(e.Kind()), func(b *testing.B) {
			x := setup(b, e)
			s := x.start(b, nil)
			for total := benchMails; b.Loop(); total += benchMails {
				x.enqueue(b, benchMails)
				s.Wake()
				testkit.Eventually(b, patience, func() error {
					if x.server.Count() < total {
						return errors.New("not all have arrived")
					}
					backlog, err := x.store.Backlog(b.Context(), 1)
					if err == nil && backlog.Queued > 0 {
						err = errors.New("not all are sent")
					}
					return err
				})
			}
			report(b)
		})
	}
}

func benchmarkFloor(b *testing.B) {
	server := smtptest.Start(b, smtptest.Options{})
	cfg := smtp.DefaultConfig()
	cfg.Address, cfg.TLS, cfg.From = server.Addr, smtp.TLSNone, "phone@example.com"
	client, err := smtp.NewClient(cfg)
	require.NoError(b, err)
	var conns []*smtp.Conn
	for range 8 {
		conn := client.Conn()
		b.Cleanup(conn.Close)
		conns = append(conns, conn)
	}
	for b.Loop() {
		var next atomic.Int64
		var wg sync.WaitGroup
		for _, conn := range conns {
			wg.Go(func() {
				for next.Add(1) <= benchMails {
					if err := conn.Deliver(b.Context(), smtp.Mail{
						ID: uuid.NewString(), Date: time.Unix(0, 0), Recipient: "person@example.org", Subject: "Your extension",
						Text: "text\n", HTML: "<p>html</p>\n",
					}); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	report(b)
}

func report(b *testing.B) {
	b.Helper()
	b.ReportMetric(float64(b.N)*benchMails/b.Elapsed().Seconds(), "mails/s")
}
