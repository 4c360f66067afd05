package faults_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/platform/faults"
)

var errInjected = errors.New("injected")

// hit goes through a point whose work ends with err.
func hit(t *testing.T, inj faults.Injector, point string, err error) (before, after error) {
	t.Helper()
	before = faults.Before(t.Context(), inj, point)
	if before != nil {
		return before, nil
	}
	return nil, faults.After(t.Context(), inj, point, err)
}

func TestNilInjectorChangesNothing(t *testing.T) {
	t.Parallel()
	before, after := hit(t, nil, "p", errInjected)
	require.NoError(t, before)
	require.Equal(t, errInjected, after)
}

func TestScriptFollowsItsRules(t *testing.T) {
	t.Parallel()
	s, own := &faults.Script{}, errors.New("own")
	s.FailBefore("a", 2, errInjected)
	s.FailAfter("b", faults.Every, errInjected)
	s.FailBefore(faults.Any, 6, errInjected)

	before, after := hit(t, s, "a", nil)
	require.NoError(t, errors.Join(before, after))
	before, _ = hit(t, s, "a", nil)
	require.ErrorIs(t, before, errInjected, "the second hit of a")
	for range 2 {
		_, after = hit(t, s, "b", nil)
		require.ErrorIs(t, after, errInjected)
	}
	_, after = hit(t, s, "b", own)
	require.Equal(t, own, after, "work that failed by itself keeps its error")
	before, _ = hit(t, s, "c", nil)
	require.ErrorIs(t, before, errInjected, "the sixth hit of all")
	require.Equal(t, 2, s.Hits("a"))
	require.Equal(t, []string{"a", "a", "b", "b", "b", "c"}, s.Trace())

	s.Clear()
	before, after = hit(t, s, "b", nil)
	require.NoError(t, errors.Join(before, after))
}

func TestScriptRunsFunctionsWithoutHoldingItsLock(t *testing.T) {
	t.Parallel()
	s := &faults.Script{}
	s.DoBefore("a", faults.Every, func(context.Context) error { s.FailAfter("a", 1, errInjected); return nil })
	s.DoAfter("b", 1, func(_ context.Context, err error) error { return errors.Join(err, errInjected) })
	_, after := hit(t, s, "a", nil)
	require.ErrorIs(t, after, errInjected, "a rule may add rules")
	_, after = hit(t, s, "b", context.Canceled)
	require.ErrorIs(t, after, errInjected)
	require.ErrorIs(t, after, context.Canceled)
}
