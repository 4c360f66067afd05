package provisioning_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

// TestClaimsAreKept drives an operation for several times as long as a claim lasts: nobody else takes it up.
func TestClaimsAreKept(t *testing.T) {
	eachWorld(t, func(t *testing.T, newWorld makeWorld) {
		const claim = 600 * time.Millisecond
		w := newWorld(5, 1, func(c *provisioning.Config) { c.Claim = claim })
		w.script.DoBefore("extension.Allocate", 1, func(ctx context.Context) error {
			for end := time.Now().Add(5 * claim); time.Now().Before(end); {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(10 * time.Millisecond):
				}
			}
			return nil
		})
		_, err := w.engine.Assign(t.Context(), w.assignment("r", uuid.New(), 0))
		require.NoError(t, err)
		require.Equal(t, 1, w.script.Hits("extension.Allocate"), "drivers")
		require.GreaterOrEqual(t, w.script.Hits("license.KeepSagas"), 4)
		w.settle(t)
		w.check(t)
	})
}

// TestClaimsAreGivenBack ends a process that is at work on an operation which it has taken up: another one need not wait.
func TestClaimsAreGivenBack(t *testing.T) {
	eachWorld(t, func(t *testing.T, newWorld makeWorld) {
		w := newWorld(5, 1, func(c *provisioning.Config) { c.DriveTimeout = 20 * time.Second })
		hang := func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}
		w.script.FailBefore("license.FinishSagas", 1, errors.New("the driver loses heart"))
		_, err := w.engine.Assign(t.Context(), w.assignment("r", uuid.New(), 0))
		require.Error(t, err)
		w.script.DoBefore("extension.Allocate", 2, hang)
		_, err = w.pool.Exec(t.Context(), "UPDATE sagas SET claimed_until = now()")
		require.NoError(t, err)
		testkit.Eventually(t, 10*time.Second, func() error {
			if w.script.Hits("extension.Allocate") < 2 {
				return errors.New("nobody took it up")
			}
			return nil
		})
		free := func() (free bool) {
			require.NoError(t, w.pool.QueryRow(t.Context(), "SELECT claimed_until <= now() FROM sagas").Scan(&free))
			return free
		}
		require.False(t, free())
		w.close()
		require.True(t, free())
	})
}
