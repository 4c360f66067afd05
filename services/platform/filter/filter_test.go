package filter_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	numberingv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/numbering/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/filter"
)

func siteID(name string) (any, error) {
	switch id, ok := strings.CutPrefix(name, "accounts/a/sites/"); {
	case ok:
		return id, nil
	case strings.HasPrefix(name, "accounts/"):
		return nil, filter.ErrNoMatch
	}
	return nil, errors.New("it does not begin with accounts/")
}

var (
	schema = filter.New(map[string]filter.Field{
		"state":         filter.Enum(numberingv1.PhoneNumber_AVAILABLE.Descriptor()),
		"level":         filter.Values(map[string]any{"LOW": 1, "HIGH": 2}),
		"site":          filter.Name("accounts/a/sites/s", siteID).Optional(),
		"kind":          filter.String().Optional(),
		"setupComplete": filter.Bool(),
		"seats":         filter.Int(),
		"createTime":    filter.Time(),
		"deleteTime":    filter.Time().Optional(),
		"a.b":           filter.String(),
	})
	columns = filter.Columns{
		"state": "state", "level": "lvl", "site": "site_id", "kind": "kind", "setupComplete": "done", "seats": "seats",
		"createTime": "created", "deleteTime": "deleted", "a.b": "ab",
	}
)

func TestSQL(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 8, 30, 0, 0, time.UTC)
	for text, want := range map[string]struct {
		sql  string
		args []any
	}{
		"":                                   {"TRUE", nil},
		"  \n ":                              {"TRUE", nil},
		"state = AVAILABLE":                  {"(state = $3)", []any{"AVAILABLE"}},
		"state=AVAILABLE":                    {"(state = $3)", []any{"AVAILABLE"}},
		`state = "AVAILABLE"`:                {"(state = $3)", []any{"AVAILABLE"}},
		"state != AVAILABLE":                 {"(state <> $3)", []any{"AVAILABLE"}},
		"NOT state = AVAILABLE":              {"(state <> $3)", []any{"AVAILABLE"}},
		"-state = AVAILABLE":                 {"(state <> $3)", []any{"AVAILABLE"}},
		"NOT (NOT state = AVAILABLE)":        {"(state = $3)", []any{"AVAILABLE"}},
		"level = HIGH":                       {"(lvl = $3)", []any{2}},
		"setup_complete = true":              {"(done = $3)", []any{true}},
		"setupComplete != false":             {"(done <> $3)", []any{false}},
		"seats >= 10":                        {"(seats >= $3)", []any{int64(10)}},
		"seats > -10":                        {"(seats > $3)", []any{int64(-10)}},
		"NOT seats > 10":                     {"(seats <= $3)", []any{int64(10)}},
		`a.b = x`:                            {"(ab = $3)", []any{"x"}},
		`kind = x.y`:                         {"(kind = $3)", []any{"x.y"}},
		`kind = "it's; DROP TABLE \"x\" --"`: {"(kind = $3)", []any{`it's; DROP TABLE "x" --`}},
		`kind < "m"`:                         {"(kind < $3)", []any{"m"}},
		`NOT kind < "m"`:                     {"((kind IS NULL OR kind >= $3))", []any{"m"}},
		`kind != "m"`:                        {"((kind IS NULL OR kind <> $3))", []any{"m"}},
		`NOT kind != "m"`:                    {"(kind = $3)", []any{"m"}},
		`kind = ""`:                          {"(kind IS NULL)", nil},
		`kind != ""`:                         {"(kind IS NOT NULL)", nil},
		`NOT kind = ""`:                      {"(kind IS NOT NULL)", nil},
		`site = "accounts/a/sites/s1"`:       {"(site_id = $3)", []any{"s1"}},
		`site = "accounts/b/sites/s1"`:       {"(FALSE)", nil},
		`site != "accounts/b/sites/s1"`:      {"(TRUE)", nil},
		`NOT site = "accounts/b/sites/s1"`:   {"(TRUE)", nil},
		`createTime > "2026-03-01T09:30:00+01:00"`:      {"(created > $3)", []any{at}},
		`createTime<=timestamp("2026-03-01T08:30:00Z")`: {"(created <= $3)", []any{at}},
		"state = ASSIGNED AND seats = 1 OR seats = 2": {
			"((state = $3 AND (seats = $4 OR seats = $5)))", []any{"ASSIGNED", int64(1), int64(2)}},
		"(state = ASSIGNED AND seats = 1) OR seats = 2": {
			"(((state = $3 AND seats = $4) OR seats = $5))", []any{"ASSIGNED", int64(1), int64(2)}},
		"( ( state = ASSIGNED\n)\t)":          {"(state = $3)", []any{"ASSIGNED"}},
		`( kind = " )" )`:                     {"(kind = $3)", []any{" )"}},
		`( kind = "\" )" )`:                   {"(kind = $3)", []any{`" )`}},
		"state = ASSIGNED seats = 1":          {"((state = $3 AND seats = $4))", []any{"ASSIGNED", int64(1)}},
		"NOT (state = ASSIGNED OR seats < 5)": {"((state <> $3 AND seats >= $4))", []any{"ASSIGNED", int64(5)}},
		"-(state = ASSIGNED AND kind = x)": {
			"((state <> $3 OR (kind IS NULL OR kind <> $4)))", []any{"ASSIGNED", "x"}},
	} {
		f, err := schema.Parse(text)
		require.NoError(t, err, text)
		sql, args, err := f.SQL(columns, 3)
		require.NoError(t, err, text)
		require.Equal(t, want.sql, sql, text)
		require.Equal(t, want.args, args, text)
	}
}

func TestParse_refused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct{ position, says string }{
		"state":                           {"1", "comparison"},
		"state AVAILABLE":                 {"1", "comparison"},
		"state =":                         {"8", "cannot be read"},
		"= AVAILABLE":                     {"1", "cannot be read"},
		"state = AVAILABLE AND":           {"18", "comparison"},
		"(state = AVAILABLE":              {"19", "cannot be read"},
		"state = AVAILABLE)":              {"18", "cannot be read"},
		`kind = "open`:                    {"8", "cannot be read"},
		"state = NOPE":                    {"9", "ASSIGNED, AVAILABLE, QUARANTINED"},
		"state = STATE_UNSPECIFIED":       {"9", "no such value"},
		"state = 1":                       {"9", "no such value"},
		`state = ""`:                      {"9", "no such value"},
		"state > AVAILABLE":               {"1", "= and != only"},
		"state : AVAILABLE":               {"1", `":"`},
		"state = AVAILABLE and seats = 1": {"", "capitals"},
		"nope = 1":                        {"1", "state"},
		"  nope = 1":                      {"3", "cannot be filtered"},
		`kind = "žž" AND nope = 1`:        {"17", "cannot be filtered"},
		`"state" = AVAILABLE`:             {"1", "field name"},
		"5 = 5":                           {"1", "field name"},
		"seats = ten":                     {"9", "whole number"},
		`seats = "10"`:                    {"9", "whole number"},
		"seats = 1.5":                     {"9", "whole number"},
		"seats = 99999999999999999999":    {"9", "cannot be read"},
		"kind = 0042":                     {"8", "quotes"},
		"setupComplete = yes":             {"17", "true"},
		`setupComplete = "true"`:          {"17", "true"},
		`createTime = "yesterday"`:        {"14", "RFC 3339"},
		`site = "sites/s"`:                {"8", "accounts/"},
		`site = 5`:                        {"8", "resource name"},
		`site < "accounts/a/sites/s"`:     {"1", "= and != only"},
		`kind < ""`:                       {"8", "only"},
		"kind = \"a\x00b\"":               {"8", "string"},
		"kind = f(x)":                     {"8", "string"},
		"AND(state)":                      {"1", "functions"},
		"NOT":                             {"1", "cannot be read"},
		"kind = (state = AVAILABLE)":      {"", "string"},
		"kind = \xff":                     {"8", "cannot be read"},
		strings.Repeat("a", 2001):         {"", "2001 characters"},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			_, err := schema.Parse(text)
			require.Equal(t, commonv1.Reason_FILTER_INVALID, errs.Reason(err))
			e, _ := errs.From(err)
			require.Contains(t, e.Message(), want.says)
			if want.position != "" {
				require.Equal(t, want.position, e.Metadata()["position"])
			}
		})
	}
}

func TestParse_bounds(t *testing.T) {
	t.Parallel()
	many := func(n int) string { return strings.TrimSuffix(strings.Repeat("seats=1 OR ", n), " OR ") }
	_, err := schema.Parse(many(filter.MaxComparisons))
	require.NoError(t, err)
	_, err = schema.Parse(many(filter.MaxComparisons + 1))
	require.Equal(t, commonv1.Reason_FILTER_INVALID, errs.Reason(err))

	deep := strings.Repeat("(", 990) + "seats=1" + strings.Repeat(")", 990)
	_, err = schema.Parse(deep)
	require.NoError(t, err)
	for _, hostile := range []string{"(", "NOT (", "-(", "a(", "a((", "a(a(", "seats=(", "a.", "'", "a,", "seats=1 "} {
		_, err = schema.Parse(strings.Repeat(hostile, 2000/len(hostile)))
		require.Equal(t, commonv1.Reason_FILTER_INVALID, errs.Reason(err), hostile)
	}
}

func TestFilter_Fields(t *testing.T) {
	t.Parallel()
	f, err := schema.Parse("seats = 1 AND (setup_complete = true OR seats = 2)")
	require.NoError(t, err)
	require.Equal(t, []string{"seats", "setupComplete"}, f.Fields())
	require.False(t, f.Empty())
	f, err = schema.Parse("")
	require.NoError(t, err)
	require.Empty(t, f.Fields())
	require.True(t, f.Empty())
}

func TestSQL_unknownColumn(t *testing.T) {
	t.Parallel()
	f, err := schema.Parse("seats = 1 AND state = AVAILABLE")
	require.NoError(t, err)
	_, _, err = f.SQL(filter.Columns{"seats": "seats"}, 1)
	require.ErrorContains(t, err, `"state"`)
}

// Whatever the text: no panic, and either FILTER_INVALID or SQL whose placeholders match its arguments and that holds nothing
// of the text but the placeholders.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "state = AVAILABLE", `NOT (kind = "x" OR -seats >= 0x1F) createTime < timestamp("2026-03-01T08:30:00Z")`,
		`site != "accounts/a/sites/s" AND a.b = "c"`, "((((", "a(b, c).d", "seats = -", `kind = "\u0000"`, "NOT NOT NOT", "AND(a,b)",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := schema.Parse(text)
		if err != nil {
			require.Equal(t, commonv1.Reason_FILTER_INVALID, errs.Reason(err))
			return
		}
		sql, args, err := parsed.SQL(columns, 1)
		require.NoError(t, err)
		require.Equal(t, len(args), strings.Count(sql, "$"))
		for _, banned := range []string{"'", `"`, ";", "--"} {
			require.NotContains(t, sql, banned)
		}
	})
}
