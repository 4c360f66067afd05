package bench

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"
)

// samples are the measurements of one case.
type samples struct {
	mu        sync.Mutex
	rates     []float64
	latencies []time.Duration
}

// collection holds samples by the name of the case.
type collection map[string]*samples

// measure runs one round of a shape: call assigns the people from..to, by several callers at once.
func (c collection) measure(name string, sh shape, call func(from, to int) error) error {
	if c[name] == nil {
		c[name] = &samples{}
	}
	return c[name].measure(sh, call)
}

func (s *samples) measure(sh shape, call func(from, to int) error) error {
	work := make(chan int, sh.people)
	for from := 0; from < sh.people; from += sh.batch {
		work <- from
	}
	close(work)
	var g errgroup.Group
	begun := time.Now()
	for range sh.clients {
		g.Go(func() error {
			var mine []time.Duration
			defer func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.latencies = append(s.latencies, mine...)
			}()
			for from := range work {
				start := time.Now()
				if err := call(from, min(from+sh.batch, sh.people)); err != nil {
					return err
				}
				mine = append(mine, time.Since(start))
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	s.rates = append(s.rates, float64(sh.people)/time.Since(begun).Seconds())
	return nil
}

func (s *samples) result(sh shape, kind string) Result {
	return Result{
		Name: sh.name, Kind: kind, People: sh.people, Batch: sh.batch, Clients: sh.clients,
		UsersPerSecond: median(s.rates), P50: s.quantile(0.50), P99: s.quantile(0.99),
	}
}

// quantile is a call latency in milliseconds.
func (s *samples) quantile(q float64) float64 {
	if len(s.latencies) == 0 {
		return 0
	}
	slices.Sort(s.latencies)
	at := min(int(q*float64(len(s.latencies))), len(s.latencies)-1)
	return float64(s.latencies[at].Microseconds()) / 1000
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

// Table writes a report for people.
func (r *Report) Table(out io.Writer) error {
	say(out, "\n%s, %d CPUs, %s, median of %d rounds; the services, the database, etcd, the mail sink and the callers share the machine\n",
		r.Database, r.CPUs, r.Go, r.Rounds)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	say(w, "what\tusers/s\tp50 ms\tp99 ms\tof the floor\t")
	for _, x := range r.Results {
		name := "through the gateway, " + x.Name
		if x.Kind == "floor" {
			name = "floor: bare driver, " + x.Name
		}
		say(w, "%s\t%.0f\t%.1f\t%.1f\t%.2f\t", name, x.UsersPerSecond, x.P50, x.P99, x.Ratio)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	say(out, "\nwelcome mails out, from the first call to the last mail: %.0f/s\n"+
		"The floor writes the same rows in the three transactions that the flow needs (begin, extensions, finish), without reading,\n"+
		"checking, calling or telling anybody. One by one it takes the account's seat row once per person; the product groups\n"+
		"concurrent callers of an account into one transaction, which is why it can come out ahead there.\n", r.MailsPerSecond)
	return nil
}

// say writes a line for people. Where the output is gone there is nobody left to tell.
func say(out io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
