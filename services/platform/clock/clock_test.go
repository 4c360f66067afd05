package clock_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/platform/clock"
)

func TestFakeMovesOnlyWhenTold(t *testing.T) {
	t.Parallel()
	noon := time.Date(2031, 5, 1, 12, 0, 0, 0, time.FixedZone("x", 3600))
	c := clock.NewFake(noon)
	require.True(t, noon.Equal(c.Now()))
	require.Equal(t, time.UTC, c.Now().Location())
	require.Equal(t, noon.Add(time.Hour).UTC(), c.Advance(time.Hour))
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() { c.Advance(-time.Minute) })
	}
	wg.Wait()
	require.Equal(t, noon.Add(-40*time.Minute).UTC(), c.Now())
	c.Set(noon)
	require.Equal(t, noon.UTC(), c.Now())
}

func TestSystemIsUTC(t *testing.T) {
	t.Parallel()
	require.Equal(t, time.UTC, clock.System.Now().Location())
	require.WithinDuration(t, time.Now(), clock.System.Now(), time.Minute)
}
