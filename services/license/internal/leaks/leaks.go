// Package leaks finds extensions whose phone user does not exist, and has them freed.
//
// Every operation takes back what it gave, so there should be none. What can leave one behind is a call that arrives after its
// operation was undone. The extension service keeps count of how often an owner was missing, and frees at the third round running;
// this package, which knows who exists, runs the rounds.
package leaks

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"google.golang.org/protobuf/types/known/durationpb"

	extensionv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/extension/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
)

// Config says when rounds are run.
type Config struct {
	// Interval is how often. All replicas together run one round in it.
	Interval time.Duration `koanf:"interval"`
	// MaxShare is which share of all owners may be missing for a round to free anything, and MaxCount how many may be in any case.
	// More of them mean that the fault is elsewhere: a database that was restored from an old backup, or another installation's.
	MaxShare float64 `koanf:"max_share"`
	MaxCount int     `koanf:"max_count"`
}

// DefaultConfig returns the settings used where Config says nothing.
func DefaultConfig() Config { return Config{Interval: 10 * time.Minute, MaxShare: 0.01, MaxCount: 100} }

// Store knows which phone users there are.
type Store interface {
	// MissingPhoneUsers returns those of the ids that are no phone users of the account, in whatever state.
	MissingPhoneUsers(ctx context.Context, account uuid.UUID, ids []uuid.UUID) (map[uuid.UUID]bool, error)
}

// Finder runs rounds. It is safe for concurrent use.
type Finder struct {
	cfg        Config
	store      Store
	extensions extensionv1.ReconciliationServiceClient
	clock      clock.Clock
	log        *slog.Logger

	rounds   *prometheus.CounterVec
	released prometheus.Counter
	missing  prometheus.Gauge
	last     prometheus.Gauge
}

// New returns a finder that does nothing before Run. reg may be nil.
func New(cfg Config, st Store, extensions extensionv1.ReconciliationServiceClient, clk clock.Clock, log *slog.Logger, reg prometheus.Registerer) *Finder {
	f := promauto.With(reg)
	return &Finder{
		cfg: cfg, store: st, extensions: extensions, clock: clk, log: log,
		rounds: f.NewCounterVec(prometheus.CounterOpts{
			Name: "switchboard_license_leak_rounds_total", Help: "Rounds of looking for leaked extensions, by outcome: ok, stopped, failed.",
		}, []string{"outcome"}),
		released: f.NewCounter(prometheus.CounterOpts{
			Name: "switchboard_license_leaks_released_total", Help: "Extensions freed since their phone user did not exist.",
		}),
		missing: f.NewGauge(prometheus.GaugeOpts{
			Name: "switchboard_license_leaks_missing", Help: "Extensions without a phone user in the last round.",
		}),
		last: f.NewGauge(prometheus.GaugeOpts{
			Name: "switchboard_license_leaks_last_round_timestamp_seconds", Help: "When this replica last ended a round.",
		}),
	}
}

// Run runs rounds until ctx ends. All replicas may: the extension service lets one of them begin a round in each interval.
func (f *Finder) Run(ctx context.Context) {
	tick := time.NewTicker(max(f.cfg.Interval/4, time.Second))
	defer tick.Stop()
	for {
		if _, err := f.round(ctx, f.cfg.Interval); err != nil && ctx.Err() == nil {
			f.log.WarnContext(ctx, "looking for leaked extensions failed, will be tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// maxLeaks bounds the leaks that a report names.
const maxLeaks = 1000

// Report is what a round found.
type Report struct {
	Examined, Missing, Released int
	// Leaks are the first of the missing.
	Leaks []*extensionv1.ExtensionOwner
	// Stopped says that nothing was freed since too many are missing.
	Stopped bool
}

// Now runs a round at once; with dryRun it changes nothing.
func (f *Finder) Now(ctx context.Context, dryRun bool) (Report, error) {
	if dryRun {
		return f.examine(ctx, 0, true)
	}
	return f.round(ctx, 0)
}

// round runs the round that is due after interval, if one is.
func (f *Finder) round(ctx context.Context, interval time.Duration) (rep Report, err error) {
	begun, err := f.extensions.BeginReconciliation(ctx, &extensionv1.BeginReconciliationRequest{MinInterval: durationpb.New(interval)})
	if err != nil || begun.GetRound() == 0 {
		return rep, err
	}
	outcome := "failed"
	defer func() { f.rounds.WithLabelValues(outcome).Inc() }()
	if rep, err = f.examine(ctx, begun.GetRound(), false); err != nil {
		return rep, err
	}
	f.missing.Set(float64(rep.Missing))
	f.last.Set(float64(f.clock.Now().Unix()))
	if rep.Missing > max(f.cfg.MaxCount, int(f.cfg.MaxShare*float64(rep.Examined))) {
		outcome, rep.Stopped = "stopped", true
		f.log.ErrorContext(ctx, "too many extensions have no phone user: none is freed", "examined", rep.Examined, "missing", rep.Missing)
		return rep, nil
	}
	if rep.Released, err = f.release(ctx, begun.GetRound()); err != nil {
		return rep, err
	}
	outcome = "ok"
	return rep, nil
}

func (f *Finder) release(ctx context.Context, round int64) (count int, err error) {
	for {
		res, err := f.extensions.FinishReconciliation(ctx, &extensionv1.FinishReconciliationRequest{Round: round})
		if err != nil || len(res.GetReleased()) == 0 {
			return count, err
		}
		for _, o := range res.GetReleased() {
			f.log.WarnContext(ctx, "an extension without a phone user was freed", "owner", o.GetOwner(), "number", o.GetNumber())
		}
		count += len(res.GetReleased())
		f.released.Add(float64(len(res.GetReleased())))
	}
}

// examine goes through all owners and reports those that do not exist.
func (f *Finder) examine(ctx context.Context, round int64, dryRun bool) (Report, error) {
	var rep Report
	for token := ""; ; {
		page, err := f.extensions.ListExtensionOwners(ctx, &extensionv1.ListExtensionOwnersRequest{PageSize: 1000, PageToken: token})
		if err != nil {
			return rep, err
		}
		rep.Examined += len(page.GetOwners())
		missing, err := f.missingOf(ctx, page.GetOwners())
		if err != nil {
			return rep, err
		}
		if len(missing) > 0 {
			res, err := f.extensions.ReportMissingOwners(ctx, &extensionv1.ReportMissingOwnersRequest{Round: round, Missing: missing, DryRun: dryRun})
			if err != nil {
				return rep, err
			}
			rep.Missing += len(res.GetMissing())
			rep.Leaks = append(rep.Leaks, res.GetMissing()[:min(len(res.GetMissing()), maxLeaks-len(rep.Leaks))]...)
		}
		if token = page.GetNextPageToken(); token == "" {
			return rep, nil
		}
	}
}

// missingOf returns the owners that are no phone users. They are asked for after they were listed, and a phone user is there before
// its extension is asked for: whoever is missing had none when the list was made.
func (f *Finder) missingOf(ctx context.Context, owners []*extensionv1.ExtensionOwner) ([]*extensionv1.ExtensionOwner, error) {
	byAccount := map[uuid.UUID][]uuid.UUID{}
	ids := make([]uuid.UUID, len(owners))
	for i, o := range owners {
		account, id, err := model.ParsePhoneUser(o.GetOwner())
		if err != nil {
			return nil, fmt.Errorf("owner of an extension: %w", err)
		}
		ids[i] = id
		byAccount[account] = append(byAccount[account], id)
	}
	missing := map[uuid.UUID]bool{}
	for account, of := range byAccount {
		gone, err := f.store.MissingPhoneUsers(ctx, account, of)
		if err != nil {
			return nil, err
		}
		for id := range gone {
			missing[id] = true
		}
	}
	var out []*extensionv1.ExtensionOwner
	for i, o := range owners {
		if missing[ids[i]] {
			out = append(out, o)
		}
	}
	return out, nil
}
