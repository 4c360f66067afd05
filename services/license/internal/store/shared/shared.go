// Package shared lets concurrent operations of an account share what each of them looks up: the account, its site, its people.
//
// A thousand licences assigned one by one ask a thousand times for the same account and the same site. Nothing is kept between
// reads, and a call never gets the answer of a read that began before it: what was written before the call is seen by it.
package shared

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/groupcommit"
)

// maxIDs bounds the people of one statement. One call may name more.
const maxIDs = 1000

// Store is a store.Store whose look-ups by id are shared. It is safe for concurrent use.
type Store struct {
	store.Store

	accounts *groupcommit.Group[uuid.UUID, struct{}, model.Account]
	sites    *groupcommit.Group[siteKey, struct{}, uuid.UUID]
	users    *groupcommit.Group[uuid.UUID, []uuid.UUID, map[uuid.UUID]model.User]
}

type siteKey struct{ account, site uuid.UUID }

// New returns a Store over s. A shared read takes at most timeout. Close ends it.
func New(s store.Store, timeout time.Duration) *Store {
	opts := groupcommit.Options{MaxWeight: maxIDs, MaxQueue: 2000, Timeout: timeout}
	return &Store{
		Store: s,
		accounts: groupcommit.New(func(ctx context.Context, id uuid.UUID, calls []struct{}) ([]groupcommit.Result[model.Account], error) {
			a, err := s.GetAccount(ctx, id)
			return same(a, len(calls)), err
		}, nil, opts),
		sites: groupcommit.New(func(ctx context.Context, k siteKey, calls []struct{}) ([]groupcommit.Result[uuid.UUID], error) {
			site, err := s.ResolveSite(ctx, k.account, k.site)
			return same(site, len(calls)), err
		}, nil, opts),
		users: groupcommit.New(func(ctx context.Context, account uuid.UUID, calls [][]uuid.UUID) ([]groupcommit.Result[map[uuid.UUID]model.User], error) {
			return readUsers(ctx, s, account, calls)
		}, func(ids []uuid.UUID) int { return len(ids) }, opts),
	}
}

// Close waits for the reads under way, until ctx ends.
func (s *Store) Close(ctx context.Context) error {
	return errors.Join(s.accounts.Close(ctx), s.sites.Close(ctx), s.users.Close(ctx))
}

// GetAccount implements store.Accounts.
func (s *Store) GetAccount(ctx context.Context, id uuid.UUID) (model.Account, error) {
	return s.accounts.Do(ctx, id, struct{}{})
}

// ResolveSite implements store.Sites.
func (s *Store) ResolveSite(ctx context.Context, account, id uuid.UUID) (uuid.UUID, error) {
	return s.sites.Do(ctx, siteKey{account, id}, struct{}{})
}

// GetUsers implements store.Directory.
func (s *Store) GetUsers(ctx context.Context, account uuid.UUID, ids []uuid.UUID) (map[uuid.UUID]model.User, error) {
	if len(ids) == 0 {
		return map[uuid.UUID]model.User{}, nil
	}
	return s.users.Do(ctx, account, ids)
}

func same[R any](value R, n int) []groupcommit.Result[R] {
	out := make([]groupcommit.Result[R], n)
	for i := range out {
		out[i].Value = value
	}
	return out
}

// readUsers answers several calls out of one read, each with the people it named and no others.
func readUsers(ctx context.Context, s store.Store, account uuid.UUID, calls [][]uuid.UUID) ([]groupcommit.Result[map[uuid.UUID]model.User], error) {
	var all []uuid.UUID
	for _, ids := range calls {
		all = append(all, ids...)
	}
	found, err := s.GetUsers(ctx, account, all)
	if err != nil {
		return nil, err
	}
	out := make([]groupcommit.Result[map[uuid.UUID]model.User], len(calls))
	for i, ids := range calls {
		own := make(map[uuid.UUID]model.User, len(ids))
		for _, id := range ids {
			if u, ok := found[id]; ok {
				own[id] = u
			}
		}
		out[i].Value = own
	}
	return out, nil
}
