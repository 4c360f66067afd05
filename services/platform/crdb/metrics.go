package crdb

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

// metrics of one DB. All methods work on nil, which keeps none.
type metrics struct {
	reg     prometheus.Registerer
	seconds *prometheus.HistogramVec
	retries *prometheus.CounterVec
	pool    prometheus.Collector
}

func newMetrics(reg prometheus.Registerer, pool *pgxpool.Pool, database string) *metrics {
	if r, ok := reg.(*prometheus.Registry); reg == nil || ok && r == nil {
		return nil // a nil *Registry in the interface is none, too
	}
	return &metrics{
		reg: reg,
		seconds: register(reg, prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "switchboard_db_seconds", Help: "Duration of database operations, repetitions included, by operation and outcome.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}, []string{"op", "outcome"})),
		retries: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "switchboard_db_retries_total", Help: "Database operations that were run again after a conflict or a lost connection.",
		}, []string{"op"})),
		pool: register[prometheus.Collector](reg, newPoolCollector(pool, database)),
	}
}

// register registers c, or returns the one registered before: several databases of one process share their histograms.
func register[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	var there prometheus.AlreadyRegisteredError
	if err := reg.Register(c); errors.As(err, &there) {
		if old, ok := there.ExistingCollector.(C); ok {
			return old
		}
	}
	return c
}

func (m *metrics) retried(op string) {
	if m != nil {
		m.retries.WithLabelValues(op).Inc()
	}
}

func (m *metrics) close() {
	if m != nil {
		m.reg.Unregister(m.pool)
	}
}

// observe starts the span and the clock of an operation; the function it returns ends both.
func (d *DB) observe(ctx context.Context, op string) (context.Context, func(error)) {
	start := time.Now()
	ctx, span := d.tracer.Start(ctx, op, trace.WithSpanKind(trace.SpanKindClient))
	telemetry.MarkSpan(ctx)
	if d.metrics != nil {
		d.metrics.retries.WithLabelValues(op) // there from the start, so that the first repetition is a rise
	}
	return ctx, func(err error) {
		outcome := "ok"
		if err != nil {
			outcome = Classify(err).String()
			// The class only: texts of the driver may quote values.
			span.SetStatus(codes.Error, outcome)
		}
		span.End()
		if d.metrics != nil {
			telemetry.Observe(ctx, d.metrics.seconds.WithLabelValues(op, outcome), time.Since(start).Seconds())
		}
	}
}

// poolCollector reads the pool's own counters when it is asked.
type poolCollector struct {
	pool  *pgxpool.Pool
	conns *prometheus.Desc
	waits *prometheus.Desc
	wait  *prometheus.Desc
}

func newPoolCollector(pool *pgxpool.Pool, database string) *poolCollector {
	labels := prometheus.Labels{"database": database}
	return &poolCollector{
		pool:  pool,
		conns: prometheus.NewDesc("switchboard_db_pool_connections", "Connections by state (used, idle, max).", []string{"state"}, labels),
		waits: prometheus.NewDesc("switchboard_db_pool_waits_total", "Operations that had to wait for a connection.", nil, labels),
		wait:  prometheus.NewDesc("switchboard_db_pool_wait_seconds_total", "Time that operations waited for connections.", nil, labels),
	}
}

// Describe implements prometheus.Collector.
func (c *poolCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.conns
	ch <- c.waits
	ch <- c.wait
}

// Collect implements prometheus.Collector.
func (c *poolCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.pool.Stat()
	gauge := func(state string, n int32) {
		ch <- prometheus.MustNewConstMetric(c.conns, prometheus.GaugeValue, float64(n), state)
	}
	gauge("used", s.AcquiredConns())
	gauge("idle", s.IdleConns())
	gauge("max", s.MaxConns())
	ch <- prometheus.MustNewConstMetric(c.waits, prometheus.CounterValue, float64(s.EmptyAcquireCount()))
	ch <- prometheus.MustNewConstMetric(c.wait, prometheus.CounterValue, s.EmptyAcquireWaitTime().Seconds())
}
