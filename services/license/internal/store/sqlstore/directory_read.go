package sqlstore

import (
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/filter"
)

const userColumns = `u.account_id, u.user_id, u.email, u.given_name, u.family_name, u.display_name, u.role, u.status, u.features,
	u.site_id, u.create_time`

func scanUser(row pgx.CollectableRow) (model.User, error) {
	var u model.User
	var features string
	var site *uuid.UUID
	err := row.Scan(&u.AccountID, &u.ID, &u.Email, &u.GivenName, &u.FamilyName, &u.DisplayName, &u.Role, &u.Status, &features,
		&site, &u.CreateTime)
	u.Phone, u.SiteID = features == featurePhone, fromNull(site)
	return u, err
}

// GetUser implements store.Directory.
func (s *Store) GetUser(ctx context.Context, account, id uuid.UUID) (u model.User, err error) {
	err = s.db.Do(ctx, "license.GetUser", func(ctx context.Context, q crdb.Querier) error {
		users, err := readUsers(ctx, q, account, []uuid.UUID{id})
		if err != nil {
			return err
		}
		if len(users) == 0 {
			return model.NotFound(model.UserName(account, id))
		}
		err = fillUserLicences(ctx, q, account, users)
		u = users[0]
		return err
	})
	return u, err
}

func readUsers(ctx context.Context, q crdb.Querier, account uuid.UUID, ids []uuid.UUID) ([]model.User, error) {
	rows, err := q.Query(ctx, `SELECT `+userColumns+` FROM users AS u WHERE account_id = $1 AND user_id = ANY($2::UUID[])`, account, ids)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanUser)
}

// GetUsers implements store.Directory.
func (s *Store) GetUsers(ctx context.Context, account uuid.UUID, ids []uuid.UUID) (map[uuid.UUID]model.User, error) {
	found := make(map[uuid.UUID]model.User, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	err := s.db.Do(ctx, "license.GetUsers", func(ctx context.Context, q crdb.Querier) error {
		users, err := readUsers(ctx, q, account, ids)
		for _, u := range users {
			found[u.ID] = u
		}
		return err
	})
	return found, err
}

// fillUserLicences looks up the living licences of people, all in one statement.
func fillUserLicences(ctx context.Context, q crdb.Querier, account uuid.UUID, users []model.User) error {
	ids := make([]uuid.UUID, len(users))
	for i := range users {
		ids[i] = users[i].ID
	}
	live, err := livePhoneUsers(ctx, q, account, ids)
	for i := range users {
		users[i].PhoneUserID = live[users[i].ID]
	}
	return err
}

var userFilterColumns = filter.Columns{
	"licensed": "(p.live_assignee_id IS NOT NULL)", "status": "u.status", "role": "u.role", "email": "u.email_key",
}

// licences are those outside the trash, of the people u: a person has one at most.
const licences = ` phone_users AS p ON p.account_id = $1 AND p.live_assignee_id = u.user_id`

// lookUpLicences joins licences one by one, for a page of people. Each engine has to be told in its own words.
func (s *Store) lookUpLicences() string {
	if s.db.Engine() == crdb.CockroachDB {
		return ` LEFT LOOKUP JOIN` + licences
	}
	return ` LEFT JOIN LATERAL (SELECT live_assignee_id FROM phone_users WHERE account_id = $1 AND live_assignee_id = u.user_id LIMIT 1) AS p ON TRUE`
}

// userQuery renders what people are read from, and what a list of them is narrowed by. join joins licences to them, in case it is asked
// who has one.
func userQuery(account uuid.UUID, q *store.UserQuery, join string) (from string, w *where, err error) {
	from, w = "users AS u", &where{conditions: []string{"u.account_id = $1"}, args: []any{account}}
	if slices.Contains(q.Filter.Fields(), "licensed") {
		from += join
	}
	for _, word := range q.Words {
		w.contains("u.search_text", word)
	}
	return from, w, w.sieve(q.Filter, userFilterColumns)
}

// ListUsers implements store.Directory. The page is found in the index by name, which holds all that is searched and filtered
// by; its rows are then read by key. In one step, CockroachDB 20.1 would read and sort the whole account.
func (s *Store) ListUsers(ctx context.Context, account uuid.UUID, query store.UserQuery) (users []model.User, err error) {
	from, w, err := userQuery(account, &query, s.lookUpLicences())
	if err != nil {
		return nil, err
	}
	if a := query.After; a != nil {
		w.and("(u.sort_key, u.user_id) > (" + w.arg(a.Key) + "::TEXT, " + w.arg(a.ID) + "::UUID)")
	}
	sql := `WITH page AS (SELECT u.user_id AS id FROM ` + from + ` WHERE ` + w.String() + `
		ORDER BY u.sort_key, u.user_id LIMIT ` + w.arg(query.Limit) + `)
		SELECT ` + userColumns + ` FROM page ` + s.db.LookupJoin() + ` users AS u ON u.account_id = $1 AND u.user_id = page.id
		ORDER BY u.sort_key, u.user_id`
	err = s.db.Do(ctx, "license.ListUsers", func(ctx context.Context, q crdb.Querier) error {
		rows, err := q.Query(ctx, sql, w.args...)
		if err != nil {
			return err
		}
		if users, err = pgx.CollectRows(rows, scanUser); err != nil {
			return err
		}
		return fillUserLicences(ctx, q, account, users)
	})
	return users, err
}

// CountUsers implements store.Directory.
func (s *Store) CountUsers(ctx context.Context, account uuid.UUID, query store.UserQuery) (int, error) {
	from, w, err := userQuery(account, &query, " LEFT JOIN"+licences)
	if err != nil {
		return 0, err
	}
	return s.count(ctx, "license.CountUsers", `SELECT count(*) FROM `+from+` WHERE `+w.String(), w.args)
}

func (s *Store) count(ctx context.Context, op, sql string, args []any) (n int, err error) {
	err = s.db.Do(ctx, op, func(ctx context.Context, q crdb.Querier) error {
		return q.QueryRow(ctx, sql, args...).Scan(&n)
	})
	return n, err
}
