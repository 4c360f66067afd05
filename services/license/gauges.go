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
	}}
}
