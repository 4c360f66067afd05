// Package rules tests the alerts and dashboards of deploy/observability: with Prometheus' own parser and engine, on test files in the
// form of promtool.
package rules_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

const dir = "../../observability/"

// ruleFile is what of a rule file the tests need.
type ruleFile struct {
	Groups []struct {
		Rules []struct {
			Alert, Record, Expr string
			Labels, Annotations map[string]string
		}
	}
}

// testFile is a test of promtool, as far as it is used here.
type testFile struct {
	RuleFiles          []string       `json:"rule_files"`
	EvaluationInterval model.Duration `json:"evaluation_interval"`
	Tests              []ruleTest
}

type ruleTest struct {
	Name        string
	Interval    model.Duration
	InputSeries []struct{ Series, Values string } `json:"input_series"`
	Alerts      []struct {
		At       model.Duration `json:"eval_time"`
		Name     string         `json:"alertname"`
		Expected []struct {
			Labels map[string]string `json:"exp_labels"`
		} `json:"exp_alerts"`
	} `json:"alert_rule_test"`
}

func read(t *testing.T, path string, out any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, yaml.UnmarshalStrict(raw, out, yaml.DisallowUnknownFields), path)
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(dir + pattern)
	require.NoError(t, err)
	require.NotEmpty(t, found)
	return found
}

// TestAlertsFireAndStayQuiet runs every test file, and wants of every alert a test in which it fires and one in which it does not.
func TestAlertsFireAndStayQuiet(t *testing.T) { //nolint:tparallel // one test after the other is quicker: each fills a database
	t.Parallel()
	fired, quiet := map[string]bool{}, map[string]bool{}
	for _, path := range glob(t, "tests/*.yaml") {
		var file testFile
		read(t, path, &file)
		for i := range file.RuleFiles {
			file.RuleFiles[i] = filepath.Join(filepath.Dir(path), file.RuleFiles[i])
		}
		for _, test := range file.Tests {
			t.Run(test.Name, func(t *testing.T) { test.run(t, file.RuleFiles, time.Duration(file.EvaluationInterval)) })
			for _, a := range test.Alerts {
				fired[a.Name] = fired[a.Name] || len(a.Expected) > 0
				quiet[a.Name] = quiet[a.Name] || len(a.Expected) == 0
			}
		}
	}
	for name := range alerts(t) {
		require.True(t, fired[name], "no test has %s fire", name)
		require.True(t, quiet[name], "no test has %s stay quiet", name)
	}
}

func (x ruleTest) run(t *testing.T, files []string, every time.Duration) {
	t.Helper()
	var load strings.Builder
	fmt.Fprintf(&load, "load %s\n", x.Interval)
	for _, s := range x.InputSeries {
		fmt.Fprintf(&load, "  %s %s\n", s.Series, s.Values)
	}
	storage := promqltest.LoadedStorage(t, load.String())
	defer func() { _ = storage.Close() }()
	engine := promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery)
	manager := rules.NewManager(&rules.ManagerOptions{
		Context: context.Background(), AppendableV2: storage, Queryable: storage, QueryFunc: rules.EngineQueryFunc(engine, storage),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {}, Logger: slog.New(slog.DiscardHandler),
	})
	groups, errs := manager.LoadGroups(every, labels.EmptyLabels(), "", nil, false, files...)
	require.Empty(t, errs)
	for _, want := range x.Alerts {
		at := time.Unix(0, 0).UTC()
		for end := at.Add(time.Duration(want.At)); !at.After(end); at = at.Add(every) {
			for _, g := range sorted(groups) {
				g.Eval(t.Context(), at)
				for _, r := range g.Rules() {
					require.NoError(t, r.LastError(), r.Name())
				}
			}
		}
		got := firing(groups, want.Name)
		expected := []map[string]string{}
		for _, e := range want.Expected {
			expected = append(expected, e.Labels)
		}
		require.ElementsMatch(t, expected, got)
	}
}

// sorted answers recording groups ahead of those that use them.
func sorted(groups map[string]*rules.Group) (out []*rules.Group) {
	for _, g := range groups {
		if strings.HasSuffix(g.Name(), "-ratios") {
			out = append([]*rules.Group{g}, out...)
		} else {
			out = append(out, g)
		}
	}
	return out
}

// firing lists the labels of the alerts of that name that fire.
func firing(groups map[string]*rules.Group, name string) []map[string]string {
	out := []map[string]string{}
	for _, g := range groups {
		for _, r := range g.AlertingRules() {
			if r.Name() != name {
				continue
			}
			for _, a := range r.ActiveAlerts() {
				if a.State == rules.StateFiring {
					m := a.Labels.Map()
					delete(m, labels.AlertName)
					out = append(out, m)
				}
			}
		}
	}
	return out
}

// alerts lists all alerts with their annotations.
func alerts(t *testing.T) map[string]map[string]string {
	t.Helper()
	out := map[string]map[string]string{}
	for _, path := range glob(t, "rules/*.yaml") {
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		var file ruleFile
		require.NoError(t, yaml.Unmarshal(raw, &file))
		for _, g := range file.Groups {
			for _, r := range g.Rules {
				if r.Alert == "" {
					continue
				}
				require.NotContains(t, out, r.Alert, "two alerts of one name")
				require.Contains(t, []string{"page", "ticket"}, r.Labels["severity"], r.Alert)
				require.NotEmpty(t, r.Annotations["summary"], r.Alert)
				out[r.Alert] = r.Annotations
			}
		}
	}
	return out
}

// TestEveryAlertIsInTheRunbook follows the link of each alert, and finds entries of alerts that are no more.
func TestEveryAlertIsInTheRunbook(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(dir + "RUNBOOK.md")
	require.NoError(t, err)
	anchors := map[string]bool{}
	for _, heading := range regexp.MustCompile(`(?m)^## (.+)$`).FindAllStringSubmatch(string(raw), -1) {
		anchors[strings.ReplaceAll(strings.ToLower(heading[1]), " ", "-")] = true
	}
	for name, annotations := range alerts(t) {
		_, anchor, _ := strings.Cut(annotations["runbook_url"], "deploy/observability/RUNBOOK.md#")
		require.True(t, anchors[anchor], "%s leads to %q", name, annotations["runbook_url"])
		delete(anchors, anchor)
	}
	require.Empty(t, anchors, "entries without an alert")
}

// TestDashboardsAsk whatever Prometheus understands, each of its own panel.
func TestDashboardsAsk(t *testing.T) {
	t.Parallel()
	uids := map[string]bool{}
	for _, path := range glob(t, "dashboards/*.json") {
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		var board struct {
			UID, Title string
			Panels     []struct {
				ID      int
				Type    string
				Title   string
				Targets []struct{ Expr string }
			}
		}
		require.NoError(t, json.Unmarshal(raw, &board), path)
		require.NotEmpty(t, board.Title, path)
		require.False(t, uids[board.UID], path)
		uids[board.UID] = true
		ids := map[int]bool{}
		for _, p := range board.Panels {
			require.False(t, ids[p.ID], "%s: %s", path, p.Title)
			ids[p.ID] = true
			require.Equal(t, p.Type == "row", len(p.Targets) == 0, "%s: %s", path, p.Title)
			for _, target := range p.Targets {
				expr := strings.ReplaceAll(target.Expr, "$__rate_interval", "5m")
				_, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
				require.NoError(t, err, "%s: %s", p.Title, target.Expr)
			}
		}
	}
}
