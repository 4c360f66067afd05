package bench

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

// FootprintLoad is one kind of work that processes are measured under.
type FootprintLoad struct {
	// Name says what is done, Unit what is counted.
	Name string `json:"name"`
	Unit string `json:"unit"`
	// Count is how many units there were, Seconds how long all of them took, mails included where there are any.
	Count   int     `json:"count"`
	Seconds float64 `json:"seconds"`
}

// footprintLoad is a load and how it is made.
type footprintLoad struct {
	FootprintLoad

	run func(ctx context.Context) error
}

const (
	// footprintCallers make the loads, oneByOneCallers those of single people.
	footprintCallers = 4
	oneByOneCallers  = 8
	// listPage is how many phone users a page of a list shows.
	listPage = 50
)

// footprintLoads prepares an account and says what is done in it, in this order. Together they are a day of an account: people get
// licences, packages and numbers, and administrators look at them.
func footprintLoads(ctx context.Context, s *stack.Stack, people int) ([]footprintLoad, func(), error) {
	single := people / 2
	b, err := prepare(ctx, s, shape{people: people + single, clients: oneByOneCallers})
	if err != nil {
		return nil, nil, err
	}
	w := &footprintWork{batch: b, users: make([]string, people+single), numbers: make([]string, people)}
	if err := w.supply(ctx); err != nil {
		b.client.Close()
		return nil, nil, err
	}
	load := func(name, unit string, count int, run func(ctx context.Context) error) footprintLoad {
		return footprintLoad{FootprintLoad{Name: name, Unit: unit, Count: count}, run}
	}
	return []footprintLoad{
		load("assign, 100 a call", "person", people, func(ctx context.Context) error { return w.assign(ctx, 0, people, batchSize, footprintCallers) }),
		load("assign, one a call", "person", single, func(ctx context.Context) error { return w.assign(ctx, people, people+single, 1, oneByOneCallers) }),
		load("direct number", "person", people, w.assignNumbers),
		load("read one", "call", people, w.read),
		load("list a page", "call", people/2, w.list),
	}, b.client.Close, nil
}

// footprintWork is an account with what its people are to get.
type footprintWork struct {
	*batch

	pkg     string
	users   []string // phone users, by the order of people
	numbers []string
	told    int
}

// supply makes the package and the direct numbers.
func (w *footprintWork) supply(ctx context.Context) error {
	pkg := gatewayclient.Package{DisplayName: "Domestic", Kind: "domestic", Seats: len(w.users)}
	if err := w.admin.Post(ctx, "/v1/"+w.account+"/packages", pkg, &pkg); err != nil {
		return fmt.Errorf("making the package: %w", err)
	}
	w.pkg = pkg.Name
	const most = 1000 // in one call
	for from := 0; from < len(w.numbers); from += most {
		body := make([]gatewayclient.PhoneNumber, min(most, len(w.numbers)-from))
		for i := range body {
			body[i].Number = fmt.Sprintf("+120255%05d", from+i)
			w.numbers[from+i] = body[i].Number
		}
		if err := w.admin.Post(ctx, "/v1/"+w.account+"/phoneNumbers:batchCreate", map[string]any{"phoneNumbers": body}, nil); err != nil {
			return fmt.Errorf("adding direct numbers: %w", err)
		}
	}
	return nil
}

// each calls do for from, from+step … below to, by several callers at once.
func each(from, to, step, callers int, do func(i int) error) error {
	var g errgroup.Group
	g.SetLimit(callers)
	for i := from; i < to; i += step {
		g.Go(func() error { return do(i) })
	}
	return g.Wait()
}

// assign gives people licences with packages, and waits for their mails.
func (w *footprintWork) assign(ctx context.Context, from, to, step, callers int) error {
	err := each(from, to, step, callers, func(i int) error {
		got, err := w.admin.Assign(ctx, w.account, gatewayclient.AssignRequest{Assignees: w.people[i:min(i+step, to)], Package: w.pkg})
		for n := range got {
			w.users[i+n] = got[n].Name
		}
		return err
	})
	if err != nil {
		return err
	}
	w.told += to - from
	return w.awaitMails(ctx, w.told, 50*time.Millisecond)
}

func (w *footprintWork) assignNumbers(ctx context.Context) error {
	return each(0, len(w.numbers), 1, footprintCallers, func(i int) error {
		return w.admin.Post(ctx, "/v1/"+w.users[i]+":assignPhoneNumbers", map[string]any{"phoneNumbers": w.numbers[i : i+1]}, nil)
	})
}

func (w *footprintWork) read(ctx context.Context) error {
	return each(0, len(w.numbers), 1, footprintCallers, func(i int) error {
		var out gatewayclient.PhoneUser
		return w.admin.Get(ctx, "/v1/"+w.users[i], &out)
	})
}

// list reads pages as somebody does who types a part of an address.
func (w *footprintWork) list(ctx context.Context) error {
	return each(0, len(w.numbers)/2, 1, footprintCallers, func(i int) error {
		args := url.Values{"pageSize": {fmt.Sprint(listPage)}, "query": {fmt.Sprintf("person%d", i%10)}}
		return w.admin.Get(ctx, "/v1/"+w.account+"/phoneUsers?"+args.Encode(), nil)
	})
}
