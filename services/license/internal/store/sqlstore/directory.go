package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// featurePhone is how the feature PHONE is kept.
const featurePhone = "PHONE"

// CreateUsers implements store.Directory.
func (s *Store) CreateUsers(ctx context.Context, account uuid.UUID, n store.NewUsers, r store.Remember) ([]byte, error) {
	if len(n.Users) == 0 {
		return nil, nil
	}
	var replay []byte
	err := s.insertTx(ctx, "license.CreateUsers", func(ctx context.Context, tx pgx.Tx) (err error) {
		if replay, err = remembered(ctx, tx, account, r); replay != nil || err != nil {
			return err
		}
		if err := checkNewUsers(ctx, tx, account, n); err != nil {
			return err
		}
		var batch pgx.Batch
		queueInsertUsers(&batch, account, n.Users)
		queueRemember(&batch, account, r)
		return tx.SendBatch(ctx, &batch).Close()
	}, exists(`SELECT 1 FROM users WHERE account_id = $1 AND user_id = $2`, account, n.Users[0].ID))
	if err != nil {
		return nil, fmt.Errorf("create users: %w", err)
	}
	return replay, nil
}

// checkNewUsers refuses people of an account or a site that is not there, or with an e-mail address in use, in one round trip.
func checkNewUsers(ctx context.Context, tx pgx.Tx, account uuid.UUID, n store.NewUsers) error {
	var emails []string
	var sites []uuid.UUID
	for i := range n.Users {
		emails = append(emails, model.EmailKey(n.Users[i].Email))
		if n.Users[i].SiteID != uuid.Nil {
			sites = append(sites, n.Users[i].SiteID)
		}
	}
	var hasAccount bool
	used, known := map[string]bool{}, map[uuid.UUID]bool{}
	var batch pgx.Batch
	batch.Queue(`SELECT EXISTS (SELECT 1 FROM accounts WHERE account_id = $1)`, account).QueryRow(func(row pgx.Row) error {
		return row.Scan(&hasAccount)
	})
	batch.Queue(`SELECT email_key FROM users WHERE account_id = $1 AND email_key = ANY($2::TEXT[])`, account, emails).
		Query(collectSet(used))
	if len(sites) > 0 {
		batch.Queue(`SELECT site_id FROM sites WHERE account_id = $1 AND site_id = ANY($2::UUID[])`, account, sites).
			Query(collectSet(known))
	}
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return err
	}
	if !hasAccount {
		return model.NotFound(model.AccountName(account))
	}
	return refuseNewUsers(account, n, emails, used, known)
}

// collectSet reads a query's only column into set.
func collectSet[K comparable](set map[K]bool) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		keys, err := pgx.CollectRows(rows, pgx.RowTo[K])
		for _, k := range keys {
			set[k] = true
		}
		return err
	}
}

func refuseNewUsers(account uuid.UUID, n store.NewUsers, emails []string, used map[string]bool, sites map[uuid.UUID]bool) error {
	var noSite, inUse *errs.Error
	for i := range n.Users {
		u := &n.Users[i]
		if u.SiteID != uuid.Nil && !sites[u.SiteID] {
			if noSite == nil {
				noSite = model.NotFound(model.SiteName(account, u.SiteID))
			}
			noSite = noSite.Violation(n.Path(i)+".site", "the site does not exist")
		}
		if used[emails[i]] {
			if inUse == nil {
				inUse = errs.New(commonv1.Reason_EMAIL_IN_USE, "%s has a user in this account already", u.Email).With("email", u.Email)
			}
			inUse = inUse.Violation(n.Path(i)+".email", u.Email+" is in use")
		}
	}
	switch {
	case noSite != nil:
		return noSite
	case inUse != nil:
		return inUse
	}
	return nil
}

const insertUsersSQL = `
	INSERT INTO users (account_id, user_id, email, email_key, given_name, family_name, display_name, sort_key, search_text,
		role, status, features, site_id, create_time)
	SELECT $1::UUID, r.id, r.email, r.email_key, r.given, r.family, r.name, r.sort_key, r.search_text, r.role, r.status,
		r.features, r.site, r.created
	FROM (SELECT unnest($2::UUID[]) AS id, unnest($3::TEXT[]) AS email, unnest($4::TEXT[]) AS email_key,
		unnest($5::TEXT[]) AS given, unnest($6::TEXT[]) AS family, unnest($7::TEXT[]) AS name, unnest($8::TEXT[]) AS sort_key,
		unnest($9::TEXT[]) AS search_text, unnest($10::TEXT[]) AS role, unnest($11::TEXT[]) AS status,
		unnest($12::TEXT[]) AS features, unnest($13::UUID[]) AS site, unnest($14::TIMESTAMPTZ[]) AS created) AS r`

// queueInsertUsers adds the statement that adds people to an account, who must have passed checkNewUsers.
func queueInsertUsers(batch *pgx.Batch, account uuid.UUID, users []model.User) {
	var (
		ids                                                      []uuid.UUID
		emails, emailKeys, given, family, names, sortKeys, texts []string
		roles, statuses, features                                []string
		sites                                                    []*uuid.UUID
		created                                                  []time.Time
	)
	for i := range users {
		u := &users[i]
		feature := ""
		if u.Phone {
			feature = featurePhone
		}
		ids, sites, created = append(ids, u.ID), append(sites, toNull(u.SiteID)), append(created, u.CreateTime)
		emails, emailKeys = append(emails, u.Email), append(emailKeys, model.EmailKey(u.Email))
		given, family, names = append(given, u.GivenName), append(family, u.FamilyName), append(names, u.DisplayName)
		sortKeys, texts = append(sortKeys, model.Fold(u.DisplayName)), append(texts, model.UserSearchText(u.DisplayName, u.Email))
		roles, statuses, features = append(roles, string(u.Role)), append(statuses, string(u.Status)), append(features, feature)
	}
	batch.Queue(insertUsersSQL, account, ids, emails, emailKeys, given, family, names, sortKeys, texts, roles, statuses,
		features, sites, created)
}
