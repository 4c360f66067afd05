package allocbench

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// shape is a way of asking: that many clients, each asking for that many numbers at a time and waiting for the answer.
type shape struct {
	Clients int `json:"clients"`
	Batch   int `json:"batch"`
}

func (s shape) String() string {
	if s.Batch == 1 {
		return fmt.Sprintf("%d clients, single", s.Clients)
	}
	return fmt.Sprintf("%d clients, batches of %d", s.Clients, s.Batch)
}

// load is what a closed loop of clients got done.
type load struct {
	// PerSecond counts numbers, not calls.
	PerSecond float64 `json:"perSecond"`
	// P50 and P99 are latencies of calls in milliseconds.
	P50 float64 `json:"p50Millis"`
	P99 float64 `json:"p99Millis"`
	// First is the latency of the very first call, which finds out about the account, in milliseconds.
	First float64 `json:"firstMillis"`
	// Numbers is how many were counted.
	Numbers int `json:"numbers"`
	// Failed is how many calls failed: simple strategies do under contention.
	Failed int64 `json:"failed,omitempty"`
	// CPU and DatabaseCPU are the processor time per number, in microseconds: of clients, service and etcd, and of the database.
	CPU         float64 `json:"cpuMicros"`
	DatabaseCPU float64 `json:"databaseCpuMicros"`
}

// call makes one call for client number client.
type call func(ctx context.Context, client int) error

// drive makes one call, and then has the clients of a shape call again and again, first for warm without counting and then for d. It
// returns the first error of any call beside the rest.
func drive(ctx context.Context, s shape, warm, d time.Duration, one call) (load, error) {
	var failed atomic.Int64
	var first error
	var once sync.Once
	called := time.Now()
	first = one(ctx, 0)
	alone := time.Since(called)
	begin := time.Now().Add(warm)
	end := begin.Add(d)
	took := make([][]time.Duration, s.Clients)
	var all sync.WaitGroup
	var before, after cpu
	all.Go(func() {
		<-time.After(warm)
		before = cpuTime()
		<-time.After(d)
		after = cpuTime()
	})
	for c := range s.Clients {
		all.Go(func() {
			for ctx.Err() == nil {
				start := time.Now()
				if start.After(end) {
					return
				}
				if err := one(ctx, c); err != nil {
					failed.Add(1)
					once.Do(func() { first = cmp.Or(first, fmt.Errorf("%s: %w", s, err)) })
					continue
				}
				// Calls are counted when they end within the time measured, wherever they began: in the long run as many overlap
				// its beginning as its end.
				if now := time.Now(); now.After(begin) && now.Before(end) {
					took[c] = append(took[c], now.Sub(start))
				}
			}
		})
	}
	all.Wait()
	calls := slices.Concat(took...)
	slices.Sort(calls)
	if len(calls) == 0 {
		// Not even one call came back within the time measured.
		return load{First: ms(alone), P50: ms(d), P99: ms(d), Failed: failed.Load()}, first
	}
	spent, numbers := after.since(before), len(calls)*s.Batch
	return load{
		First: ms(alone), Failed: failed.Load(), PerSecond: float64(numbers) / d.Seconds(), Numbers: numbers,
		P50: ms(calls[len(calls)/2]), P99: ms(calls[len(calls)*99/100]),
		CPU: micros(spent.self, numbers), DatabaseCPU: micros(spent.children, numbers),
	}, first
}

func micros(d time.Duration, numbers int) float64 {
	return float64(d) / float64(time.Microsecond) / float64(numbers)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
