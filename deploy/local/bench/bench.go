// Package bench measures the main job: assigning phone licences through the gateway, beside the floor, which is the same rows
// written by the bare database driver. Both run in one run, on one machine and one database, since machines differ.
package bench

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/issuer"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

// batchSize is how many people one call takes.
const batchSize = 100

// Config says how much to measure.
type Config struct {
	// Batched is how many people each round assigns in batches of 100; a multiple of 100.
	Batched int
	// Single is how many people each round assigns one by one.
	Single int
	// Clients is how many callers assign one by one at the same time.
	Clients int
	// Rounds is how often each case is measured; the median counts.
	Rounds int
	// Out gets progress and the table.
	Out io.Writer
}

// Result is one case.
type Result struct {
	// Name says what was measured, Kind is "gateway" or "floor".
	Name string `json:"name"`
	Kind string `json:"kind"`
	// People were assigned per round by Clients callers, Batch at a time.
	People  int `json:"people"`
	Batch   int `json:"batch"`
	Clients int `json:"clients"`
	// UsersPerSecond is the median round's.
	UsersPerSecond float64 `json:"usersPerSecond"`
	// P50 and P99 are call latencies in milliseconds, over all rounds.
	P50 float64 `json:"p50Millis"`
	P99 float64 `json:"p99Millis"`
	// Ratio is this case's rate as a share of that of the floor of the same shape; 1 for floors.
	Ratio float64 `json:"ratio"`
}

// Report is all of it.
type Report struct {
	Database string    `json:"database"`
	CPUs     int       `json:"cpus"`
	Go       string    `json:"go"`
	Time     time.Time `json:"time"`
	Rounds   int       `json:"rounds"`
	Results  []Result  `json:"results"`
	// MailsPerSecond is how fast the welcome mails of the batches were out, from the first call to the last mail.
	MailsPerSecond float64 `json:"mailsPerSecond"`
}

// shape is a way of assigning.
type shape struct {
	name           string
	people         int
	batch, clients int
}

func (c Config) shapes() []shape {
	return []shape{
		{"batches of 100, one caller", c.Batched, batchSize, 1},
		{"batches of 100, four callers", c.Batched, batchSize, 4},
		{fmt.Sprintf("one by one, %d callers", c.Clients), c.Single, 1, c.Clients},
	}
}

// Run measures everything on a stack that runs.
func Run(ctx context.Context, s *stack.Stack, cfg Config) (*Report, error) {
	report := &Report{Database: s.Info().Database, CPUs: runtime.NumCPU(), Go: runtime.Version(), Time: time.Now().UTC(), Rounds: cfg.Rounds}
	shapes := cfg.shapes()
	samples := collection{}
	// Once without counting: connections, caches and the database's own warm-up are not what is measured.
	say(cfg.Out, "warming up …")
	if _, err := round(ctx, s, shape{"warm-up", batchSize, 10, 4}, samples); err != nil {
		return nil, err
	}
	clear(samples)
	var mails []float64
	for n := range cfg.Rounds {
		for _, sh := range shapes {
			say(cfg.Out, "round %d of %d: %s", n+1, cfg.Rounds, sh.name)
			rate, err := round(ctx, s, sh, samples)
			if err != nil {
				return nil, err
			}
			if sh.clients == 1 {
				mails = append(mails, rate)
			}
		}
	}
	report.MailsPerSecond = median(mails)
	for _, sh := range shapes {
		gateway, floor := samples["gateway "+sh.name].result(sh, "gateway"), samples["floor "+sh.name].result(sh, "floor")
		gateway.Ratio, floor.Ratio = gateway.UsersPerSecond/floor.UsersPerSecond, 1
		report.Results = append(report.Results, gateway, floor)
	}
	return report, nil
}

// round measures one shape, first through the gateway and then the floor with the rows that this has left. It answers how many mails
// per second went out.
func round(ctx context.Context, s *stack.Stack, sh shape, into collection) (float64, error) {
	b, err := prepare(ctx, s, sh)
	if err != nil {
		return 0, err
	}
	defer b.client.Close()
	begun := time.Now()
	err = into.measure("gateway "+sh.name, sh, func(from, to int) error {
		_, err := b.admin.Assign(ctx, b.account, gatewayclient.AssignRequest{Assignees: b.people[from:to]})
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", sh.name, err)
	}
	// The mails are out before anything else is measured, or they would take their time from it.
	if err := b.awaitMails(ctx, len(b.people), 20*time.Millisecond); err != nil {
		return 0, err
	}
	mails := float64(sh.people) / time.Since(begun).Seconds()
	f, err := newFloor(ctx, s, b.accountID, sh.people, sh.clients)
	if err != nil {
		return 0, fmt.Errorf("floor, %s: %w", sh.name, err)
	}
	defer f.close()
	if err := into.measure("floor "+sh.name, sh, func(from, to int) error { return f.assign(ctx, from, to) }); err != nil {
		return 0, fmt.Errorf("floor, %s: %w", sh.name, err)
	}
	return mails, f.cleanUp(ctx)
}

// batch is an account whose people are to be assigned.
type batch struct {
	client, admin *gatewayclient.Client
	account       string
	accountID     uuid.UUID
	people        []string
}

// prepare makes an account with people in its directory and room for them.
func prepare(ctx context.Context, s *stack.Stack, sh shape) (*batch, error) {
	b := &batch{client: gatewayclient.New(s.Info().Gateway, sh.clients)}
	operator, err := s.Issuer().Token(issuer.Claims{Operator: true})
	if err != nil {
		return nil, err
	}
	var account gatewayclient.Account
	if err := b.client.As(operator).Post(ctx, "/v1/accounts", gatewayclient.Account{DisplayName: "Benchmark", LicenseSeats: sh.people}, &account); err != nil {
		return nil, fmt.Errorf("making the account: %w", err)
	}
	b.account = account.Name
	if b.accountID, err = uuid.Parse(account.Name[len("accounts/"):]); err != nil {
		return nil, fmt.Errorf("account %s: %w", account.Name, err)
	}
	token, err := s.Issuer().Token(issuer.Claims{Subject: "bench", Account: account.Name, Role: "OWNER"})
	if err != nil {
		return nil, err
	}
	b.admin = b.client.As(token)
	sites, err := gatewayclient.List[gatewayclient.Site](ctx, b.admin, "/v1/"+account.Name+"/sites", "sites", nil)
	if err != nil {
		return nil, err
	}
	if err := b.admin.Post(ctx, "/v1/"+sites[0].Name+"/extensionRanges", gatewayclient.ExtensionRange{From: "100000", To: "999999"}, nil); err != nil {
		return nil, fmt.Errorf("making the range: %w", err)
	}
	return b, b.hire(ctx, sh.people)
}

// hire fills the directory.
func (b *batch) hire(ctx context.Context, n int) error {
	for len(b.people) < n {
		users := make([]gatewayclient.User, min(1000, n-len(b.people)))
		for i := range users {
			at := len(b.people) + i
			users[i] = gatewayclient.User{
				Email:     b.email(at),
				GivenName: fmt.Sprintf("Given%d", at), FamilyName: fmt.Sprintf("Family%d", at),
			}
		}
		made, err := b.admin.CreateUsers(ctx, b.account, users)
		if err != nil {
			return fmt.Errorf("filling the directory: %w", err)
		}
		for _, u := range made {
			b.people = append(b.people, u.Name)
		}
	}
	return nil
}

// email is the address of the n-th of the people.
func (b *batch) email(n int) string { return fmt.Sprintf("person%d@%s.example.com", n, b.accountID) }

// awaitMails waits until so many are told, and looks every so often.
func (b *batch) awaitMails(ctx context.Context, people int, every time.Duration) error {
	for {
		var page struct {
			TotalSize int `json:"totalSize"`
		}
		if err := b.admin.Get(ctx, "/v1/"+b.account+"/notifications?pageSize=1&filter=state%20%3D%20SENT", &page); err != nil {
			return fmt.Errorf("waiting for the mails: %w", err)
		}
		if page.TotalSize >= people {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the mails: %d of %d are out: %w", page.TotalSize, people, ctx.Err())
		case <-time.After(every):
		}
	}
}
