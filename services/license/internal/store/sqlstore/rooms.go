package sqlstore

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

const roomColumns = `account_id, room_id, display_name, site_id, create_time`

func scanRoom(row pgx.CollectableRow) (r model.Room, err error) {
	err = row.Scan(&r.AccountID, &r.ID, &r.DisplayName, &r.SiteID, &r.CreateTime)
	return r, err
}

// CreateRoom implements store.Directory.
func (s *Store) CreateRoom(ctx context.Context, room model.Room) (model.Room, error) {
	asked := room.SiteID
	err := s.db.TxInsert(ctx, "license.CreateRoom", func(ctx context.Context, tx pgx.Tx) (err error) {
		if room.SiteID, err = resolveSite(ctx, tx, room.AccountID, asked); err != nil {
			return err
		}
		key := model.Fold(room.DisplayName)
		taken, err := exists(`SELECT 1 FROM rooms WHERE account_id = $1 AND display_name_key = $2`, room.AccountID, key)(ctx, tx)
		switch {
		case err != nil:
			return err
		case taken:
			return nameInUse("room", "display_name", room.DisplayName)
		}
		_, err = tx.Exec(ctx, `INSERT INTO rooms (account_id, room_id, display_name, display_name_key, site_id, create_time)
			VALUES ($1, $2, $3, $4, $5, $6)`, room.AccountID, room.ID, room.DisplayName, key, room.SiteID, room.CreateTime)
		return err
	}, exists(`SELECT 1 FROM rooms WHERE account_id = $1 AND room_id = $2`, room.AccountID, room.ID))
	if err != nil {
		return room, fmt.Errorf("create room: %w", err)
	}
	return room, nil
}

// GetRooms implements store.Directory.
func (s *Store) GetRooms(ctx context.Context, account uuid.UUID, ids []uuid.UUID) (map[uuid.UUID]model.Room, error) {
	found := make(map[uuid.UUID]model.Room, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	err := s.db.Do(ctx, "license.GetRooms", func(ctx context.Context, q crdb.Querier) error {
		rows, err := q.Query(ctx, `SELECT `+roomColumns+` FROM rooms WHERE account_id = $1 AND room_id = ANY($2::UUID[])`, account, ids)
		if err != nil {
			return err
		}
		rooms, err := pgx.CollectRows(rows, scanRoom)
		for _, r := range rooms {
			found[r.ID] = r
		}
		return err
	})
	return found, err
}

// ListRooms implements store.Directory.
func (s *Store) ListRooms(ctx context.Context, account uuid.UUID, query store.RoomQuery) (rooms []model.Room, err error) {
	w := ofAccount(account)
	for _, word := range query.Words {
		w.contains("display_name_key", word)
	}
	if a := query.After; a != nil {
		w.and("(display_name_key, room_id) > (" + w.arg(a.Key) + "::TEXT, " + w.arg(a.ID) + "::UUID)")
	}
	sql := `SELECT ` + roomColumns + ` FROM rooms WHERE ` + w.String() + ` ORDER BY display_name_key, room_id LIMIT ` + w.arg(query.Limit)
	err = s.db.Do(ctx, "license.ListRooms", func(ctx context.Context, q crdb.Querier) error {
		rows, err := q.Query(ctx, sql, w.args...)
		if err != nil {
			return err
		}
		if rooms, err = pgx.CollectRows(rows, scanRoom); err != nil {
			return err
		}
		return fillRoomLicences(ctx, q, account, rooms)
	})
	return rooms, err
}

func fillRoomLicences(ctx context.Context, q crdb.Querier, account uuid.UUID, rooms []model.Room) error {
	ids := make([]uuid.UUID, len(rooms))
	for i := range rooms {
		ids[i] = rooms[i].ID
	}
	live, err := livePhoneUsers(ctx, q, account, ids)
	for i := range rooms {
		rooms[i].PhoneUserID = live[rooms[i].ID]
	}
	return err
}
