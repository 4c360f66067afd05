package e2e

import (
	"errors"
	"testing"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

// TestSeed12_MailTroubleNeverFailsAnAssign lets the mail server refuse: the licence is assigned all the same, the mail follows when
// the server is well again, and one that it refuses for good is shown as FAILED.
func TestSeed12_MailTroubleNeverFailsAnAssign(t *testing.T) {
	t.Parallel()
	eachOwn(t, plain, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		people := tn.users(2)
		s.Mail().Refuse(func(to string) error {
			if to == people[1].Email {
				return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such person"}
			}
			return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "come back later"}
		})
		got := tn.assign(people[0].Name, people[1].Name)
		tn.eventually(func() error {
			for _, n := range tn.notifications("state = FAILED") {
				require.Equal(t, people[1].Email, n.Recipient, "only the one refused for good is given up")
				require.Contains(t, n.LastError, "no such person")
				return nil
			}
			return errors.New("nothing has failed yet")
		})
		waiting := tn.notifications("state = QUEUED")
		require.Len(t, waiting, 1)
		require.Equal(t, people[0].Email, waiting[0].Recipient)
		require.Empty(t, tn.mails(people[0].Email))

		s.Mail().Refuse(nil)
		mail := tn.awaitMails(people[0].Email, 1)[0]
		require.Contains(t, mail.Text, got[0].ExtensionNumber)
		require.Empty(t, tn.mails(people[1].Email))
	})
}
