package allocator

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Where a number came from.
const (
	pathLeased   = "leased"
	pathDatabase = "database"
	pathWish     = "wish"
)

type metrics struct {
	// By where numbers came from.
	allocations map[string]prometheus.Counter
	took        map[string]prometheus.Observer

	conflicts prometheus.Counter
	exhausted prometheus.Counter
	refills   *prometheus.CounterVec
	etcdOps   *prometheus.CounterVec
	groupSize prometheus.Histogram
	groupTime prometheus.Histogram
}

// newMetrics registers the metrics with reg; nil registers them nowhere.
func newMetrics(reg prometheus.Registerer, held func() int) *metrics {
	f := promauto.With(reg)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "switchboard_extension_blocks_held", Help: "Blocks of extension ranges that this replica holds.",
	}, func() float64 { return float64(held()) })
	allocations := f.NewCounterVec(prometheus.CounterOpts{
		Name: "switchboard_extension_allocations_total",
		Help: "Extension numbers given out, by where they came from: leased (a block of this replica), database, wish.",
	}, []string{"path"})
	took := f.NewHistogramVec(prometheus.HistogramOpts{
		Name: "switchboard_extension_allocate_seconds", Help: "Time that a request took, by where its numbers came from.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
	}, []string{"path"})
	m := &metrics{
		allocations: map[string]prometheus.Counter{}, took: map[string]prometheus.Observer{},
		conflicts: f.NewCounter(prometheus.CounterOpts{
			Name: "switchboard_extension_conflicts_total",
			Help: "Numbers that this replica chose and found taken. Each cost a retry.",
		}),
		exhausted: f.NewCounter(prometheus.CounterOpts{
			Name: "switchboard_extension_exhausted_total", Help: "Requests refused because a site has too few free numbers.",
		}),
		refills: f.NewCounterVec(prometheus.CounterOpts{
			Name: "switchboard_extension_refills_total", Help: "Attempts to lease further blocks, by outcome: ok, none, error.",
		}, []string{"outcome"}),
		etcdOps: f.NewCounterVec(prometheus.CounterOpts{
			Name: "switchboard_extension_etcd_ops_total", Help: "Requests to etcd, by kind: take, give_up. Keep-alives are not counted.",
		}, []string{"kind"}),
		groupSize: f.NewHistogram(prometheus.HistogramOpts{
			Name: "switchboard_extension_group_numbers", Help: "Numbers asked for in one group of requests.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 11),
		}),
		groupTime: f.NewHistogram(prometheus.HistogramOpts{
			Name: "switchboard_extension_group_seconds", Help: "Time that one group of requests took.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}),
	}
	for _, path := range []string{pathLeased, pathDatabase, pathWish} {
		m.allocations[path], m.took[path] = allocations.WithLabelValues(path), took.WithLabelValues(path)
	}
	return m
}

func (m *metrics) etcd(kind string) { m.etcdOps.WithLabelValues(kind).Inc() }

func (m *metrics) group(_, weight int, took time.Duration) {
	m.groupSize.Observe(float64(weight))
	m.groupTime.Observe(took.Seconds())
}
