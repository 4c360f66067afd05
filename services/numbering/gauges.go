package numbering

import (
	"time"

	"github.com/switchboard-phone/switchboard/services/platform/sqlgauge"
)

// gauges are metrics of what the database holds.
func gauges() []sqlgauge.Gauge {
	return []sqlgauge.Gauge{{
		Name: "switchboard_numbering_packages", Help: "Packages with seats, by how many of them are assigned.",
		Label: sqlgauge.Usage, Values: sqlgauge.UsageValues(), Op: "numbering.GaugeSeats", Every: time.Minute,
		Query: "SELECT " + sqlgauge.Class("assigned", "seats") + ", count(*) FROM package_seats WHERE seats > 0 GROUP BY 1",
	}}
}
