package shared_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/store/shared"
	"github.com/switchboard-phone/switchboard/services/license/internal/store/sqlstore"
	"github.com/switchboard-phone/switchboard/services/license/internal/store/storetest"
	"github.com/switchboard-phone/switchboard/services/license/migrations"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

func TestRecords(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		storetest.Records(t, func(t *testing.T) (store.Store, store.Store) {
			url := e.NewURL(t, migrations.FS)
			return open(t, sqlstore.New(e.Open(t, url))), open(t, sqlstore.New(e.Open(t, url)))
		})
	})
}

func open(t *testing.T, s store.Store) *shared.Store {
	t.Helper()
	opened := shared.New(s, 10*time.Second)
	t.Cleanup(func() { require.NoError(t, opened.Close(context.Background())) })
	return opened
}

// slow is a store whose reads wait until the test lets them go on.
type slow struct {
	store.Store
	began, proceed chan struct{}
}

func (s *slow) wait() {
	s.began <- struct{}{}
	<-s.proceed
}

func (s *slow) GetAccount(_ context.Context, id uuid.UUID) (model.Account, error) {
	s.wait()
	return model.Account{ID: id}, nil
}

func (s *slow) ResolveSite(_ context.Context, account, _ uuid.UUID) (uuid.UUID, error) {
	s.wait()
	return uuid.Nil, model.NotFound(model.AccountName(account))
}

func (s *slow) GetUsers(_ context.Context, _ uuid.UUID, ids []uuid.UUID) (map[uuid.UUID]model.User, error) {
	s.wait()
	found := map[uuid.UUID]model.User{}
	for _, id := range ids {
		found[id] = model.User{ID: id}
	}
	return found, nil
}

// TestSharing has one call under way while many more come. Those are answered by one further read, which begins after them.
func TestSharing(t *testing.T) {
	t.Parallel()
	const callers = 50
	account := uuid.New()
	for name, call := range map[string]func(ctx context.Context, s store.Store) error{
		"account": func(ctx context.Context, s store.Store) error {
			a, err := s.GetAccount(ctx, account)
			if err == nil && a.ID != account {
				t.Errorf("%s instead of %s", a.ID, account)
			}
			return err
		},
		"site": func(ctx context.Context, s store.Store) error {
			if _, err := s.ResolveSite(ctx, account, uuid.Nil); errs.Reason(err) != commonv1.Reason_NOT_FOUND {
				t.Errorf("every caller is refused, not: %v", err)
			}
			return nil
		},
		"users": func(ctx context.Context, s store.Store) error {
			own := uuid.New()
			found, err := s.GetUsers(ctx, account, []uuid.UUID{own})
			if err == nil && (len(found) != 1 || found[own].ID != own) {
				t.Errorf("not just the one asked for: %v", found)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inner := &slow{began: make(chan struct{}), proceed: make(chan struct{})}
			s := open(t, inner)
			var all errgroup.Group
			all.Go(func() error { return call(t.Context(), s) })
			<-inner.began
			for range callers {
				all.Go(func() error { return call(t.Context(), s) })
			}
			testkit.Eventually(t, 10*time.Second, func() error { return s.AwaitWaiting(account, callers) })
			inner.proceed <- struct{}{}
			<-inner.began // the second read, of all the others
			inner.proceed <- struct{}{}
			require.NoError(t, all.Wait(), "no third read was needed")
		})
	}
}
