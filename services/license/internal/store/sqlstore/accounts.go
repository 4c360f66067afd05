package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

// CreateAccount implements store.Accounts.
func (s *Store) CreateAccount(ctx context.Context, a model.Account, main model.Site, r store.Remember) ([]byte, error) {
	var replay []byte
	err := s.db.TxInsert(ctx, "license.CreateAccount", func(ctx context.Context, tx pgx.Tx) (err error) {
		if replay, err = remembered(ctx, tx, uuid.Nil, r); replay != nil || err != nil {
			return err
		}
		var batch pgx.Batch
		batch.Queue(`INSERT INTO accounts (account_id, display_name, soft_delete, extension_quarantine, phone_number_quarantine,
			revision, create_time, update_time) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			a.ID, a.DisplayName, a.Policy.SoftDelete, seconds(a.Policy.ExtensionQuarantine), seconds(a.Policy.PhoneNumberQuarantine),
			a.Revision, a.CreateTime, a.UpdateTime)
		batch.Queue(`INSERT INTO account_seats (account_id, seats, taken) VALUES ($1, $2, 0)`, a.ID, a.Seats)
		queueInsertSite(&batch, &main)
		queueRemember(&batch, uuid.Nil, r)
		return tx.SendBatch(ctx, &batch).Close()
	}, exists(`SELECT 1 FROM accounts WHERE account_id = $1`, a.ID))
	if err != nil {
		return nil, fmt.Errorf("create account: %w", err)
	}
	return replay, nil
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

const selectAccount = `SELECT a.account_id, a.display_name, a.soft_delete, a.extension_quarantine, a.phone_number_quarantine,
	a.revision, a.create_time, a.update_time, s.seats, s.taken
	FROM accounts AS a JOIN account_seats AS s ON s.account_id = a.account_id WHERE a.account_id = $1`

func readAccount(ctx context.Context, q crdb.Querier, id uuid.UUID) (model.Account, error) {
	var a model.Account
	var extension, number int64
	err := q.QueryRow(ctx, selectAccount, id).Scan(&a.ID, &a.DisplayName, &a.Policy.SoftDelete, &extension, &number,
		&a.Revision, &a.CreateTime, &a.UpdateTime, &a.Seats, &a.Taken)
	if crdb.Classify(err) == crdb.NotFound {
		return a, model.NotFound(model.AccountName(id))
	}
	a.Policy.ExtensionQuarantine = time.Duration(extension) * time.Second
	a.Policy.PhoneNumberQuarantine = time.Duration(number) * time.Second
	return a, err
}

// GetAccount implements store.Accounts.
func (s *Store) GetAccount(ctx context.Context, id uuid.UUID) (a model.Account, err error) {
	err = s.db.Do(ctx, "license.GetAccount", func(ctx context.Context, q crdb.Querier) (err error) {
		a, err = readAccount(ctx, q, id)
		return err
	})
	return a, err
}

// UpdateAccount implements store.Accounts. An ambiguous commit is answered as such: change decides anew on repetition.
func (s *Store) UpdateAccount(ctx context.Context, id uuid.UUID, change func(model.Account) (model.Account, error)) (a model.Account, err error) {
	err = s.db.Tx(ctx, "license.UpdateAccount", func(ctx context.Context, tx pgx.Tx) error {
		// The seats first, as whoever takes seats does, so that this waits its turn instead of being run again and again.
		for _, lock := range []string{
			`SELECT 1 FROM account_seats WHERE account_id = $1 FOR UPDATE`,
			`SELECT 1 FROM accounts WHERE account_id = $1 FOR UPDATE`,
		} {
			if _, err := tx.Exec(ctx, lock, id); err != nil {
				return err
			}
		}
		before, err := readAccount(ctx, tx, id)
		if err != nil {
			return err
		}
		if a, err = change(before); err != nil {
			return err
		}
		a.Revision = before.Revision + 1
		var batch pgx.Batch
		batch.Queue(`UPDATE accounts SET display_name = $2, soft_delete = $3, extension_quarantine = $4,
			phone_number_quarantine = $5, revision = $6, update_time = $7 WHERE account_id = $1`,
			id, a.DisplayName, a.Policy.SoftDelete, seconds(a.Policy.ExtensionQuarantine), seconds(a.Policy.PhoneNumberQuarantine),
			a.Revision, a.UpdateTime)
		if a.Seats != before.Seats {
			batch.Queue(`UPDATE account_seats SET seats = $2 WHERE account_id = $1`, id, a.Seats)
		}
		return tx.SendBatch(ctx, &batch).Close()
	})
	if err != nil {
		return model.Account{}, fmt.Errorf("update account: %w", err)
	}
	return a, nil
}

// lockAccount makes transactions that change an account's sites or templates take turns, and refuses if there is no such account.
func lockAccount(ctx context.Context, tx pgx.Tx, account uuid.UUID) error {
	var one int
	err := tx.QueryRow(ctx, `SELECT 1 FROM accounts WHERE account_id = $1 FOR UPDATE`, account).Scan(&one)
	if crdb.Classify(err) == crdb.NotFound {
		return model.NotFound(model.AccountName(account))
	}
	return err
}
