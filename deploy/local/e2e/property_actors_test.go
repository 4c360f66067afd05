package e2e

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"pgregory.net/rapid"
)

// drawActors draws what several callers do at once; in half of the cases there are none.
func drawActors(rt *rapid.T, m *model) [][]call {
	actors := make([][]call, pick(rt, "actors", 0, 0, 2, 3))
	for i := range actors {
		for range pick(rt, "actor calls", 1, 2) {
			actors[i] = append(actors[i], drawCall(rt, m))
		}
	}
	return actors
}

// together lets several callers act at once and checks that each answer is possible and the books agree in the end.
func (m *model) together(ctx context.Context, actors [][]call) error {
	if len(actors) == 0 {
		return nil
	}
	var (
		mu   sync.Mutex
		errs []error
		wg   sync.WaitGroup
	)
	for _, calls := range actors {
		var ready []func() error
		for _, c := range calls {
			act, err := m.act(ctx, &mu, c)
			if err != nil {
				return err
			}
			ready = append(ready, act)
		}
		wg.Go(func() {
			for i, act := range ready {
				if err := act(); err != nil {
					mu.Lock()
					errs = append(errs, fmt.Errorf("at the same time as others, %+v: %w", calls[i], err))
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	l, err := m.tn.ledger(ctx)
	if err != nil {
		return err
	}
	m.trash = l.account.Policy != nil && l.account.Policy.SoftDelete
	return errors.Join(l.disagreements()...)
}

// alone are the kinds of calls that are not made while others act: it could not be said then what they must lead to.
var alone = []string{"repeat", "reuse", "advance", "quarantine", "template", "import"}

// act prepares a call of one of several callers. One with a request id is made twice at the same time. mu guards the model's told.
func (m *model) act(ctx context.Context, mu *sync.Mutex, c call) (func() error, error) {
	if slices.Contains(alone, c.Kind) {
		return func() error { return nil }, nil
	}
	c = m.resolve(c)
	if l := m.resent(c); l != nil && l.state == pending { // which mail that is depends on who is faster
		return func() error { return nil }, nil
	}
	predicted, before := m.refuses(c), ""
	if c.Kind == "setup" && c.Ring <= 120 { // whether the extension is a change depends on others
		predicted = nil
	}
	if c.Kind == "confirm" {
		if l := m.invited(c.Who[0]); l != nil && l.state == pending {
			before = l.name
		}
	}
	r, err := m.prepare(ctx, c)
	if err != nil {
		return nil, err
	}
	times := 1
	if c.Keyed {
		times = 2
	}
	return func() error {
		answers, errs := make([]answer, times), make([]error, times)
		var wg sync.WaitGroup
		for i := range times {
			wg.Go(func() { answers[i], errs[i] = r.send(ctx) })
		}
		wg.Wait()
		mu.Lock()
		defer mu.Unlock()
		for i := range times {
			if err := possible(c, predicted, errs[i]); err != nil {
				return err
			}
			if errs[i] == nil && !c.Preview {
				m.tellOf(c, before, answers[i])
			}
		}
		if times == 2 && errs[0] == nil && errs[1] == nil && !reflect.DeepEqual(answers[0], answers[1]) {
			return fmt.Errorf("two answers under one request id:\n%+v\n%+v", answers[0], answers[1])
		}
		return nil
	}, nil
}

// tellOf notes who is told because of a call that worked.
func (m *model) tellOf(c call, confirmed string, a answer) {
	switch {
	case c.Kind == "resend":
		m.told[m.resent(c).mail()]++
	case c.Kind == "invite":
		m.told[a.User.PhoneUser+" INVITATION"] = 1
	case c.Kind == "confirm" && confirmed != "":
		m.told[confirmed+" CONFIRMED"] = 1
	case c.Kind == "assign":
		for _, u := range a.PhoneUsers {
			if u.Kind == "USER" {
				m.told[u.Name+" WELCOME"] = 1
			}
		}
	}
}
