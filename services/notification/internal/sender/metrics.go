package sender

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/switchboard-phone/switchboard/services/notification/internal/message"
)

const (
	// backlogInterval is how often the gauges of the queue are read.
	backlogInterval = 30 * time.Second
	// backlogLimit bounds the count of the queue, and so the work of reading it.
	backlogLimit = 10_000
)

// metrics of the sender. They are kept even when nobody registered for them, which costs next to nothing.
type metrics struct {
	deliveries  *prometheus.CounterVec
	smtpSeconds prometheus.Histogram
	delay       prometheus.Histogram
	queued      prometheus.Gauge
	oldest      prometheus.Gauge
	unrecorded  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	const ns, sub = "switchboard", "notification"
	m := &metrics{
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Subsystem: sub, Name: "deliveries_total",
			Help: "Tries at delivery by kind of mail and outcome: sent, retry, failed (given up), unreachable (no mail server).",
		}, []string{"kind", "outcome"}),
		smtpSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: ns, Subsystem: sub, Name: "smtp_seconds", Help: "How long one try at delivery took.",
			Buckets: prometheus.ExponentialBuckets(0.001, 3, 10),
		}),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: ns, Subsystem: sub, Name: "delay_seconds",
			Help:    "Time from the enqueueing of a mail to its acceptance by the mail server.",
			Buckets: prometheus.ExponentialBuckets(0.01, 4, 12),
		}),
		queued: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: ns, Subsystem: sub, Name: "queued", Help: "Messages in the queue, counted up to 10,000.",
		}),
		oldest: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: ns, Subsystem: sub, Name: "oldest_due_seconds",
			Help: "For how long the message that is due longest has been due; alert on this one.",
		}),
		unrecorded: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: ns, Subsystem: sub, Name: "outcomes_lost_total",
			Help: "Outcomes that could not be written down before the process ended; a mail among them may go out twice.",
		}),
	}
	// Counters that are there from the start: the first failure is then a rise that an alert sees.
	for _, kind := range []message.Kind{message.Welcome, message.Invitation, message.Confirmed} {
		for _, outcome := range []string{"sent", "retry", "failed", "unreachable"} {
			m.deliveries.WithLabelValues(string(kind), outcome)
		}
	}
	m.deliveries, m.smtpSeconds, m.delay = register(reg, m.deliveries), register(reg, m.smtpSeconds), register(reg, m.delay)
	m.queued, m.oldest, m.unrecorded = register(reg, m.queued), register(reg, m.oldest), register(reg, m.unrecorded)
	return m
}

// register registers c, or returns the one that is there: replicas in one process share their metrics.
func register[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	if reg == nil {
		return c
	}
	var there prometheus.AlreadyRegisteredError
	if err := reg.Register(c); errors.As(err, &there) {
		if old, ok := there.ExistingCollector.(C); ok {
			return old
		}
	}
	return c
}
