package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/importfile"
	"github.com/switchboard-phone/switchboard/deploy/local/issuer"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

// ImportConfig says what to import.
type ImportConfig struct {
	// Rows is how many the large file has; the small one has a tenth.
	Rows int
	// Out gets progress and the table.
	Out io.Writer
}

// ImportReport is what imports did on one database.
type ImportReport struct {
	Database string       `json:"database"`
	CPUs     int          `json:"cpus"`
	Go       string       `json:"go"`
	Time     time.Time    `json:"time"`
	Cases    []ImportCase `json:"cases"`
	// Storage is what the databases keep after all cases.
	Storage *Storage `json:"storage"`
}

// ImportCase is one import. One row in a hundred is bad, in ten ways; that each of those is refused for its reason, and all others
// are done exactly once, has been checked.
type ImportCase struct {
	Name string `json:"name"`
	Rows int    `json:"rows"`
	// FileMiB is the size of the file, before base64.
	FileMiB float64 `json:"fileMiB"`
	// UploadSeconds is how long the call took that brings the file.
	UploadSeconds float64 `json:"uploadSeconds"`
	// Seconds is how long the rows took after that, and RowsPerSecond how many of them a second that is.
	Seconds       float64 `json:"seconds"`
	RowsPerSecond float64 `json:"rowsPerSecond"`
	// IdleMiB and PeakMiB are the largest resident memory of the license process before the import and in all, over its lives; 0
	// where the system does not tell.
	IdleMiB float64 `json:"idleMiB"`
	PeakMiB float64 `json:"peakMiB"`
	// Refused counts the bad rows by reason.
	Refused map[string]int `json:"refused"`
	// KilledAt is how many rows were done when license was killed, ResumedSeconds how long it took from there until more were; both
	// are 0 where nothing was killed.
	KilledAt       int     `json:"killedAt"`
	ResumedSeconds float64 `json:"resumedSeconds"`
	// LogSeconds is how long it took to export the account log, PeakLogMiB what license took at most meanwhile.
	LogSeconds float64 `json:"logSeconds"`
	PeakLogMiB float64 `json:"peakLogMiB"`
	// MailSeconds is how long after the last row the last welcome mail was out.
	MailSeconds float64 `json:"mailSeconds"`
}

// RunImport measures imports on a stack whose services are processes of their own.
func RunImport(ctx context.Context, s *stack.Stack, cfg ImportConfig) (*ImportReport, error) {
	report := &ImportReport{Database: s.Info().Database, CPUs: runtime.NumCPU(), Go: runtime.Version(), Time: time.Now().UTC()}
	for _, x := range []struct {
		name string
		rows int
		kill bool
	}{
		{"a tenth", cfg.Rows / 10, false},
		{"whole", cfg.Rows, false},
		{"whole, killed in the middle", cfg.Rows, true},
	} {
		i := &importRun{s: s, out: cfg.Out, kill: x.kill, result: ImportCase{Name: x.name, Rows: x.rows}}
		if err := i.run(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", x.name, err)
		}
		report.Cases = append(report.Cases, i.result)
	}
	var err error
	report.Storage, err = measureStorage(ctx, s)
	return report, err
}

// importRun is one case on its way.
type importRun struct {
	s    *stack.Stack
	out  io.Writer
	kill bool
	b    *batch
	file importfile.File
	// holders have licences before.
	holders int
	result  ImportCase
}

// progress is what an operation says of itself.
type progress struct {
	Name     string
	Done     bool
	Error    *struct{ Message string }
	Metadata struct{ RowCount, ProcessedCount, SucceededCount, FailedCount int }
}

func (i *importRun) run(ctx context.Context) (err error) {
	// A new process, so that its peak is that of this case.
	if err := restartLicense(ctx, i.s); err != nil {
		return err
	}
	say(i.out, "%s: hiring %d people", i.result.Name, i.result.Rows)
	if err := i.prepare(ctx); err != nil {
		return err
	}
	defer i.b.client.Close()
	i.result.IdleMiB = peakMemory(i.s)
	say(i.out, "%s: importing %.1f MiB", i.result.Name, i.result.FileMiB)
	begun := time.Now()
	var op progress
	if err := i.b.admin.Post(ctx, "/v1/"+i.b.account+"/phoneUsers:import", map[string]any{"csv": i.file.CSV}, &op); err != nil {
		return fmt.Errorf("uploading: %w", err)
	}
	i.result.UploadSeconds = time.Since(begun).Seconds()
	begun = time.Now()
	if op, err = i.follow(ctx, op.Name); err != nil {
		return err
	}
	i.result.Seconds = time.Since(begun).Seconds()
	i.result.RowsPerSecond = float64(i.result.Rows) / i.result.Seconds
	i.result.PeakMiB = max(i.result.PeakMiB, peakMemory(i.s))
	say(i.out, "%s: %.0f rows/s; checking", i.result.Name, i.result.RowsPerSecond)
	return i.check(ctx, op)
}

// prepare makes an account with a person for each row, and the file.
func (i *importRun) prepare(ctx context.Context) (err error) {
	// More than there are rows: some have the numbers that rows wish for.
	i.holders = importfile.Taken(i.result.Rows)
	if i.b, err = prepare(ctx, i.s, shape{people: i.result.Rows + i.holders, clients: 4}); err != nil {
		return err
	}
	w := importfile.World{Package: "Domestic", Inactive: "Old"}
	for _, name := range []string{w.Package, w.Inactive} {
		pkg := gatewayclient.Package{DisplayName: name, Kind: "domestic", Seats: i.result.Rows}
		if err := i.b.admin.Post(ctx, "/v1/"+i.b.account+"/packages", pkg, &pkg); err != nil {
			return fmt.Errorf("making a package: %w", err)
		}
		if name == w.Inactive {
			if err := i.b.admin.Post(ctx, "/v1/"+pkg.Name+":deactivate", map[string]any{}, nil); err != nil {
				return fmt.Errorf("deactivating a package: %w", err)
			}
		}
	}
	for holder := range slices.Chunk(i.b.people[i.result.Rows:], batchSize) {
		assigned, err := i.b.admin.Assign(ctx, i.b.account, gatewayclient.AssignRequest{Assignees: holder})
		if err != nil {
			return fmt.Errorf("assigning: %w", err)
		}
		for _, u := range assigned {
			w.Extensions = append(w.Extensions, u.ExtensionNumber)
		}
	}
	for n := range i.result.Rows {
		w.Emails = append(w.Emails, i.b.email(n))
	}
	i.file = importfile.New(w)
	i.result.FileMiB = float64(len(i.file.CSV)) / (1 << 20)
	return nil
}

// follow waits for the end of the import, and kills license once in the middle where that is to be.
func (i *importRun) follow(ctx context.Context, name string) (op progress, err error) {
	var killed time.Time
	for {
		switch err := i.b.admin.Get(ctx, "/v1/"+name, &op); {
		case err != nil && (killed.IsZero() || i.result.ResumedSeconds > 0):
			return op, fmt.Errorf("following: %w", err)
		case err != nil: // license is on its way back
		case i.kill && killed.IsZero() && op.Metadata.ProcessedCount >= i.result.Rows*4/10:
			i.result.KilledAt, i.result.PeakMiB = op.Metadata.ProcessedCount, peakMemory(i.s)
			say(i.out, "%s: killing license after %d rows", i.result.Name, i.result.KilledAt)
			killed = time.Now()
			if err := killLicense(ctx, i.s); err != nil {
				return op, err
			}
		case !killed.IsZero() && i.result.ResumedSeconds == 0 && op.Metadata.ProcessedCount > i.result.KilledAt:
			i.result.ResumedSeconds = time.Since(killed).Seconds()
		}
		if op.Done {
			break
		}
		select {
		case <-ctx.Done():
			return op, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
	switch {
	case op.Error != nil:
		return op, fmt.Errorf("the import ended with %s", op.Error.Message)
	case i.kill && i.result.ResumedSeconds == 0:
		return op, fmt.Errorf("the import was over before license could be killed in the middle; import more rows")
	}
	return op, nil
}

// check compares what became of the rows with what should, in the operation, in the books and in the account log.
func (i *importRun) check(ctx context.Context, op progress) error {
	good := i.file.Rows - len(i.file.Bad)
	if op.Metadata.SucceededCount != good || op.Metadata.FailedCount != len(i.file.Bad) {
		return fmt.Errorf("%d rows were done and %d refused, should be %d and %d", op.Metadata.SucceededCount, op.Metadata.FailedCount,
			good, len(i.file.Bad))
	}
	refused, err := i.refused(ctx, op.Name)
	if err != nil {
		return err
	}
	if i.result.Refused, err = i.file.Check(refused); err != nil {
		return err
	}
	if err := i.checkBooks(ctx, good); err != nil {
		return err
	}
	begun := time.Now()
	if err := i.checkLog(ctx, good+i.holders); err != nil {
		return err
	}
	i.result.LogSeconds, i.result.PeakLogMiB = time.Since(begun).Seconds(), peakMemory(i.s)
	begun = time.Now()
	if err := i.b.awaitMails(ctx, good+i.holders, time.Second); err != nil {
		return err
	}
	i.result.MailSeconds = i.result.LogSeconds + time.Since(begun).Seconds()
	return nil
}

// refused reads the reasons of the rows that were refused, by number.
func (i *importRun) refused(ctx context.Context, operation string) (map[int]string, error) {
	type row struct {
		Row   int
		Error struct{ Details []struct{ Reason string } }
	}
	rows, err := gatewayclient.List[row](ctx, i.b.admin, "/v1/"+operation+"/rows", "rows", url.Values{"outcome": {"FAILED"}})
	if err != nil {
		return nil, fmt.Errorf("reading the refused rows: %w", err)
	}
	out := map[int]string{}
	for _, r := range rows {
		for _, d := range r.Error.Details {
			out[r.Row] += d.Reason
		}
	}
	return out, nil
}

// checkBooks asks each service how many there are.
func (i *importRun) checkBooks(ctx context.Context, good int) error {
	var account gatewayclient.Account
	var users struct{ TotalSize int }
	var packages struct{ Packages []gatewayclient.Package }
	var sites struct{ Sites []gatewayclient.Site }
	var ranges struct {
		ExtensionRanges []gatewayclient.ExtensionRange
	}
	path := "/v1/" + i.b.account
	for _, x := range []struct {
		path string
		into any
	}{
		{path, &account},
		{path + "/phoneUsers?pageSize=1", &users},
		{path + "/packages", &packages},
		{path + "/sites", &sites},
	} {
		if err := i.b.admin.Get(ctx, x.path, x.into); err != nil {
			return fmt.Errorf("reading the books: %w", err)
		}
	}
	if err := i.b.admin.Get(ctx, "/v1/"+sites.Sites[0].Name+"/extensionRanges", &ranges); err != nil {
		return fmt.Errorf("reading the books: %w", err)
	}
	assigned := 0
	for _, p := range packages.Packages {
		assigned += p.Assigned
	}
	used := ranges.ExtensionRanges[0].Used
	if account.LicensesAssigned != good+i.holders || users.TotalSize != good+i.holders || assigned != good || used != int64(good+i.holders) {
		return fmt.Errorf("%d seats, %d phone users, %d extensions and %d package seats are taken, should be %d (package seats %d)",
			account.LicensesAssigned, users.TotalSize, used, assigned, good+i.holders, good)
	}
	return nil
}

// checkLog reads the whole account log: so many licences were assigned, each once, to somebody else each.
func (i *importRun) checkLog(ctx context.Context, want int) error {
	log, err := i.b.admin.Stream(ctx, "/v1/"+i.b.account+"/log:export")
	if err != nil {
		return fmt.Errorf("exporting the log: %w", err)
	}
	defer func() { _ = log.Close() }()
	assignees, err := assignedOnce(log)
	if err != nil {
		return err
	}
	if assignees != want {
		return fmt.Errorf("the log has %d people assigned a licence, should be %d", assignees, want)
	}
	return nil
}

// Table writes a report for people.
func (r *ImportReport) Table(out io.Writer) {
	say(out, "\n%s, %d CPUs, %s; five service processes, the database, etcd and the mail sink share the machine", r.Database, r.CPUs, r.Go)
	for _, c := range r.Cases {
		say(out, "\n%s: %d rows, %.1f MiB", c.Name, c.Rows, c.FileMiB)
		say(out, "  %.0f rows/s (%.1f s, upload %.1f s before that); the last mail was out %.0f s later", c.RowsPerSecond, c.Seconds,
			c.UploadSeconds, c.MailSeconds)
		say(out, "  license: %.0f MiB at most, %.0f MiB before, %.0f MiB after exporting the log (%.1f s)", c.PeakMiB, c.IdleMiB, c.PeakLogMiB, c.LogSeconds)
		say(out, "  refused, each row for its own reason: %s", reasons(c.Refused))
		if c.KilledAt > 0 {
			say(out, "  killed after %d rows, went on %.1f s later; no row was done twice", c.KilledAt, c.ResumedSeconds)
		}
	}
	r.Storage.Table(out)
}

func reasons(counts map[string]int) string {
	raw, err := json.Marshal(counts) // in order
	if err != nil {
		return err.Error()
	}
	return strings.Trim(string(raw), "{}")
}

// restartLicense starts license anew.
func restartLicense(ctx context.Context, s *stack.Stack) error {
	s.ExpectEnd(stack.License, 0)
	if err := s.Process(stack.License, 0).Stop(ctx); err != nil {
		return fmt.Errorf("stopping license: %w", err)
	}
	if err := s.Restart(ctx, stack.License, 0); err != nil {
		return err
	}
	return awaitLicense(ctx, s)
}

// awaitLicense waits until the gateway has found license again.
func awaitLicense(ctx context.Context, s *stack.Stack) error {
	token, err := s.Issuer().Token(issuer.Claims{Operator: true})
	if err != nil {
		return err
	}
	client := gatewayclient.New(s.Info().Gateway, 1).As(token)
	defer client.Close()
	for {
		err := client.Get(ctx, "/v1/accounts/"+uuid.NewString(), nil)
		if gatewayclient.Reason(err) == "NOT_FOUND" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for license: %w", errors.Join(err, ctx.Err()))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// killLicense ends license as a crash does, and starts it again.
func killLicense(ctx context.Context, s *stack.Stack) error {
	s.ExpectEnd(stack.License, 0)
	if err := s.Process(stack.License, 0).Kill(); err != nil {
		return fmt.Errorf("killing license: %w", err)
	}
	return s.Restart(ctx, stack.License, 0)
}

// peakMemory is the largest resident memory of the license process so far, in MiB; 0 where the system does not tell.
func peakMemory(s *stack.Stack) float64 { return memory(s.Process(stack.License, 0), "VmHWM:") }
