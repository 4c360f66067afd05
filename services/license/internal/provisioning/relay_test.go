package provisioning_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/license/internal/provisioning"
)

// endingRelay assigns licences to three people and runs a relay, whose claims last for ever, until it has ended by itself: end is called
// by a rule of the script.
func (w *world) endingRelay(t *testing.T, rules func(end context.CancelFunc)) {
	t.Helper()
	_, err := w.engine.Assign(t.Context(), w.assignment("", uuid.Nil, 0, 1, 2))
	require.NoError(t, err)
	cfg := provisioning.DefaultConfig()
	cfg.OutboxClaim = 24 * time.Hour
	relay := provisioning.NewRelay(cfg, w.store, w.mail, slog.New(slog.NewTextHandler(&w.logged, nil)), nil)
	ctx, end := context.WithCancel(t.Context())
	defer end()
	rules(end)
	relay.Run(ctx)
	w.script.Clear()
}

// TestRelayEndsDuringAClaim: mails that are claimed while the service ends are handed over before it has ended.
func TestRelayEndsDuringAClaim(t *testing.T) {
	eachWorld(t, func(t *testing.T, newWorld makeWorld) {
		w := newWorld(5, 3)
		w.endingRelay(t, func(end context.CancelFunc) {
			w.script.DoAfter("license.ClaimOutbox", w.script.Hits("license.ClaimOutbox")+1, func(ctx context.Context, err error) error {
				end()
				if ctx.Err() != nil {
					return ctx.Err()
				}
				return err
			})
		})
		left, _, err := w.reader.CountOutbox(t.Context())
		require.NoError(t, err)
		require.Zero(t, left)
		require.Len(t, w.mail.mail, 3)
	})
}

// TestRelayGivesBack: when notification does not answer while the service ends, the mails are given back, and others have them at once.
func TestRelayGivesBack(t *testing.T) {
	eachWorld(t, func(t *testing.T, newWorld makeWorld) {
		w := newWorld(5, 3)
		w.endingRelay(t, func(end context.CancelFunc) {
			w.script.DoBefore("notification.Enqueue", w.script.Hits("notification.Enqueue")+1, func(ctx context.Context) error {
				end()
				<-ctx.Done()
				return ctx.Err()
			})
		})
		require.Empty(t, w.mail.mail)
		w.settle(t)
		require.Len(t, w.mail.mail, 3)
		w.check(t)
	})
}
