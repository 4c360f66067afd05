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
	err := s.db.TxInsert(ctx, "license.CreateUsers", func(ctx context.Context, tx pgx.Tx) (err error) {
		if replay, err = remembered(ctx, tx, account, r); replay != nil || err != nil {
			return err
		}
		if err := s.checkNewUsers(ctx, tx, account, n); err != nil {
			return err
		}
		if err := takeSeats(ctx, tx, account, len(n.Invited)); err != nil {
			return err
		}
		var batch pgx.Batch
		insertUsers.queue(&batch, n.Users)
		if err := queuePhoneUsers(&batch, insertPhoneUsers, n.Invited); err != nil {
			return err
		}
		if err := queueInsertLog(&batch, n.Log); err != nil {
			return err
		}
		insertOutbox.queue(&batch, n.Outbox)
		queueRemember(&batch, account, r)
		return tx.SendBatch(ctx, &batch).Close()
	}, exists(`SELECT 1 FROM users WHERE account_id = $1 AND user_id = $2`, account, n.Users[0].ID))
	if err != nil {
		return nil, fmt.Errorf("create users: %w", err)
	}
	return replay, nil
}

// checkNewUsers refuses people of an account or a site that is not there, or with an e-mail address in use, in one round trip.
func (s *Store) checkNewUsers(ctx context.Context, tx pgx.Tx, account uuid.UUID, n store.NewUsers) error {
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
	batch.Queue(`SELECT email_key FROM users WHERE account_id = $1 AND email_key = ANY($2::TEXT[])`+s.db.OneByOne(), account, emails).
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

// takeSeats takes licence seats, or refuses with LICENSE_EXHAUSTED.
func takeSeats(ctx context.Context, tx pgx.Tx, account uuid.UUID, n int) error {
	if n == 0 {
		return nil
	}
	var seats, taken int
	err := tx.QueryRow(ctx, `SELECT seats, taken FROM account_seats WHERE account_id = $1 FOR UPDATE`, account).Scan(&seats, &taken)
	if err != nil {
		return err
	}
	if taken+n > seats {
		return store.LicenseExhausted(seats, taken, n)
	}
	_, err = tx.Exec(ctx, `UPDATE account_seats SET taken = taken + $2 WHERE account_id = $1`, account, n)
	return err
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
	var noSite, inUse errs.Collector
	for i := range n.Users {
		u := &n.Users[i]
		if u.SiteID != uuid.Nil && !sites[u.SiteID] {
			noSite.Add(n.Path(i)+".site", "the site does not exist", model.NotFound(model.SiteName(account, u.SiteID)))
		}
		if used[emails[i]] {
			inUse.Add(n.Path(i)+".email", u.Email+" is in use",
				errs.New(commonv1.Reason_EMAIL_IN_USE, "%s has a user in this account already", u.Email).With("email", u.Email))
		}
	}
	if err := noSite.Err(); err != nil {
		return err
	}
	return inUse.Err()
}

// insertUsers adds people to an account, who must have passed checkNewUsers.
var insertUsers = bulk[model.User]{table: "users", columns: []column[model.User]{
	col("account_id", "UUID", func(u *model.User) uuid.UUID { return u.AccountID }),
	col("user_id", "UUID", func(u *model.User) uuid.UUID { return u.ID }),
	col("email", "TEXT", func(u *model.User) string { return u.Email }),
	col("email_key", "TEXT", func(u *model.User) string { return model.EmailKey(u.Email) }),
	col("given_name", "TEXT", func(u *model.User) string { return u.GivenName }),
	col("family_name", "TEXT", func(u *model.User) string { return u.FamilyName }),
	col("display_name", "TEXT", func(u *model.User) string { return u.DisplayName }),
	col("sort_key", "TEXT", func(u *model.User) string { return model.Fold(u.DisplayName) }),
	col("search_text", "TEXT", func(u *model.User) string { return model.UserSearchText(u.DisplayName, u.Email) }),
	col("role", "TEXT", func(u *model.User) string { return string(u.Role) }),
	col("status", "TEXT", func(u *model.User) string { return string(u.Status) }),
	col("features", "TEXT", func(u *model.User) string {
		if u.Phone {
			return featurePhone
		}
		return ""
	}),
	col("site_id", "UUID", func(u *model.User) *uuid.UUID { return toNull(u.SiteID) }),
	col("create_time", "TIMESTAMPTZ", func(u *model.User) time.Time { return u.CreateTime }),
}}
