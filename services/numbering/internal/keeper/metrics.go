package keeper

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/switchboard-phone/switchboard/services/numbering/internal/books"
)

// metrics of one keeper. They are kept in any case, and shown where there is a registry.
type metrics struct {
	commands *prometheus.CounterVec
	grouped  prometheus.Histogram
	seconds  prometheus.Histogram
	broken   prometheus.Counter
	audited  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		commands: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "switchboard_numbering_commands_total",
			Help: "Changes of assignments by kind and outcome (ok, refused, error).",
		}, []string{"kind", "outcome"}),
		grouped: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "switchboard_numbering_group_commands", Help: "Commands that shared one transaction.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 12),
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "switchboard_numbering_group_seconds", Help: "Duration of the transactions that carry out commands.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
		}),
		broken: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "switchboard_numbering_broken_total", Help: "Times that the books were found to contradict themselves; alert on any.",
		}),
		audited: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "switchboard_numbering_audited_accounts_total", Help: "Accounts whose books were looked through.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.commands, m.grouped, m.seconds, m.broken, m.audited)
	}
	return m
}

func (m *metrics) observeRun(requests, _ int, took time.Duration) {
	m.grouped.Observe(float64(requests))
	m.seconds.Observe(took.Seconds())
}

func (m *metrics) command(c books.Command, err error) {
	outcome := "ok"
	var refusal *books.RefusalError
	switch {
	case errors.As(err, &refusal):
		outcome = "refused"
	case err != nil:
		outcome = "error"
	}
	m.commands.WithLabelValues(kind(c), outcome).Inc()
}

func kind(c books.Command) string {
	switch c.(type) {
	case books.AssignPackage:
		return "assign_package"
	case books.AssignNumbers:
		return "assign_numbers"
	case books.UnassignNumbers:
		return "unassign_numbers"
	case books.Remove:
		return "remove"
	case books.Restore:
		return "restore"
	}
	return "other"
}
