package license

import (
	"time"

	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
	"github.com/switchboard-phone/switchboard/services/platform/sqlgauge"
)

// gauges are metrics of what the database holds.
func gauges() []sqlgauge.Gauge {
	return []sqlgauge.Gauge{{
		Name: "switchboard_license_accounts", Help: "Accounts with licence seats, by how many of them are taken.",
		Label: sqlgauge.Usage, Values: sqlgauge.UsageValues(), Op: "license.GaugeSeats", Every: time.Minute,
		Query: "SELECT " + sqlgauge.Class("taken", "seats") + ", count(*) FROM account_seats WHERE seats > 0 GROUP BY 1",
	}, {
		Name: "switchboard_license_sagas", Help: "Unfinished operations over several services, by kind.",
		Label: "kind", Values: provisioning.Kinds(), Op: "license.GaugeSagas", Every: 30 * time.Second,
		Query: "SELECT kind, count(*) FROM sagas GROUP BY kind",
	}, {
		Name: "switchboard_license_oldest_seconds", Help: "Age of what has waited longest, by queue (sagas, outbox); 0 when nothing waits.",
		Label: "queue", Values: []string{"sagas", "outbox"}, Op: "license.GaugeOldest", Every: 15 * time.Second,
		Query: `SELECT 'sagas', coalesce(extract(epoch FROM now() - min(create_time)), 0) FROM sagas
			UNION ALL SELECT 'outbox', coalesce(extract(epoch FROM now() - min(create_time)), 0) FROM outbox`,
	}}
}
