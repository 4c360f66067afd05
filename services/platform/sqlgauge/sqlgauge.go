// Package sqlgauge makes metrics of what is in a database: how much is left of things, and how much waits. Each is one statement that
// is run now and then. Every replica does so, since none is special: alerts take the maximum over replicas.
package sqlgauge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

// Gauge is one metric.
type Gauge struct {
	// Name and Help are those of the metric; Label is the name of its one label.
	Name, Help, Label string
	// Values of the label are there from the beginning, with 0.
	Values []string
	// Op names the database operation; Query answers rows of a label's value (TEXT) and a number (anything that casts to FLOAT8).
	Op, Query string
	// Every is about how often it is read. Reading costs what the statement costs, on every replica.
	Every time.Duration

	vec *prometheus.GaugeVec
}

// Usage is the label by which Class tells how full something is; UsageValues are its values.
const Usage = "usage"

// UsageValues are the classes of Class.
func UsageValues() []string { return []string{"below_80", "above_80", "above_95", "full"} }

// Class is SQL that puts "used of size" into a class; both are expressions of whole numbers.
func Class(used, size string) string {
	return fmt.Sprintf("CASE WHEN %[1]s >= %[2]s THEN 'full' WHEN %[1]s * 100 >= %[2]s * 95 THEN 'above_95'"+
		" WHEN %[1]s * 100 >= %[2]s * 80 THEN 'above_80' ELSE 'below_80' END", used, size)
}

// Register registers gauges with reg, which may be nil, and returns the work of reading them, for server.Go: it goes on until its
// context ends. A reading that fails is logged, and the metric keeps what it was.
func Register(db *crdb.DB, reg *prometheus.Registry, log *slog.Logger, gauges ...Gauge) (func(context.Context) error, error) {
	for i := range gauges {
		g := &gauges[i]
		g.vec = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: g.Name, Help: g.Help}, []string{g.Label})
		for _, v := range g.Values {
			g.vec.WithLabelValues(v).Set(0)
		}
		if reg == nil {
			continue
		}
		var there prometheus.AlreadyRegisteredError
		if err := reg.Register(g.vec); err != nil && !errors.As(err, &there) {
			return nil, fmt.Errorf("metric %s: %w", g.Name, err)
		}
	}
	return func(ctx context.Context) error {
		done := make(chan struct{})
		for i := range gauges {
			go func() {
				gauges[i].follow(ctx, db, log)
				done <- struct{}{}
			}()
		}
		for range gauges {
			<-done
		}
		return nil
	}, nil
}

func (g *Gauge) follow(ctx context.Context, db *crdb.DB, log *slog.Logger) {
	for {
		if err := g.read(ctx, db); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "metric could not be read", "metric", g.Name, "error", err)
		}
		// Replicas that started together do not ask together for ever.
		t := time.NewTimer(g.Every/2 + rand.N(g.Every))
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
	}
}

func (g *Gauge) read(ctx context.Context, db *crdb.DB) error {
	found := map[string]float64{}
	for _, v := range g.Values {
		found[v] = 0
	}
	// A look at everything takes long. Serializable as all else, PostgreSQL would have to remember for as long what every transaction
	// meanwhile has read, until it has no room left for that and refuses them.
	whole := pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadOnly}
	err := db.Do(ctx, g.Op, func(ctx context.Context, _ crdb.Querier) error {
		return pgx.BeginTxFunc(ctx, db.Pool(), whole, func(tx pgx.Tx) error {
			rows, err := tx.Query(ctx, "SELECT k::TEXT, n::FLOAT8 FROM ("+g.Query+") AS r (k, n)")
			if err != nil {
				return err
			}
			var k string
			var n float64
			_, err = pgx.ForEachRow(rows, []any{&k, &n}, func() error { found[k] = n; return nil })
			return err
		})
	})
	if err != nil {
		return err
	}
	g.vec.Reset() // values that are no more
	for k, n := range found {
		g.vec.WithLabelValues(k).Set(n)
	}
	return nil
}
