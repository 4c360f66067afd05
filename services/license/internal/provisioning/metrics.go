package provisioning

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	sagas *prometheus.CounterVec
	count *prometheus.GaugeVec
	age   *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		sagas: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "switchboard_license_operations_total",
			Help: "Operations over several services by kind and outcome (finished, undone, left to the reconciler).",
		}, []string{"kind", "outcome"}),
		count: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "switchboard_license_backlog", Help: "Unfinished operations (sagas) and mails not handed over (outbox).",
		}, []string{"queue"}),
		age: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "switchboard_license_backlog_oldest_timestamp_seconds", Help: "When the oldest of the backlog began; 0 without any.",
		}, []string{"queue"}),
	}
	if reg != nil {
		reg.MustRegister(m.sagas, m.count, m.age)
	}
	return m
}

func (m *metrics) ended(kind, outcome string) { m.sagas.WithLabelValues(kind, outcome).Inc() }

func (m *metrics) backlog(queue string, count int, oldest time.Time) {
	m.count.WithLabelValues(queue).Set(float64(count))
	at := 0.0
	if !oldest.IsZero() {
		at = float64(oldest.Unix())
	}
	m.age.WithLabelValues(queue).Set(at)
}
