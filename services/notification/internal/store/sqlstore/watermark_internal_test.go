package sqlstore

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/notification/internal/message"
	"github.com/switchboard-phone/switchboard/services/notification/migrations"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

// A row that becomes visible long after the time it carries lies before the place where claims begin. It is found when the whole
// queue is looked at.
func TestClaim_findsWhatCameLate(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := New(e.New(t, migrations.FS))
		claim := func() []message.Claimed {
			claimed, err := s.Claim(t.Context(), 10, time.Hour, "tester")
			require.NoError(t, err)
			return claimed
		}
		require.Empty(t, claim(), "which moves the mark")
		key := message.Key{Account: uuid.New(), ID: uuid.New()}
		_, err := s.Enqueue(t.Context(), []message.New{{Key: key, Kind: message.Welcome}})
		require.NoError(t, err)
		require.NoError(t, s.db.Do(t.Context(), "test.Backdate", func(ctx context.Context, q crdb.Querier) error {
			_, err := q.Exec(ctx, "UPDATE messages SET next_attempt_time = now() - INTERVAL '1 hour'")
			return err
		}))
		require.Empty(t, claim(), "claims begin behind it")
		s.mark.whole = time.Millisecond
		testkit.Eventually(t, 10*time.Second, func() error {
			claimed := claim()
			if len(claimed) == 0 {
				return errors.New("not found yet")
			}
			require.Equal(t, key, claimed[0].Key)
			return nil
		})
	})
}

func TestWatermark(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	at := start.Add
	w := &watermark{whole: time.Minute}
	require.True(t, w.from(start).IsZero(), "the first one looks at everything")
	w.claimed(start, time.Time{}, start)
	require.Equal(t, at(-settle), w.from(at(time.Second)))
	w.claimed(at(30*time.Second), at(-settle), at(20*time.Second))
	require.Equal(t, at(20*time.Second-settle), w.from(at(31*time.Second)))
	require.True(t, w.from(at(time.Minute)).IsZero(), "once a minute")
	require.True(t, w.from(at(-time.Hour)).IsZero(), "or when the clock went back")
	w.claimed(at(time.Minute), time.Time{}, at(time.Minute))
	require.False(t, w.from(at(61*time.Second)).IsZero())
}
