package e2e

import (
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/bench"
	"github.com/switchboard-phone/switchboard/deploy/local/demo"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func runDemo(t *testing.T, s *stack.Stack) (string, error) {
	t.Helper()
	var out strings.Builder
	_, err := demo.Run(t.Context(), demo.Config{Gateway: s.Info().Gateway, TokenURL: s.Info().TokenURL, Mail: s.Info().Mail, Out: &out})
	return out.String(), err
}

func TestDemo(t *testing.T) {
	t.Parallel()
	eachOwn(t, plain, func(t *testing.T, s *stack.Stack) {
		out, err := runDemo(t, s)
		require.NoError(t, err, out)
		require.Contains(t, out, "250 people with 250 distinct extensions, 250 mails SENT")
		require.Equal(t, 250, strings.Count(out, "  SENT  "), "a line for each person")
	})
}

// TestDemoTellsWhatIsNotAsPromised lets one mail be refused for good.
func TestDemoTellsWhatIsNotAsPromised(t *testing.T) {
	t.Parallel()
	eachOwn(t, plain, func(t *testing.T, s *stack.Stack) {
		people, err := demo.People(3)
		require.NoError(t, err)
		s.Mail().Refuse(func(to string) error {
			if to == people[2].Email {
				return &smtp.SMTPError{Code: 550, Message: "no such person"}
			}
			return nil
		})
		out, err := runDemo(t, s)
		require.ErrorIs(t, err, demo.ErrBroken)
		require.Contains(t, out, "NOT as promised")
		require.Contains(t, out, people[2].Email+" is WELCOME FAILED")
	})
}

// TestBench runs the benchmark on few people: its floor writes the product's tables, so it must follow them.
func TestBench(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := get(t, e, "one", stack.Options{})
		var out strings.Builder
		report, err := bench.Run(t.Context(), s, bench.Config{Batched: 200, Single: 20, Clients: 4, Rounds: 1, Out: &out})
		require.NoError(t, err, out.String())
		require.Len(t, report.Results, 6)
		for _, r := range report.Results {
			require.Positive(t, r.UsersPerSecond, r.Name)
			require.Positive(t, r.Ratio, r.Name)
		}
		require.NoError(t, report.Table(&out))
		require.Contains(t, out.String(), "users/s")
	})
}
