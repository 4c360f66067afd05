package migrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

// Watch follows the schema of a database while a program runs on it. It is safe for concurrent use.
type Watch struct {
	db      *crdb.DB
	known   []version
	applied prometheus.Gauge
}

// NewWatch returns a Watch for a program with the migrations of fsys. Its metric, switchboard_schema_version, is registered with reg,
// which may be nil.
func NewWatch(db *crdb.DB, fsys fs.FS, reg *prometheus.Registry) (*Watch, error) {
	known, err := versions(fsys)
	if err != nil {
		return nil, err
	}
	gauges := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "switchboard_schema_version",
		Help: "Newest migration by where: known to this program, applied to the database (as of the last readiness check).",
	}, []string{"where"})
	if reg != nil {
		var there prometheus.AlreadyRegisteredError
		if err := reg.Register(gauges); err != nil && !errors.As(err, &there) {
			return nil, fmt.Errorf("schema metric: %w", err)
		}
	}
	gauges.WithLabelValues("known").Set(float64(newest(known)))
	return &Watch{db: db, known: known, applied: gauges.WithLabelValues("applied")}, nil
}

// Ready is a condition of readiness: nil while the database answers and its schema suits the program (see Check).
func (w *Watch) Ready(ctx context.Context) error {
	applied, err := check(ctx, w.db.Pool(), w.known)
	if applied > 0 {
		w.applied.Set(float64(applied))
	}
	return err
}
