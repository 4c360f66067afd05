package api

import (
	"context"
	"math"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/view"
	"github.com/switchboard-phone/switchboard/services/platform/paging"
)

// counted is a place in a list together with how many items match in all: counting takes longer than reading a page, so the first
// page counts and its token hands the number on.
type counted[C any] struct {
	At    C   `json:"a"`
	Total int `json:"n"`
}

// readCounted reads a page and, on the first one, counts side by side.
func readCounted[T, C any](ctx context.Context, page paging.Page[counted[C]], list func(ctx context.Context, after *C) ([]T, error),
	count func(ctx context.Context) (int, error),
) (found []T, total int, err error) {
	if page.After != nil {
		found, err = list(ctx, &page.After.At)
		return found, page.After.Total, err
	}
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() (err error) {
		found, err = list(ctx, nil)
		return err
	})
	both.Go(func() (err error) {
		total, err = count(ctx)
		return err
	})
	err = both.Wait()
	return found, total, err
}

// totalSize is a number of items as an answer holds it.
func totalSize(n int) int32 { return int32(max(0, min(n, math.MaxInt32))) }

// GetUser implements licensev1.DirectoryServiceServer.
func (s *DirectoryServer) GetUser(ctx context.Context, req *licensev1.GetUserRequest) (*licensev1.User, error) {
	account, id, err := model.ParseUser(req.GetName())
	if err != nil {
		return nil, orDenied(ctx, err)
	}
	if err := requireOwnUser(ctx, id); err != nil {
		return nil, err
	}
	u, err := s.store.GetUser(ctx, account, id)
	if err != nil {
		return nil, err
	}
	return view.User(&u), nil
}

// userFilter is what lists of people can be filtered by.
var userFilter = store.UserFilter()

// ListUsers implements licensev1.DirectoryServiceServer.
func (s *DirectoryServer) ListUsers(ctx context.Context, req *licensev1.ListUsersRequest) (*licensev1.ListUsersResponse, error) {
	account, err := model.ParseAccount(req.GetParent())
	if err != nil {
		return nil, err
	}
	page, err := paging.Parse[counted[store.NameCursor]](req)
	if err != nil {
		return nil, err
	}
	q := store.UserQuery{Words: model.QueryWords(req.GetQuery()), Limit: page.Limit()}
	if q.Filter, err = userFilter.Parse(req.GetFilter()); err != nil {
		return nil, err
	}
	found, total, err := readCounted(ctx, page, func(ctx context.Context, after *store.NameCursor) ([]model.User, error) {
		q := q
		q.After = after
		return s.store.ListUsers(ctx, account, q)
	}, func(ctx context.Context) (int, error) { return s.store.CountUsers(ctx, account, q) })
	if err != nil {
		return nil, err
	}
	found, next, err := paging.Cut(page, found, func(u model.User) counted[store.NameCursor] {
		return counted[store.NameCursor]{At: store.NameCursor{Key: model.Fold(u.DisplayName), ID: u.ID}, Total: total}
	})
	return &licensev1.ListUsersResponse{Users: view.Users(found), NextPageToken: next, TotalSize: totalSize(total)}, err
}

// CreateRoom implements licensev1.DirectoryServiceServer.
func (s *DirectoryServer) CreateRoom(ctx context.Context, req *licensev1.CreateRoomRequest) (*licensev1.Room, error) {
	account, err := model.ParseAccount(req.GetParent())
	if err != nil {
		return nil, err
	}
	var invalid fieldErrors
	room := model.Room{
		AccountID: account, ID: uuid.Must(uuid.NewV7()), CreateTime: s.clock.Now(),
		DisplayName: invalid.name("room.display_name", req.GetRoom().GetDisplayName()),
	}
	if err := invalid.Err(); err != nil {
		return nil, err
	}
	if room.SiteID, err = optionalChild(account, req.GetRoom().GetSite(), model.ParseSite); err != nil {
		return nil, err
	}
	if room, err = s.store.CreateRoom(ctx, room); err != nil {
		return nil, err
	}
	return view.Room(&room), nil
}

// ListRooms implements licensev1.DirectoryServiceServer.
func (s *DirectoryServer) ListRooms(ctx context.Context, req *licensev1.ListRoomsRequest) (*licensev1.ListRoomsResponse, error) {
	account, err := model.ParseAccount(req.GetParent())
	if err != nil {
		return nil, err
	}
	page, err := paging.Parse[store.NameCursor](req)
	if err != nil {
		return nil, err
	}
	found, err := s.store.ListRooms(ctx, account, store.RoomQuery{Words: model.QueryWords(req.GetQuery()), After: page.After, Limit: page.Limit()})
	if err != nil {
		return nil, err
	}
	found, next, err := paging.Cut(page, found, func(r model.Room) store.NameCursor {
		return store.NameCursor{Key: model.Fold(r.DisplayName), ID: r.ID}
	})
	answer := &licensev1.ListRoomsResponse{NextPageToken: next}
	for i := range found {
		answer.Rooms = append(answer.Rooms, view.Room(&found[i]))
	}
	return answer, err
}
