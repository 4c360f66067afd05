package demo

import (
	"context"
	"fmt"
	"io"
	"time"
)

// step is a part of the demonstration.
type step struct {
	name string
	run  func(context.Context) error
}

// timing is how long a step took.
type timing struct {
	name string
	took time.Duration
}

// progress writes what is going on, and remembers how long it took.
type progress struct {
	out         io.Writer
	interactive bool
	timings     []timing
}

func newProgress(out io.Writer, interactive bool) *progress {
	return &progress{out: out, interactive: interactive}
}

// do runs a step and writes a line about it.
func (p *progress) do(ctx context.Context, s step) error {
	p.note(s.name + " …")
	start := time.Now()
	err := s.run(ctx)
	took := time.Since(start)
	p.clear()
	if err != nil {
		p.printf("  FAILED  %s\n", s.name)
		return fmt.Errorf("%s: %w", s.name, err)
	}
	p.timings = append(p.timings, timing{s.name, took})
	p.printf("  ok %7s  %s\n", seconds(took), s.name)
	return nil
}

// note writes a line that the next one takes the place of; only people at a terminal see it.
func (p *progress) note(text string) {
	if p.interactive {
		p.printf("\r\033[K             %s", text)
	}
}

func (p *progress) clear() {
	if p.interactive {
		p.printf("\r\033[K")
	}
}

// printf writes for people. Where the output is gone there is nobody left to tell.
func (p *progress) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(p.out, format, args...)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
