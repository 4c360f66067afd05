package e2e

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/issuer"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/platform/mtls"
	"github.com/switchboard-phone/switchboard/services/platform/server"
)

// doctor checks the account as `switchboardctl doctor` does and answers what it found.
func (tn *tenant) doctor(repair bool) []*licensev1.Finding {
	tn.Helper()
	conn, err := server.Dial(server.ClientConfig{Target: tn.stack.Info().GRPC[stack.License]}, server.ClientOptions{
		Service: stack.License, TLS: mtls.Config{CAFile: tn.stack.Info().CAFile, TrustDomain: mtls.DefaultTrustDomain},
	})
	require.NoError(tn, err)
	defer func() { require.NoError(tn, conn.Close()) }()
	token, err := tn.stack.Issuer().Token(issuer.Claims{Operator: true})
	require.NoError(tn, err)
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(tn.Context(), "authorization", "Bearer "+token), 2*time.Minute)
	defer cancel()
	stream, err := licensev1.NewDoctorServiceClient(conn).CheckAccount(ctx, &licensev1.CheckAccountRequest{
		Parent: tn.account, Repair: repair, Grace: durationpb.New(time.Second),
	})
	require.NoError(tn, err)
	var found []*licensev1.Finding
	for {
		f, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return found
		}
		require.NoError(tn, err)
		found = append(found, f)
	}
}

// complaints are what the findings are about.
func complaints(found []*licensev1.Finding) []string {
	var out []string
	for _, f := range found {
		out = append(out, f.GetKind().String()+" "+f.GetResource())
	}
	slices.Sort(out)
	return out
}

// sql changes the database of a service by hand.
func (tn *tenant) sql(service, statement string, args ...any) {
	tn.Helper()
	conn, err := pgx.Connect(tn.Context(), tn.stack.DatabaseURL(service))
	require.NoError(tn, err)
	defer func() { require.NoError(tn, conn.Close(context.WithoutCancel(tn.Context()))) }()
	tag, err := conn.Exec(tn.Context(), statement, args...)
	require.NoError(tn, err)
	require.EqualValues(tn, 1, tag.RowsAffected(), "%s", statement)
}

// damage breaks the books of an account in every way that the doctor knows, and answers what it should say.
func (tn *tenant) damage(users []gatewayclient.PhoneUser, pkg, freeNumber string) []string {
	tn.Helper()
	account, ghost, other := id(tn.account), uuid.NewString(), uuid.NewString()
	tn.sql(stack.Extension, `INSERT INTO extensions (account_id, number, state, owner_id, create_time, update_time)
		VALUES ($1, 40000009999, 'ASSIGNED', $2, now(), now())`, account, ghost)
	tn.sql(stack.Extension, `DELETE FROM extensions WHERE account_id = $1 AND owner_id = $2`, account, id(users[0].Name))
	tn.sql(stack.Numbering, `UPDATE package_seats SET assigned = assigned + 2 WHERE account_id = $1 AND package_id = $2`, account, id(pkg))
	tn.sql(stack.Numbering, `UPDATE phone_numbers SET state = 'ASSIGNED', owner_id = $2 WHERE account_id = $1 AND number = $3`, account, other, freeNumber)
	tn.sql(stack.Notification, `DELETE FROM messages WHERE account_id = $1 AND phone_user_id = $2`, account, id(users[1].Name))
	tn.sql(stack.Numbering, `UPDATE phone_numbers SET state = 'AVAILABLE', owner_id = NULL WHERE account_id = $1 AND number = $2`,
		account, users[2].PhoneNumbers[0])
	tn.sql(stack.License, `UPDATE phone_users SET saga_id = $3 WHERE account_id = $1 AND phone_user_id = $2`, account, id(users[3].Name), uuid.NewString())
	tn.sql(stack.License, `UPDATE account_seats SET taken = taken - 1 WHERE account_id = $1`, account)
	tn.sql(stack.Extension, `UPDATE extensions SET state = 'HELD' WHERE account_id = $1 AND owner_id = $2`, account, id(users[4].Name))
	name := func(id string) string { return tn.account + "/phoneUsers/" + id }
	said := []string{
		"EXTENSION_ORPHANED " + name(ghost), "EXTENSION " + users[0].Name, "PACKAGE_SEATS " + pkg, "ASSIGNMENT_ORPHANED " + name(other),
		"MAIL_MISSING " + users[1].Name, "ASSIGNMENT " + users[2].Name, "OPERATION_LOST " + users[3].Name, "LICENSE_SEATS " + tn.account,
		"EXTENSION " + users[4].Name,
	}
	slices.Sort(said)
	return said
}

// TestDoctorFindsAndMends breaks the books in each way by hand: the doctor says exactly what is wrong, changes nothing until it is asked
// to, mends everything, and then has nothing to say.
func TestDoctorFindsAndMends(t *testing.T) {
	t.Parallel()
	// On a stack of its own: whoever looks for leaked extensions elsewhere would free the one that the doctor is to find.
	eachOwn(t, plain, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 20)
		numbers := tn.numbers(3)
		pkg := tn.pkg("Domestic", 20)
		users := tn.assignWith(gatewayclient.AssignRequest{Assignees: append(tn.userNames(6), tn.room("Orchid")), Package: pkg})
		users[2] = tn.call(users[2].Name, "assignPhoneNumbers", map[string]any{"phoneNumbers": numbers[:1]})
		tn.settled()
		require.Empty(t, tn.doctor(false), "nothing is wrong")
		before := tn.books()
		said := tn.damage(users, pkg, numbers[2])

		require.Equal(t, said, complaints(tn.doctor(false)))
		require.Equal(t, said, complaints(tn.doctor(false)), "nothing was changed")
		for _, f := range tn.doctor(true) {
			require.True(t, f.GetRepaired(), "%s", f)
		}
		require.Empty(t, tn.doctor(false), "everything is mended")

		after := tn.settled()
		require.NoError(t, errors.Join(after.disagreements()...))
		require.Equal(t, numbersOf(before.PhoneUsers), numbersOf(after.PhoneUsers), "everybody kept the extension")
		require.Equal(t, before.Packages, after.Packages)
		require.Equal(t, before.Numbers, after.Numbers)
	})
}

// TestDoctorHasNothingToSayOfABusyStack lets the doctor look while callers assign, change and remove.
func TestDoctorHasNothingToSayOfABusyStack(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 2000)
		l := startLoad(t, tn, []string{s.Info().Gateway})
		l.eventually(func() error { // a stack that is not busy yet shows nothing
			if l.seen.answered() < loadWorkers {
				return errors.New("the callers have hardly begun")
			}
			return nil
		})
		for range 3 {
			require.Empty(t, tn.doctor(false))
		}
		require.Positive(t, l.seen.answered())
		l.end()
		require.Empty(t, l.seen.report().failed)
	})
}

// TestCtl_DoctorTellsScripts lets an operator's script look after an account: the exit code says whether something is wrong still.
func TestCtl_DoctorTellsScripts(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5)
		tn.one()
		tn.settled()
		sh := newShell(tn)
		token, err := s.Issuer().Token(issuer.Claims{Operator: true})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(sh.token, []byte(token), 0o600))
		doctor := func(code int, says string, more ...string) []*struct{ Kind, Resource string } {
			got := sh.run("", append([]string{"doctor", "--grace", "1s", "--output", "json"}, more...)...)
			require.Equal(t, code, got.code, got.err)
			require.Contains(t, got.err, says)
			return lines[*struct{ Kind, Resource string }](sh, got.out)
		}
		require.Empty(t, doctor(0, "1 accounts checked: 0 findings, 0 mended"))

		tn.sql(stack.License, `UPDATE account_seats SET taken = taken + 1 WHERE account_id = $1`, id(tn.account))
		for range 2 { // it only looks
			found := doctor(8, "1 accounts checked: 1 findings, 0 mended")
			require.Len(t, found, 1)
			require.Equal(t, []string{"LICENSE_SEATS", tn.account}, []string{found[0].Kind, found[0].Resource})
		}
		require.Len(t, doctor(0, "1 accounts checked: 1 findings, 1 mended", "--repair"), 1)
		require.Empty(t, doctor(0, "1 accounts checked: 0 findings, 0 mended"))
		require.Equal(t, 1, tn.accountNow().LicensesAssigned)

		// An administrator of the account is not one of the services.
		newShell(tn).fails(4, "PERMISSION_DENIED", "doctor")
	})
}
