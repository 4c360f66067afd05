package faults

import (
	"context"
	"sync"
)

// Every makes a rule of a Script apply at every hit of its point.
const Every = 0

// Any as the point of a rule means all points; hits are then counted over all of them together.
const Any = "*"

// Script is an Injector that follows rules, for tests. The zero value has no rules and lets everything through. It is safe for
// concurrent use, and rules may be added while it is in use.
type Script struct {
	mu     sync.Mutex
	rules  []rule
	before map[string]int
	after  map[string]int
	trace  []string
}

type rule struct {
	point string
	nth   int
	after bool
	do    func(ctx context.Context, err error) error
}

// FailBefore makes the nth hit of point (counted from 1, or Every) fail with err before the work is done.
func (s *Script) FailBefore(point string, nth int, err error) {
	s.DoBefore(point, nth, func(context.Context) error { return err })
}

// FailAfter makes the nth hit of point (counted from 1, or Every) fail with err after the work was done, when it succeeded.
func (s *Script) FailAfter(point string, nth int, err error) {
	s.DoAfter(point, nth, func(_ context.Context, got error) error {
		if got != nil {
			return got
		}
		return err
	})
}

// DoBefore runs do at the nth hit of point (counted from 1, or Every) before the work; an error from it takes the place of the
// work. do may block, or end the process.
func (s *Script) DoBefore(point string, nth int, do func(ctx context.Context) error) {
	s.add(rule{point: point, nth: nth, do: func(ctx context.Context, _ error) error { return do(ctx) }})
}

// DoAfter runs do at the nth hit of point (counted from 1, or Every) once the work is done. do gets the result and returns
// what the caller shall see. do may block, or end the process.
func (s *Script) DoAfter(point string, nth int, do func(ctx context.Context, err error) error) {
	s.add(rule{point: point, nth: nth, after: true, do: do})
}

// Clear removes all rules and keeps the counts.
func (s *Script) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = nil
}

// Hits says how often point was reached so far (before its work).
func (s *Script) Hits(point string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.before[point]
}

// Trace lists the points reached so far, in order, once per hit. A test that has to cut at every step first runs without
// rules and reads the steps from here.
func (s *Script) Trace() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.trace...)
}

// Before implements Injector.
func (s *Script) Before(ctx context.Context, point string) error {
	for _, r := range s.hit(point, false) {
		if err := r.do(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

// After implements Injector.
func (s *Script) After(ctx context.Context, point string, err error) error {
	for _, r := range s.hit(point, true) {
		err = r.do(ctx, err)
	}
	return err
}

func (s *Script) add(r rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = append(s.rules, r)
}

// hit counts and returns the rules that apply, which then run without the lock held.
func (s *Script) hit(point string, after bool) []rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.before == nil {
		s.before, s.after = map[string]int{}, map[string]int{}
	}
	counts := s.before
	if after {
		counts = s.after
	} else {
		s.trace = append(s.trace, point)
	}
	counts[point]++
	counts[Any]++
	var due []rule
	for _, r := range s.rules {
		if r.after == after && (r.point == point || r.point == Any) && (r.nth == Every || r.nth == counts[r.point]) {
			due = append(due, r)
		}
	}
	return due
}
