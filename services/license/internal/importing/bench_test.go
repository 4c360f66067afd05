package importing

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

// benchRows is how many people are given a licence, a package and an extension.
const benchRows = 20_000

func benchConfig(w *world, engine *provisioning.Config, cfg *Config) {
	*engine, *cfg = provisioning.DefaultConfig(), DefaultConfig()
	w.seats = 10 * benchRows
}

func (w *world) roomy() {
	w.books.ranges[w.lisbon] = [2]int{100_000, 999_999}
	w.books.packages[w.world].Seats = 10 * benchRows
}

// BenchmarkImport measures an import against the same licences given by as many bare operations of 100 people: what remains is
// the import's own cost. The other services are kept in memory.
func BenchmarkImport(b *testing.B) {
	for _, e := range testkit.Engines(b) {
		b.Run(string(e.Kind()), func(b *testing.B) {
			b.Run("floor", func(b *testing.B) { benchFloor(b, e) })
			b.Run("import", func(b *testing.B) { benchImport(b, e, Request{}) })
			b.Run("validate", func(b *testing.B) { benchImport(b, e, Request{ValidateOnly: true}) })
		})
	}
}

func benchFloor(b *testing.B, e testkit.Engine) {
	for b.Loop() {
		b.StopTimer()
		w := newWorld(b, e, 0, benchRows, benchConfig)
		w.roomy()
		people, err := w.reader.FindUsers(b.Context(), w.account, emails(benchRows))
		require.NoError(b, err)
		b.StartTimer()
		start := time.Now()
		var all errgroup.Group
		all.SetLimit(w.importer.cfg.Parallel)
		for first := 0; first < benchRows; first += 100 {
			a := provisioning.Assignment{Account: w.account, SiteID: w.lisbon, PackageID: w.world}
			for i := first; i < first+100; i++ {
				u := people[email(i)]
				a.Assignees = append(a.Assignees, provisioning.Assignee{
					Kind: model.KindUser, ID: u.ID, DisplayName: u.DisplayName, Email: u.Email, Settings: &licensev1.Settings{},
				})
			}
			all.Go(func() error {
				_, err := w.engine.Assign(context.Background(), a)
				return err
			})
		}
		require.NoError(b, all.Wait())
		b.ReportMetric(benchRows/time.Since(start).Seconds(), "rows/s")
	}
}

func emails(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = email(i)
	}
	return out
}

func benchImport(b *testing.B, e testkit.Engine, req Request) {
	for b.Loop() {
		b.StopTimer()
		w := newWorld(b, e, 0, benchRows, benchConfig)
		w.roomy()
		lines := make([]string, 0, benchRows+1)
		lines = append(lines, header)
		for i := range benchRows {
			lines = append(lines, lineOf(i))
		}
		b.StartTimer()
		start := time.Now()
		m := w.submit(b, req, lines...)
		uploaded := time.Since(start)
		peak := watchMemory()
		start = time.Now()
		_, err := w.importer.Step(b.Context())
		took := time.Since(start)
		require.NoError(b, err)
		b.ReportMetric(benchRows/took.Seconds(), "rows/s")
		b.ReportMetric(benchRows/uploaded.Seconds(), "uploaded-rows/s")
		b.ReportMetric(float64(peak())/(1<<20), "peak-MiB")
		m, err = w.reader.GetImport(b.Context(), m.ID)
		require.NoError(b, err)
		require.Equal(b, benchRows, m.Counts.Succeeded)
	}
}

// watchMemory starts to watch the heap; the returned function ends that and says how large it got.
func watchMemory() func() uint64 {
	var peak uint64
	stop := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			var s runtime.MemStats
			runtime.ReadMemStats(&s)
			peak = max(peak, s.HeapAlloc)
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	})
	return func() uint64 {
		close(stop)
		done.Wait()
		return peak
	}
}
