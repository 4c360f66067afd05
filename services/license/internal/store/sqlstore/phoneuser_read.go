package sqlstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/filter"
)

// GetPhoneUser implements store.PhoneUserReader.
func (s *Store) GetPhoneUser(ctx context.Context, account, id uuid.UUID) (p model.PhoneUser, err error) {
	err = s.db.Do(ctx, "license.GetPhoneUser", func(ctx context.Context, q crdb.Querier) (err error) {
		p, err = scanPhoneUser(q.QueryRow(ctx, `SELECT `+phoneUserColumns+` FROM phone_users
			WHERE account_id = $1 AND phone_user_id = $2`, account, id))
		if crdb.Classify(err) == crdb.NotFound {
			return model.NotFound(model.PhoneUserName(account, id))
		}
		return err
	})
	return p, err
}

// GetPhoneUsers implements store.PhoneUserReader.
func (s *Store) GetPhoneUsers(ctx context.Context, account uuid.UUID, ids []uuid.UUID) ([]model.PhoneUser, error) {
	byID := make(map[uuid.UUID]model.PhoneUser, len(ids))
	err := s.db.Do(ctx, "license.GetPhoneUsers", func(ctx context.Context, q crdb.Querier) error {
		rows, err := q.Query(ctx, `SELECT `+phoneUserColumns+` FROM phone_users
			WHERE account_id = $1 AND phone_user_id = ANY($2::UUID[])`, account, ids)
		if err != nil {
			return err
		}
		ps, err := collectPhoneUsers(rows)
		for i := range ps {
			byID[ps[i].ID] = ps[i]
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read phone users: %w", err)
	}
	found := make([]model.PhoneUser, 0, len(ids))
	var missing []int
	for i, id := range ids {
		p, ok := byID[id]
		if !ok {
			missing = append(missing, i)
		}
		found = append(found, p)
	}
	if len(missing) > 0 {
		return nil, store.MissingPhoneUsers(account, ids, missing)
	}
	return found, nil
}

// LivePhoneUsers implements store.PhoneUserReader.
func (s *Store) LivePhoneUsers(ctx context.Context, account uuid.UUID, assignees []uuid.UUID) (live map[uuid.UUID]uuid.UUID, err error) {
	err = s.db.Do(ctx, "license.LivePhoneUsers", func(ctx context.Context, q crdb.Querier) (err error) {
		live, err = livePhoneUsers(ctx, q, account, assignees)
		return err
	})
	return live, err
}

func livePhoneUsers(ctx context.Context, q crdb.Querier, account uuid.UUID, assignees []uuid.UUID) (map[uuid.UUID]uuid.UUID, error) {
	live := map[uuid.UUID]uuid.UUID{}
	if len(assignees) == 0 {
		return live, nil
	}
	rows, err := q.Query(ctx, `SELECT live_assignee_id, phone_user_id FROM phone_users
		WHERE account_id = $1 AND live_assignee_id = ANY($2::UUID[])`, account, assignees)
	if err != nil {
		return nil, err
	}
	var assignee, id uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&assignee, &id}, func() error {
		live[assignee] = id
		return nil
	})
	return live, err
}

// phoneUserConditions renders what a list is narrowed by.
func phoneUserConditions(account uuid.UUID, q *store.PhoneUserQuery) (*where, error) {
	w := ofAccount(account)
	states := make([]string, len(q.States))
	for i, s := range q.States {
		states[i] = w.arg(string(s))
	}
	w.and("state IN (" + strings.Join(states, ", ") + ")")
	for _, word := range q.Words {
		w.wordOfPhoneUser(word)
	}
	columns := filter.Columns{
		"site": "site_id", "package": "package_id", "state": "state", "kind": "assignee_kind", "setupComplete": "setup_complete",
	}
	for _, field := range q.Filter.Fields() {
		if field == "packageState" {
			columns[field] = "(CASE WHEN package_id IS NULL THEN NULL WHEN strpos(" + w.arg(joinIDs(q.InactivePackages)) +
				"::TEXT, package_id::TEXT) > 0 THEN 'INACTIVE' ELSE 'ACTIVE' END)"
		}
	}
	return w, w.sieve(q.Filter, columns)
}

// wordOfPhoneUser asks that word begins a word of name or e-mail address, the extension or a direct number. Only words that look
// like a number are looked for in numbers, since direct numbers are not in the narrow index.
func (w *where) wordOfPhoneUser(word string) {
	condition := "FALSE"
	if phrase, ok := model.SearchPhrase(word); ok {
		condition = "strpos(search_text, " + w.arg(phrase) + "::TEXT) > 0"
	}
	if digits, plus, ok := model.NumberPrefix(word); ok {
		condition = "(" + condition + " OR strpos(phone_numbers, " + w.arg("+"+digits) + "::TEXT) > 0"
		if !plus {
			condition += " OR strpos(extension_number, " + w.arg(digits) + "::TEXT) = 1"
		}
		condition += ")"
	}
	w.and(condition)
}

// orderColumns are the columns that phone users are ordered by, each with an index.
var orderColumns = map[store.PhoneUserOrder]string{
	store.ByDisplayName: "sort_key", store.ByExtension: "extension_number", store.ByCreateTime: "create_time",
}

// ListPhoneUsers implements store.PhoneUserReader. The page is found in an index; its rows are then read by key. In one step,
// CockroachDB 20.1 would read and sort the whole account. Inside WITH it takes every parameter for a text, so none may be of a
// type that the driver writes differently as text (arrays, times).
func (s *Store) ListPhoneUsers(ctx context.Context, account uuid.UUID, query store.PhoneUserQuery) (ps []model.PhoneUser, err error) {
	w, err := phoneUserConditions(account, &query)
	if err != nil {
		return nil, err
	}
	key, compare, direction := orderColumns[query.Order], ">", ""
	if query.Descending {
		compare, direction = "<", " DESC"
	}
	if a := query.After; a != nil {
		var at string
		if query.Order == store.ByCreateTime {
			at = w.arg(a.Time.UTC().Format(time.RFC3339Nano)) + "::TEXT::TIMESTAMPTZ"
		} else {
			at = w.arg(a.Key) + "::TEXT"
		}
		w.and("(" + key + ", phone_user_id) " + compare + " (" + at + ", " + w.arg(a.ID) + "::UUID)")
	}
	sql := `WITH page AS (SELECT phone_user_id AS id FROM phone_users WHERE ` + w.String() + `
		ORDER BY ` + key + direction + `, phone_user_id` + direction + ` LIMIT ` + w.arg(query.Limit) + `)
		SELECT ` + phoneUserColumns + ` FROM page ` + s.db.LookupJoin() + ` phone_users AS p ON p.account_id = $1 AND p.phone_user_id = page.id
		ORDER BY p.` + key + direction + `, p.phone_user_id` + direction
	err = s.db.Do(ctx, "license.ListPhoneUsers", func(ctx context.Context, q crdb.Querier) error {
		rows, err := q.Query(ctx, sql, w.args...)
		if err != nil {
			return err
		}
		ps, err = collectPhoneUsers(rows)
		return err
	})
	return ps, err
}

// CountPhoneUsers implements store.PhoneUserReader.
func (s *Store) CountPhoneUsers(ctx context.Context, account uuid.UUID, query store.PhoneUserQuery) (int, error) {
	w, err := phoneUserConditions(account, &query)
	if err != nil {
		return 0, err
	}
	return s.count(ctx, "license.CountPhoneUsers", `SELECT count(*) FROM phone_users WHERE `+w.String(), w.args)
}
