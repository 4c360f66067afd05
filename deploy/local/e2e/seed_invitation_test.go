package e2e

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/mailsink"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
)

// invite adds a person with the feature PHONE.
func (tn *tenant) invite() gatewayclient.User {
	tn.Helper()
	tn.people++
	return create(tn, "/users", gatewayclient.User{
		Email: fmt.Sprintf("new%d@%s", tn.people, tn.domain), GivenName: "New", FamilyName: fmt.Sprint(tn.people), Features: []string{"PHONE"},
	})
}

// mail waits for the nth mail to an address (counted from 1) and answers it.
func (tn *tenant) mail(to string, n int) mailsink.Mail {
	tn.Helper()
	tn.eventually(func() error {
		if got := len(tn.mails(to)); got < n {
			return fmt.Errorf("%s has %d mails of %d", to, got, n)
		}
		return nil
	})
	mails := tn.mails(to)
	return mails[len(mails)-n]
}

// confirm confirms an account with the token of a mail.
func (tn *tenant) confirm(user, token string) (gatewayclient.User, error) {
	var out gatewayclient.User
	err := tn.anonymous.Post(tn.Context(), "/v1/"+user+":confirm", map[string]any{"token": token}, &out)
	return out, err
}

func TestSeed21_ANewUserWithAPhoneIsPending(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 1)
		u := tn.invite()
		require.Equal(t, "PENDING", u.Status)
		require.Equal(t, []string{"PHONE"}, u.Features)
		require.Equal(t, 1, tn.accountNow().LicensesAssigned, "the seat is taken")
		require.Empty(t, tn.phoneUsers(), "not in the default list")
		require.Empty(t, tn.extensions(), "no extension yet")
		p := tn.get(u.PhoneUser)
		require.Equal(t, "PENDING", p.State)
		require.Empty(t, p.ExtensionNumber)

		mail := tn.mail(u.Email, 1)
		require.Regexp(t, `https?://\S+/confirm#token=\S+`, mail.Text)
		linkToken(tn, mail)

		// The seat counts: there is none for a second one, who is not added either.
		err := tn.try("/users", gatewayclient.User{Email: "second@" + tn.domain, Features: []string{"PHONE"}})
		tn.refused(err, "LICENSE_EXHAUSTED")
		tn.refused(tn.try("/users", gatewayclient.User{Email: u.Email}), "EMAIL_IN_USE")
		users := list[gatewayclient.User](tn, "/users", "users", nil)
		require.Len(t, users, 1)

		// Nobody is assigned a licence twice, nor before confirming.
		err = tn.try("/phoneUsers:batchAssign", map[string]any{"assignees": []string{u.Name}, "site": tn.main})
		tn.refused(err, "USER_PENDING", "assignees[0]")
	})
}

func TestSeed21_ThoseInvitedAreListedOnRequest(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5).withTrash()
		active, trashed, invited, confirmed := tn.one(), tn.one(), tn.invite(), tn.invite()
		tn.trash(trashed)
		_, err := tn.confirm(confirmed.Name, linkToken(tn, tn.mail(confirmed.Email, 1)))
		require.NoError(t, err)
		listed := func(query url.Values) []string {
			return names(list[gatewayclient.PhoneUser](tn, "/phoneUsers", "phoneUsers", query))
		}
		require.Equal(t, []string{invited.PhoneUser}, listed(url.Values{"filter": {"state = PENDING"}}))
		require.Equal(t, []string{invited.PhoneUser}, listed(url.Values{"filter": {"state = PENDING"}, "showDeleted": {"true"}}))
		require.ElementsMatch(t, []string{active.Name, confirmed.PhoneUser}, listed(nil))
	})
}

func TestSeed14_TheInvitationIsSentAgain(t *testing.T) {
	t.Parallel()
	eachTimed(t, func(t *testing.T, s *stack.Stack, clk *clock.Fake) {
		tn := newTenant(t, s, 1)
		u := tn.invite()
		first := tn.mail(u.Email, 1)
		clk.Advance(time.Minute)
		var answer struct{ Notification string }
		require.NoError(t, tn.admin.Post(t.Context(), "/v1/"+u.PhoneUser+":resendInvite", map[string]any{}, &answer))
		second := tn.mail(u.Email, 2)
		require.NotEqual(t, first.MessageID, second.MessageID, "a new mail")
		var told gatewayclient.Notification
		require.NoError(t, tn.admin.Get(t.Context(), "/v1/"+answer.Notification, &told))
		require.Equal(t, []string{"INVITATION", u.PhoneUser, u.Email}, []string{told.Kind, told.PhoneUser, told.Recipient})
		require.Equal(t, 1, tn.accountNow().LicensesAssigned, "the same seat")
		require.Empty(t, tn.get(u.PhoneUser).ExtensionNumber)

		token := linkToken(tn, second)
		require.NotEqual(t, linkToken(tn, first), token, "which counts from now")
		_, err := tn.confirm(u.Name, token)
		require.NoError(t, err, "the new link confirms")
		require.Equal(t, "1000", tn.get(u.PhoneUser).ExtensionNumber)
		require.Equal(t, 1, tn.accountNow().LicensesAssigned)
	})
}

func TestSeed22_ConfirmingGivesTheExtension(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5)
		u, other := tn.invite(), tn.invite()
		token := linkToken(tn, tn.mail(u.Email, 1))
		_, err := tn.confirm(other.Name, token)
		tn.refused(err, "TOKEN_INVALID")
		_, err = tn.confirm(u.Name, "made.up.token")
		tn.refused(err, "TOKEN_INVALID")
		require.Empty(t, tn.phoneUsers())

		for range 2 { // a second click on the link changes nothing
			confirmed, err := tn.confirm(u.Name, token)
			require.NoError(t, err)
			require.Equal(t, "ACTIVE", confirmed.Status)
		}
		listed := tn.phoneUsers()
		require.Len(t, listed, 1)
		require.Equal(t, u.PhoneUser, listed[0].Name)
		require.Equal(t, "ACTIVE", listed[0].State)
		require.Equal(t, "1000", listed[0].ExtensionNumber)
		require.False(t, listed[0].OutboundCalling)
		require.Equal(t, 2, tn.accountNow().LicensesAssigned)
		_, err = tn.lookup(token)
		tn.refused(err, "TOKEN_INVALID")
	})
}

func TestSeed22_NoExtensionLeftKeepsThePersonInvited(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newBareTenant(t, s, 5)
		u := tn.invite()
		token := linkToken(tn, tn.mail(u.Email, 1))
		_, err := tn.confirm(u.Name, token)
		tn.refused(err, "EXTENSION_RANGE_EXHAUSTED")
		require.Equal(t, "PENDING", tn.get(u.PhoneUser).State)
		tn.ranges(tn.main, "2000", "2009")
		_, err = tn.confirm(u.Name, token)
		require.NoError(t, err)
		require.Equal(t, "2000", tn.get(u.PhoneUser).ExtensionNumber)
	})
}

func TestSeed23_TheConfirmedPersonMayChangeTheExtension(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5)
		taken := tn.one()
		u := tn.invite()
		_, err := tn.confirm(u.Name, linkToken(tn, tn.mail(u.Email, 1)))
		require.NoError(t, err)
		p := tn.get(u.PhoneUser)
		mail := tn.mail(u.Email, 2)
		require.Contains(t, mail.Text, p.ExtensionNumber)
		assign := tn.mail(taken.Email, 1)
		require.NotEqual(t, assign.Subject, mail.Subject, "not the mail of an assign")
		kinds := map[string]int{}
		for _, n := range tn.notifications("") {
			if n.Recipient == u.Email {
				kinds[n.Kind]++
			}
		}
		require.Equal(t, map[string]int{"INVITATION": 1, "CONFIRMED": 1}, kinds, "each told once")

		token := linkToken(tn, mail)
		page, err := tn.lookup(token)
		require.NoError(t, err)
		require.True(t, page.ExtensionChangeable)
		_, err = tn.complete(token, map[string]any{"extensionNumber": taken.ExtensionNumber})
		tn.refused(err, "EXTENSION_IN_USE", "extensionNumber")
		_, err = tn.complete(token, map[string]any{"extensionNumber": "77"})
		tn.refused(err, "EXTENSION_OUT_OF_RANGE")
		page, err = tn.complete(token, map[string]any{"extensionNumber": "1234", "settings": map[string]any{"language": "pt"}})
		require.NoError(t, err)
		require.Equal(t, "1234", page.ExtensionNumber)
		require.True(t, page.SetupComplete)
		now := tn.get(p.Name)
		require.Equal(t, "1234", now.ExtensionNumber)
		require.Equal(t, "pt", *now.Settings.Language)
	})
}

func TestSeed24_ThePackageIsALaterStep(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5)
		pkg, u := tn.pkg("Domestic", 1), tn.invite()
		tn.refused(tn.tryOn(u.PhoneUser, "assignPackage", map[string]any{"package": pkg}), "LICENSE_REQUIRED")
		_, err := tn.confirm(u.Name, linkToken(tn, tn.mail(u.Email, 1)))
		require.NoError(t, err)
		require.Empty(t, tn.get(u.PhoneUser).Package)
		p := tn.call(u.PhoneUser, "assignPackage", map[string]any{"package": pkg})
		require.True(t, p.OutboundCalling)
	})
}

func TestSeed26_AnInvitationTakenBackLeavesSomebodyWhoCanBeLicensed(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 1).withTrash() // which is for active phone users only
		u := tn.invite()
		token := linkToken(tn, tn.mail(u.Email, 1))
		require.Equal(t, 1, tn.accountNow().LicensesAssigned)
		require.Len(t, tn.removeWith(map[string]any{"phoneUsers": []string{u.PhoneUser}, "validateOnly": true}), 1)
		require.Equal(t, "PENDING", tn.user(u.Name).Status, "looking at it first takes nothing back")
		require.Len(t, tn.removeWith(map[string]any{"phoneUsers": []string{u.PhoneUser}}), 1)
		require.Zero(t, tn.accountNow().LicensesAssigned, "the seat is free")
		left := tn.user(u.Name)
		require.Equal(t, "ACTIVE", left.Status)
		require.Empty(t, left.PhoneUser)

		_, err := tn.confirm(u.Name, token)
		tn.refused(err, "TOKEN_INVALID")
		p := tn.assign(u.Name)[0]
		_, err = tn.confirm(u.Name, token)
		tn.refused(err, "TOKEN_INVALID")
		require.Equal(t, "1000", p.ExtensionNumber)
		require.NoError(t, errors.Join(tn.settled().disagreements()...))
		kinds := map[string]int{}
		for _, n := range tn.notifications("recipient = " + strconv.Quote(u.Email)) {
			kinds[n.Kind+" "+n.PhoneUser]++
		}
		require.Equal(t, map[string]int{"INVITATION " + u.PhoneUser: 1, "WELCOME " + p.Name: 1}, kinds, "told once of each")
		require.Len(t, tn.mails(u.Email), 2)
		page, err := tn.lookup(linkToken(tn, tn.mail(u.Email, 2)))
		require.NoError(t, err)
		require.False(t, page.ExtensionChangeable, "it is an assigned licence like any other")
	})
}

// user reads a person of the directory.
func (tn *tenant) user(name string) gatewayclient.User {
	tn.Helper()
	var out gatewayclient.User
	require.NoError(tn, tn.admin.Get(tn.Context(), "/v1/"+name, &out))
	return out
}
