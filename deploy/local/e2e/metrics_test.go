package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/services/extension"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

// metricName finds what rules and dashboards ask for. Names of recording rules have a colon.
var metricName = regexp.MustCompile(`\b(?:switchboard|grpc_server|grpc_client|process)_[a-z0-9_]+\b`)

// selector finds metrics of which only those with certain labels are asked for, and label those labels.
var (
	selector = regexp.MustCompile(`\b((?:switchboard|grpc_server|grpc_client|process)_[a-z0-9_]+)\{([^}]*)\}`)
	label    = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)`)
)

// watched lists the metrics that alerts and dashboards are made of, and with each label that they are chosen by.
func watched(t *testing.T) (names, chosen []string) {
	t.Helper()
	for _, pattern := range []string{"rules/*.yaml", "dashboards/*.json"} {
		files, err := filepath.Glob("../../observability/" + pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files, pattern)
		for _, file := range files {
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			names = append(names, metricName.FindAllString(string(raw), -1)...)
			for _, m := range selector.FindAllStringSubmatch(string(raw), -1) {
				for _, l := range label.FindAllStringSubmatch(m[2], -1) {
					if l[1] != "job" && l[1] != "instance" { // which a scrape adds
						chosen = append(chosen, m[1]+" "+l[1])
					}
				}
			}
		}
	}
	slices.Sort(names)
	slices.Sort(chosen)
	return slices.Compact(names), slices.Compact(chosen)
}

// scrape reads the metrics of all processes, in the format that accept names, or as plain text.
func scrape(t *testing.T, s *stack.Stack, accept string) string {
	t.Helper()
	var all strings.Builder
	for name, ops := range s.Info().Ops {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, ops+"/metrics", nil)
		require.NoError(t, err)
		req.Header.Set("Accept", accept)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err, name)
		raw, err := io.ReadAll(resp.Body)
		require.NoError(t, err, name)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode, name)
		all.Write(raw)
	}
	return all.String()
}

// TestAlertsAskForMetricsThatAreThere scrapes all processes after some work of each kind: an alert on a name that nobody exposes never
// fires, and nobody notices.
func TestAlertsAskForMetricsThatAreThere(t *testing.T) {
	t.Parallel()
	names, chosen := watched(t)
	require.Greater(t, len(names), 20)
	require.Greater(t, len(chosen), 10)
	oftenCounted := func(*testing.T) stack.Options {
		return configured(func(c *extension.Config) { c.CountEvery = 100 * time.Millisecond })
	}
	eachOwn(t, oftenCounted, func(t *testing.T, s *stack.Stack) {
		tn := newBareTenant(t, s, 10)
		tn.ranges(tn.main, "1000", "1009") // nearly full in the end: ranges have a metric of their own from then on
		pkg := tn.pkg("Domestic", 5)
		people := tn.users(10)
		tn.assignWith(gatewayclient.AssignRequest{Assignees: []string{people[0].Name}, Package: pkg})
		var file strings.Builder
		file.WriteString("email\n")
		for _, p := range people[1:] {
			file.WriteString(p.Email + "\n")
		}
		tn.imported(file.String(), nil)
		testkit.Eventually(t, patience, func() error {
			text := scrape(t, s, "text/plain")
			var missing []string
			for _, name := range names {
				if !strings.Contains(text, "\n"+name+"{") && !strings.Contains(text, "\n"+name+" ") {
					missing = append(missing, name)
				}
			}
			for _, pair := range chosen {
				name, by, _ := strings.Cut(pair, " ")
				if !regexp.MustCompile(`(?m)^` + name + `\{(?:.*,)?` + by + `="`).MatchString(text) {
					missing = append(missing, name+" by "+by)
				}
			}
			if len(missing) > 0 {
				return fmt.Errorf("exposed by no process: %s", missing)
			}
			return nil
		})
	})
}
