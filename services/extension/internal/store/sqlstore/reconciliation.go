package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
)

// BeginRound implements store.Reconciliation.
func (s *Store) BeginRound(ctx context.Context, interval time.Duration, now time.Time) (int64, error) {
	var round int64
	err := s.write(ctx, "extension.BeginRound", func(ctx context.Context, tx pgx.Tx) error {
		var last time.Time
		err := tx.QueryRow(ctx, `SELECT round, begin_time FROM reconciliation WHERE id = 1`).Scan(&round, &last)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			round = 1
			_, err = tx.Exec(ctx, `INSERT INTO reconciliation (id, round, begin_time) VALUES (1, 1, $1)`, now)
			return err
		case err != nil:
			return err
		case now.Sub(last) < interval:
			round = 0
			return nil
		}
		round++
		_, err = tx.Exec(ctx, `UPDATE reconciliation SET round = $1, begin_time = $2 WHERE id = 1`, round, now)
		return err
	})
	return round, err
}

const ownedColumns = "account_id, number, owner_id, update_time"

func scanOwned(row pgx.CollectableRow) (store.Owned, error) {
	var o store.Owned
	err := row.Scan(&o.Account, &o.Number, &o.Owner, &o.UpdateTime)
	o.UpdateTime = o.UpdateTime.UTC()
	return o, err
}

// ListOwned implements store.Reconciliation.
func (s *Store) ListOwned(ctx context.Context, account uuid.UUID, after number.Number, limit int) ([]store.Owned, error) {
	return read(ctx, s.db, "extension.ListOwned", scanOwned, `SELECT `+ownedColumns+` FROM extensions
		WHERE (account_id, number) > ($1, $2) AND owner_id IS NOT NULL ORDER BY account_id, number LIMIT $3`, account, after, limit)
}

// byAccount sorts extensions by account.
func byAccount(all []store.Owned) map[uuid.UUID][]store.Owned {
	out := map[uuid.UUID][]store.Owned{}
	for _, o := range all {
		out[o.Account] = append(out[o.Account], o)
	}
	return out
}

func numbersOwned(all []store.Owned) []int64 {
	out := make([]int64, len(all))
	for i, o := range all {
		out[i] = int64(o.Number)
	}
	return out
}

// noted is what is known of a suspect.
type noted struct {
	store.Owned
	round  int64
	rounds int
}

func scanNoted(row pgx.CollectableRow) (noted, error) {
	var n noted
	err := row.Scan(&n.Account, &n.Number, &n.Owner, &n.UpdateTime, &n.round, &n.rounds)
	n.UpdateTime = n.UpdateTime.UTC()
	return n, err
}

// suspicion reads those of the extensions of one account that are as they were, and what was noted of them as they are.
func (s *Store) suspicion(ctx context.Context, tx pgx.Tx, account uuid.UUID, missing []store.Owned) (same []store.Owned, known map[store.Owned]noted, err error) {
	is, known := map[store.Owned]bool{}, map[store.Owned]noted{}
	numbers := numbersOwned(missing)
	b := &pgx.Batch{}
	b.Queue(`SELECT `+ownedColumns+` FROM `+s.byNumber+` WHERE account_id = $1 AND number = ANY($2::INT8[]) AND owner_id IS NOT NULL`, account, numbers).
		Query(each(scanOwned, func(o store.Owned) { is[o] = true }))
	b.Queue(`SELECT `+ownedColumns+`, round, rounds FROM suspects WHERE account_id = $1 AND number = ANY($2::INT8[])`, account, numbers).
		Query(each(scanNoted, func(n noted) { known[n.Owned] = n }))
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return nil, nil, err
	}
	for _, o := range missing {
		if is[o] {
			same = append(same, o)
		}
	}
	return same, known, nil
}

// ReportMissing implements store.Reconciliation. Each account has a transaction of its own.
func (s *Store) ReportMissing(ctx context.Context, round int64, missing []store.Owned) ([]store.Suspect, error) {
	var out []store.Suspect
	for account, of := range byAccount(missing) {
		var suspects []store.Suspect
		err := s.write(ctx, "extension.ReportMissing", func(ctx context.Context, tx pgx.Tx) error {
			suspects = nil
			same, known, err := s.suspicion(ctx, tx, account, of)
			if err != nil || len(same) == 0 {
				return err
			}
			for _, o := range same {
				n, rounds := known[o], 1
				switch n.round {
				case round:
					rounds = n.rounds
				case round - 1:
					rounds = n.rounds + 1
				}
				suspects = append(suspects, store.Suspect{Owned: o, Rounds: rounds})
			}
			return note(ctx, tx, account, round, suspects)
		})
		if err != nil {
			return nil, err
		}
		out = append(out, suspects...)
	}
	return out, nil
}

// note writes what is known of suspects of one account.
func note(ctx context.Context, tx pgx.Tx, account uuid.UUID, round int64, suspects []store.Suspect) error {
	var numbers, rounds []int64
	var owners []uuid.UUID
	var times []time.Time
	for _, p := range suspects {
		numbers, rounds = append(numbers, int64(p.Number)), append(rounds, int64(p.Rounds))
		owners, times = append(owners, p.Owner), append(times, p.UpdateTime)
	}
	b := &pgx.Batch{}
	b.Queue(`DELETE FROM suspects WHERE account_id = $1 AND number = ANY($2::INT8[])`, account, numbers)
	b.Queue(`INSERT INTO suspects (account_id, number, owner_id, update_time, round, rounds)
		SELECT $1::UUID, unnest($2::INT8[]), unnest($3::UUID[]), unnest($4::TIMESTAMPTZ[]), $5::INT8, unnest($6::INT8[])`,
		account, numbers, owners, times, round, rounds)
	return tx.SendBatch(ctx, b).Close()
}

// Suspects implements store.Reconciliation.
func (s *Store) Suspects(ctx context.Context, missing []store.Owned) ([]store.Suspect, error) {
	var out []store.Suspect
	for account, of := range byAccount(missing) {
		var suspects []store.Suspect
		err := s.db.Tx(ctx, "extension.Suspects", func(ctx context.Context, tx pgx.Tx) error {
			suspects = nil
			same, known, err := s.suspicion(ctx, tx, account, of)
			if err != nil {
				return err
			}
			var round int64
			if err := tx.QueryRow(ctx, `SELECT coalesce(max(round), 0) FROM reconciliation`).Scan(&round); err != nil {
				return err
			}
			for _, o := range same {
				p := store.Suspect{Owned: o}
				if n := known[o]; n.round == round {
					p.Rounds = n.rounds
				}
				suspects = append(suspects, p)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("extension.Suspects: %w", err)
		}
		out = append(out, suspects...)
	}
	return out, nil
}

// ReleaseMissing implements store.Reconciliation. Each account has a transaction of its own.
func (s *Store) ReleaseMissing(ctx context.Context, round int64, rounds, limit int) ([]store.Owned, error) {
	const op = "extension.ReleaseMissing"
	due, err := read(ctx, s.db, op+".Due", scanOwned, `SELECT `+ownedColumns+` FROM suspects WHERE round = $1 AND rounds >= $2 LIMIT $3`,
		round, rounds, limit)
	if err != nil {
		return nil, err
	}
	var out []store.Owned
	for account, of := range byAccount(due) {
		var same []store.Owned
		err := s.write(ctx, op, func(ctx context.Context, tx pgx.Tx) error {
			var err error
			if same, _, err = s.suspicion(ctx, tx, account, of); err != nil {
				return err
			}
			b := &pgx.Batch{}
			b.Queue(`DELETE FROM suspects WHERE account_id = $1 AND number = ANY($2::INT8[])`, account, numbersOwned(of))
			if len(same) > 0 {
				b.Queue(`DELETE FROM `+s.byNumber+` WHERE account_id = $1 AND number = ANY($2::INT8[])`, account, numbersOwned(same))
			}
			return tx.SendBatch(ctx, b).Close()
		})
		if err != nil {
			return out, err
		}
		out = append(out, same...)
	}
	_, err = read(ctx, s.db, op+".Forget", pgx.RowTo[int64], `DELETE FROM suspects WHERE round < $1 RETURNING number`, round)
	return out, err
}
