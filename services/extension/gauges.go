package extension

import (
	"time"

	"github.com/switchboard-phone/switchboard/services/platform/sqlgauge"
)

// gauges are metrics of what the database holds. Counting the extensions of every site reads all of them, so it is done seldom: ranges
// take days to fill.
func gauges() []sqlgauge.Gauge {
	return []sqlgauge.Gauge{{
		Name: "switchboard_extension_sites", Help: "Sites with extension ranges, by how many of their numbers are not free (those in quarantine count).",
		Label: sqlgauge.Usage, Values: sqlgauge.UsageValues(), Op: "extension.GaugeSites", Every: 5 * time.Minute,
		Query: `SELECT ` + sqlgauge.Class("used", "size") + `, count(*) FROM (
				SELECT account_id, site_id, sum(size)::INT8 AS size, sum(used)::INT8 AS used FROM (
					SELECT r.account_id, r.site_id, r.range_id, max(r.to_number - r.from_number) + 1 AS size, count(e.number) AS used
					FROM extension_ranges AS r
					LEFT JOIN extensions AS e ON e.account_id = r.account_id AND e.number BETWEEN r.from_number AND r.to_number
					GROUP BY r.account_id, r.site_id, r.range_id
				) AS by_range GROUP BY account_id, site_id
			) AS by_site GROUP BY 1`,
	}}
}
