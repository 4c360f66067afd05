package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

// Footprint is what one process takes.
type Footprint struct {
	Service string `json:"service"`
	// ReadyMillis is the time from the start of the process until it says that it is ready.
	ReadyMillis float64 `json:"readyMillis"`
	// IdleMiB is its resident memory before it has done anything, LoadedMiB the most it took during the load.
	IdleMiB   float64 `json:"idleMiB"`
	LoadedMiB float64 `json:"loadedMiB"`
	// IdleCores is how much of a core it takes to do nothing.
	IdleCores float64 `json:"idleCores"`
	// CPUMillis is the processor time, in milliseconds, that it took for one unit of each load, by the load's name.
	CPUMillis map[string]float64 `json:"cpuMillis"`
	// DrainMillis is the time from SIGTERM, sent under load, to its end, without drain_wait, which the local stack leaves out.
	DrainMillis float64 `json:"drainMillis"`
}

// FootprintReport is that of all processes.
type FootprintReport struct {
	Database string    `json:"database"`
	CPUs     int       `json:"cpus"`
	Time     time.Time `json:"time"`
	// Busy says how many processes wanted a core before the measurement began (/proc/loadavg); other work makes all of it worse.
	Busy      string          `json:"busy"`
	Loads     []FootprintLoad `json:"loads"`
	Processes []Footprint     `json:"processes"`
}

// FootprintConfig says how much load there is.
type FootprintConfig struct {
	// People are assigned in batches of 100, half as many one by one, and as many again while each of the processes ends.
	People int
	// Settle is how long the processes idle before their memory is read.
	Settle time.Duration
	// Out gets progress.
	Out io.Writer
}

// Stopwatch is a stack.Launcher that takes the time until what it starts is ready.
type Stopwatch struct {
	stack.Launcher

	mu    sync.Mutex
	ready map[string]time.Duration
	polls sync.WaitGroup
}

// Launch implements stack.Launcher.
func (w *Stopwatch) Launch(ctx context.Context, spec stack.Spec) (stack.Process, error) {
	begun := time.Now()
	p, err := w.Launcher.Launch(ctx, spec)
	if err != nil {
		return nil, err
	}
	w.polls.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute) // ctx bounds the launch only
		defer cancel()
		if awaitReady(ctx, p) != nil {
			return
		}
		took := time.Since(begun)
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.ready == nil {
			w.ready = map[string]time.Duration{}
		}
		if _, again := w.ready[spec.Service]; !again {
			w.ready[spec.Service] = took
		}
	})
	return p, nil
}

func awaitReady(ctx context.Context, p stack.Process) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if ready(ctx, p.OpsAddr()) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.Done():
			return p.Err()
		case <-tick.C:
		}
	}
}

func ready(ctx context.Context, opsAddr string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+opsAddr+"/readyz", http.NoBody)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
}

// RunFootprint measures the processes of a stack that w has started and that has done nothing yet.
func RunFootprint(ctx context.Context, s *stack.Stack, w *Stopwatch, cfg FootprintConfig) (*FootprintReport, error) {
	w.polls.Wait()
	busy, _ := os.ReadFile("/proc/loadavg") // not everywhere
	report := &FootprintReport{
		Database: s.Info().Database, CPUs: runtime.NumCPU(), Time: time.Now().UTC(), Busy: strings.TrimSpace(string(busy)),
	}
	for _, service := range append(stack.ServiceNames(), stack.Gateway) {
		report.Processes = append(report.Processes, Footprint{
			Service: service, ReadyMillis: float64(w.ready[service].Microseconds()) / 1000, CPUMillis: map[string]float64{},
		})
	}
	if err := report.idle(ctx, s, cfg); err != nil {
		return nil, err
	}
	// Once without counting: connections and caches come first.
	say(cfg.Out, "warming up")
	if err := report.measure(ctx, s, batchSize, func(footprintLoad, []float64) {}); err != nil {
		return nil, err
	}
	err := report.measure(ctx, s, cfg.People, func(l footprintLoad, seconds []float64) {
		say(cfg.Out, "%s: %d in %.1f s", l.Name, l.Count, l.Seconds)
		report.Loads = append(report.Loads, l.FootprintLoad)
		for i := range report.Processes {
			report.Processes[i].CPUMillis[l.Name] = seconds[i] * 1000 / float64(l.Count)
		}
	})
	if err != nil {
		return nil, err
	}
	for i := range report.Processes {
		p := &report.Processes[i]
		p.LoadedMiB = memory(s.Process(p.Service, 0), "VmHWM:")
	}
	return report, drainAll(ctx, s, report.Processes, cfg)
}

// idle measures processes that have nothing to do.
func (r *FootprintReport) idle(ctx context.Context, s *stack.Stack, cfg FootprintConfig) error {
	say(cfg.Out, "idling for %s", cfg.Settle)
	before := processorTimes(s, r.Processes)
	select {
	case <-time.After(cfg.Settle):
	case <-ctx.Done():
		return ctx.Err()
	}
	for i, after := range processorTimes(s, r.Processes) {
		p := &r.Processes[i]
		p.IdleCores = (after - before[i]) / cfg.Settle.Seconds()
		p.IdleMiB = memory(s.Process(p.Service, 0), "VmRSS:")
	}
	return nil
}

// measure goes through the loads, and tells of each how many seconds of a processor each of the processes took.
func (r *FootprintReport) measure(ctx context.Context, s *stack.Stack, people int, tell func(l footprintLoad, seconds []float64)) error {
	loads, done, err := footprintLoads(ctx, s, people)
	if err != nil {
		return err
	}
	defer done()
	for _, l := range loads {
		begun, before := time.Now(), processorTimes(s, r.Processes)
		if err := l.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", l.Name, err)
		}
		l.Seconds = time.Since(begun).Seconds()
		seconds := processorTimes(s, r.Processes)
		for i := range seconds {
			seconds[i] -= before[i]
		}
		tell(l, seconds)
	}
	return nil
}

func processorTimes(s *stack.Stack, processes []Footprint) []float64 {
	out := make([]float64, len(processes))
	for i := range processes {
		out[i] = processorTime(s.Process(processes[i].Service, 0))
	}
	return out
}

// drainAll ends and starts one process after the other under load.
func drainAll(ctx context.Context, s *stack.Stack, processes []Footprint, cfg FootprintConfig) error {
	batches := make([]*batch, len(processes))
	defer func() {
		for _, b := range batches {
			if b != nil {
				b.client.Close()
			}
		}
	}()
	for i := range processes {
		b, err := prepare(ctx, s, shape{name: "drain", people: cfg.People, batch: 1, clients: drainClients})
		if err != nil {
			return err
		}
		batches[i] = b
	}
	for i := range processes {
		p := &processes[i]
		say(cfg.Out, "ending %s under load", p.Service)
		if err := drain(ctx, s, p, batches[i]); err != nil {
			return fmt.Errorf("%s: %w", p.Service, err)
		}
	}
	return nil
}

// drainClients assign while a process ends.
const drainClients = 8

// drain ends a process while people are assigned, and starts it again.
func drain(ctx context.Context, s *stack.Stack, p *Footprint, b *batch) error {
	loadCtx, endLoad := context.WithCancel(ctx)
	underWay, load := b.assignPatiently(loadCtx)
	defer load.Wait()
	defer endLoad()
	select {
	case <-underWay:
	case <-ctx.Done():
		return ctx.Err()
	}
	s.ExpectEnd(p.Service, 0)
	at := time.Now()
	stopCtx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := s.Process(p.Service, 0).Stop(stopCtx); err != nil {
		return err
	}
	p.DrainMillis = float64(time.Since(at).Microseconds()) / 1000
	return s.Restart(ctx, p.Service, 0)
}

// assignPatiently assigns everybody one by one, each until it is answered, since parts are away meanwhile. underWay is closed when the first is
// assigned. What callers are told of a part that is away is not this measurement's matter.
func (b *batch) assignPatiently(ctx context.Context) (underWay <-chan struct{}, load *sync.WaitGroup) {
	first, all := make(chan struct{}), &sync.WaitGroup{}
	var once sync.Once
	for client := range drainClients {
		all.Go(func() {
			for i := client; i < len(b.people) && ctx.Err() == nil; {
				_, err := b.admin.Assign(ctx, b.account, gatewayclient.AssignRequest{
					Assignees: b.people[i : i+1], RequestID: fmt.Sprintf("drain-%d", i),
				})
				if err == nil {
					once.Do(func() { close(first) })
					i += drainClients
				}
			}
		})
	}
	return first, all
}

// memory reads a line of what the system says of a process's memory, in MiB; 0 where it does not tell.
func memory(process stack.Process, line string) float64 {
	raw, err := procFile(process, "status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(raw, line)
	kib, _ := strconv.Atoi(strings.TrimSpace(strings.Split(rest, "kB")[0]))
	return float64(kib) / 1024
}

// processorTime is the processor time that a process has taken so far, in seconds; 0 where the system does not tell.
func processorTime(process stack.Process) float64 {
	const perSecond, user, system = 100, 11, 12 // proc_pid_stat(5), counted from behind the name
	raw, err := procFile(process, "stat")
	if err != nil {
		return 0
	}
	fields := strings.Fields(raw[strings.LastIndexByte(raw, ')')+1:])
	if len(fields) <= system {
		return 0
	}
	u, _ := strconv.Atoi(fields[user])
	k, _ := strconv.Atoi(fields[system])
	return float64(u+k) / perSecond
}

func procFile(process stack.Process, name string) (string, error) {
	p, ok := process.(interface{ PID() int })
	if !ok {
		return "", errors.New("it is no process of its own")
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.PID(), name))
	return string(raw), err
}

// Table prints the report for people.
func (r *FootprintReport) Table(out io.Writer) {
	say(out, "\n%s, %d CPUs, load before: %s\n", r.Database, r.CPUs, r.Busy)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "process\tready ms\tidle MiB\tidle cores\tmost under load MiB\tdrain ms\t")
	for _, p := range r.Processes {
		_, _ = fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%.3f\t%.0f\t%.0f\t\n", p.Service, p.ReadyMillis, p.IdleMiB, p.IdleCores, p.LoadedMiB, p.DrainMillis)
	}
	_ = t.Flush()
	say(out, "\nprocessor time in ms for each person or call, and in brackets how many a second one core carries")
	_, _ = fmt.Fprint(t, "process\t")
	for _, l := range r.Loads {
		_, _ = fmt.Fprintf(t, "%s\t", l.Name)
	}
	_, _ = fmt.Fprintln(t)
	for _, p := range r.Processes {
		_, _ = fmt.Fprintf(t, "%s\t", p.Service)
		for _, l := range r.Loads {
			_, _ = fmt.Fprint(t, perCore(p.CPUMillis[l.Name])+"\t")
		}
		_, _ = fmt.Fprintln(t)
	}
	_, _ = fmt.Fprint(t, "(measured, all on this machine)\t")
	for _, l := range r.Loads {
		_, _ = fmt.Fprintf(t, "%.0f/s\t", float64(l.Count)/l.Seconds)
	}
	_, _ = fmt.Fprintln(t)
	_ = t.Flush()
}

// perCore is a processor time, and how often it fits into a second.
func perCore(millis float64) string {
	if millis < 0.01 { // less than the system tells apart
		return "-"
	}
	return fmt.Sprintf("%.2f (%.0f/s)", millis, 1000/millis)
}
