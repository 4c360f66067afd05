package importing

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
)

// cleanInterval is how often old imports are looked for.
const cleanInterval = 10 * time.Minute

// Deps are the parts that an Importer works with.
type Deps struct {
	Store  Store
	Engine *provisioning.Engine
	// Extensions and Numbering are those of Engine; only what they would do is asked here.
	Extensions provisioning.Extensions
	Numbering  provisioning.Numbering
	Catalogue  Catalogue
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Importer takes imports and carries them out. It is safe for concurrent use.
type Importer struct {
	Deps
	cfg     Config
	metrics *metrics
	wake    chan struct{}
}

// New returns an Importer. Without Run it takes imports and leaves them to other replicas.
func New(cfg Config, deps Deps) *Importer {
	return &Importer{Deps: deps, cfg: cfg, metrics: newMetrics(deps.Registerer), wake: make(chan struct{}, cfg.Workers)}
}

// Run carries out imports until ctx ends; then it lets the operations under way end, writes down what became of them and leaves
// the rest to others. Several replicas may run it.
func (im *Importer) Run(ctx context.Context) {
	var all sync.WaitGroup
	for range im.cfg.Workers {
		all.Go(func() { im.work(ctx) })
	}
	all.Go(func() { im.clean(ctx) })
	all.Wait()
}

// Wake makes a worker look for imports now. It never blocks.
func (im *Importer) Wake() {
	select {
	case im.wake <- struct{}{}:
	default:
	}
}

func (im *Importer) work(ctx context.Context) {
	tick := time.NewTicker(im.cfg.PollInterval)
	defer tick.Stop()
	var look store.Look
	window := look.Window(time.Now())
	for ctx.Err() == nil {
		found, err := im.step(ctx, window)
		if err != nil && ctx.Err() == nil {
			im.Logger.WarnContext(ctx, "import was interrupted, will be gone on with", "error", err)
		}
		if found && err == nil {
			window = 0 // those that waited meanwhile may have waited for long
			continue
		}
		select {
		case <-ctx.Done():
		case <-im.wake:
		case <-tick.C:
		}
		window = look.Window(time.Now())
	}
}

// Step claims an import and carries it to its end. It answers false when there is none. After an error the import is claimed
// again later, by whatever worker.
func (im *Importer) Step(ctx context.Context) (bool, error) { return im.step(ctx, 0) }

// step is Step for imports whose claim ended within the last window.
func (im *Importer) step(ctx context.Context, window time.Duration) (bool, error) {
	m, err := im.Store.ClaimImport(ctx, window, im.cfg.Claim)
	if err != nil || m == nil {
		return false, err
	}
	im.metrics.active.Inc()
	defer im.metrics.active.Dec()
	r := &run{Importer: im, m: m, log: im.Logger.With("import", m.ID, "account", m.AccountID, "request_id", m.TraceID)}
	if err := r.carryOut(ctx); err != nil {
		return true, fmt.Errorf("import %s: %w", m.ID, err)
	}
	return true, nil
}

func (im *Importer) clean(ctx context.Context) {
	tick := time.NewTicker(cleanInterval)
	defer tick.Stop()
	for {
		if n, err := im.Store.DeleteImports(ctx, im.cfg.Kept, im.cfg.Abandoned); err != nil && ctx.Err() == nil {
			im.Logger.WarnContext(ctx, "old imports could not be deleted, will be tried again", "error", err)
		} else if n > 0 {
			im.Logger.InfoContext(ctx, "old imports deleted", "count", n)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// metrics counts imports and rows.
type metrics struct {
	imports *prometheus.CounterVec
	rows    *prometheus.CounterVec
	active  prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		imports: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "switchboard_license_imports_total", Help: "Imports that ended, by how (SUCCEEDED, CANCELLED).",
		}, []string{"outcome"}),
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "switchboard_license_import_rows_total", Help: "Rows of imports by what became of them; those only validated count too.",
		}, []string{"outcome"}),
		active: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "switchboard_license_imports_active", Help: "Imports that this replica works on.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.imports, m.rows, m.active)
	}
	return m
}

func (m *metrics) ended(state model.ImportState) { m.imports.WithLabelValues(string(state)).Inc() }

func (m *metrics) recorded(rows []model.ImportRow) {
	for i := range rows {
		m.rows.WithLabelValues(string(rows[i].Outcome)).Inc()
	}
}
