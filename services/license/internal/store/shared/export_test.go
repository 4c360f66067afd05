package shared

import (
	"fmt"

	"github.com/google/uuid"
)

// AwaitWaiting is an error until n calls wait for a read of the account's to end.
func (s *Store) AwaitWaiting(account uuid.UUID, n int) error {
	waiting := s.accounts.Waiting(account) + s.sites.Waiting(siteKey{account, uuid.Nil}) + s.users.Waiting(account)
	if waiting != n {
		return fmt.Errorf("%d of %d calls wait", waiting, n)
	}
	return nil
}
