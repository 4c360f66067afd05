package stack

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/switchboard-phone/switchboard/deploy/local/issuer"
)

// people lists who can sign in to the portal: the newest accounts with their owners and administrators. It stands for a company's own
// identity provider, which has its list of people from elsewhere, and so it reads license's database past the API.
func (s *Stack) people(ctx context.Context) ([]issuer.Account, error) {
	conn, err := pgx.Connect(ctx, s.urls[License])
	if err != nil {
		return nil, fmt.Errorf("opening the directory: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, `SELECT account_id::TEXT, display_name FROM accounts ORDER BY create_time DESC, account_id LIMIT 50`)
	if err != nil {
		return nil, fmt.Errorf("reading the accounts: %w", err)
	}
	accounts, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a issuer.Account, err error) {
		return a, row.Scan(&a.ID, &a.DisplayName)
	})
	if err != nil {
		return nil, fmt.Errorf("reading the accounts: %w", err)
	}
	for i := range accounts {
		if accounts[i].People, err = administrators(ctx, conn, accounts[i].ID); err != nil {
			return nil, err
		}
	}
	return accounts, nil
}

func administrators(ctx context.Context, conn *pgx.Conn, account string) ([]issuer.Person, error) {
	rows, err := conn.Query(ctx, `SELECT email, display_name, role FROM users
		WHERE account_id = $1 AND role IN ('OWNER', 'ADMIN') ORDER BY sort_key, user_id LIMIT 5`, account)
	if err != nil {
		return nil, fmt.Errorf("reading the administrators: %w", err)
	}
	people, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p issuer.Person, err error) {
		return p, row.Scan(&p.Email, &p.DisplayName, &p.Role)
	})
	if err != nil {
		return nil, fmt.Errorf("reading the administrators: %w", err)
	}
	return people, nil
}
