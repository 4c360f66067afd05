// Package fill watches how many numbers the ranges have left, for metrics: whoever operates the service shall know before a site
// has no number for the next person.
package fill

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/switchboard-phone/switchboard/services/extension/internal/names"
	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
)

const (
	pageSize = 200
	// maxNamed bounds the ranges that have a metric of their own: the fullest ones of those that are nearly full.
	maxNamed = 100
	// nearlyFull is the share of numbers in use from which on a range is named.
	nearlyFull = 0.9
)

// Ranges is what is asked of the store.
type Ranges interface {
	// AllRanges returns up to limit ranges of all accounts in the order of account and number, from the one after account and number.
	AllRanges(ctx context.Context, account uuid.UUID, after number.Number, limit int) ([]store.Range, error)
}

// Counter counts the numbers of ranges that are not free.
type Counter interface {
	CountUsed(ctx context.Context, queries []store.UseQuery) ([]int64, error)
}

// Watcher counts now and then.
type Watcher struct {
	ranges  Ranges
	counter Counter
	every   time.Duration
	log     *slog.Logger

	count *prometheus.GaugeVec
	free  *prometheus.GaugeVec
	size  *prometheus.GaugeVec
}

// New returns a watcher that counts every so often once it is run. reg may be nil.
func New(ranges Ranges, counter Counter, every time.Duration, log *slog.Logger, reg prometheus.Registerer) *Watcher {
	f := promauto.With(reg)
	return &Watcher{
		ranges: ranges, counter: counter, every: every, log: log,
		count: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "switchboard_extension_ranges",
			Help: "Extension ranges by size class (small: below 1,000 numbers, medium: below 100,000, large) and fill (low, half, nearly_full: 90 % or more, full).",
		}, []string{"class", "fill"}),
		free: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "switchboard_extension_range_free_numbers", Help: "Numbers left in the ranges that are nearly full, the 100 fullest.",
		}, []string{"range"}),
		size: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "switchboard_extension_range_size_numbers", Help: "Numbers of the ranges that are nearly full, the 100 fullest.",
		}, []string{"range"}),
	}
}

// Run counts until ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	for {
		if err := w.Count(ctx); err != nil && ctx.Err() == nil {
			w.log.WarnContext(ctx, "the numbers left in ranges could not be counted", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

type used struct {
	store.Range
	used int64
}

func (u used) share() float64 { return float64(u.used) / float64(u.Size()) }

// Count counts once and sets the metrics.
func (w *Watcher) Count(ctx context.Context) error {
	classes := map[[2]string]int{}
	var full []used
	var last store.Range
	for {
		page, err := w.ranges.AllRanges(ctx, last.Account, last.From, pageSize)
		if err != nil {
			return err
		}
		found, err := w.counted(ctx, page)
		if err != nil {
			return err
		}
		for _, u := range found {
			classes[[2]string{class(u.Size()), fillOf(u)}]++
			if u.share() >= nearlyFull {
				full = append(full, u)
			}
		}
		if len(page) < pageSize {
			break
		}
		last = page[len(page)-1]
	}
	slices.SortFunc(full, func(x, y used) int { return cmp.Compare(y.share(), x.share()) })
	w.set(classes, full[:min(len(full), maxNamed)])
	return nil
}

func (w *Watcher) counted(ctx context.Context, page []store.Range) ([]used, error) {
	queries := make([]store.UseQuery, len(page))
	for i, r := range page {
		queries[i] = store.UseQuery{Account: r.Account, Span: r.Span}
	}
	counts, err := w.counter.CountUsed(ctx, queries)
	if err != nil {
		return nil, err
	}
	out := make([]used, len(page))
	for i, r := range page {
		out[i] = used{Range: r, used: counts[i]}
	}
	return out, nil
}

func (w *Watcher) set(classes map[[2]string]int, full []used) {
	for _, class := range []string{"small", "medium", "large"} {
		for _, fill := range []string{"low", "half", "nearly_full", "full"} {
			w.count.WithLabelValues(class, fill).Set(float64(classes[[2]string{class, fill}]))
		}
	}
	w.free.Reset()
	w.size.Reset()
	for _, u := range full {
		name := names.Range(u.Account, u.Site, u.ID)
		w.free.WithLabelValues(name).Set(float64(u.Size() - u.used))
		w.size.WithLabelValues(name).Set(float64(u.Size()))
	}
}

func class(size int64) string {
	switch {
	case size < 1000:
		return "small"
	case size < 100_000:
		return "medium"
	}
	return "large"
}

func fillOf(u used) string {
	switch share := u.share(); {
	case u.used >= u.Size():
		return "full"
	case share >= nearlyFull:
		return "nearly_full"
	case share >= 0.5:
		return "half"
	}
	return "low"
}
