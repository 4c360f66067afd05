package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

// Corners of the sequences that TestAnyOrderOfOperations draws, in few steps.

func TestSeed42_TwoLicencesOfOnePersonAreNotRestoredTogether(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5).withTrash()
		first := tn.one()
		tn.trash(first)
		second := tn.assign(first.Assignee)[0]
		tn.trash(second)
		for _, preview := range []bool{true, false} {
			err := tn.try("/phoneUsers:batchRestore", map[string]any{"phoneUsers": []string{first.Name, second.Name}, "validateOnly": preview})
			tn.refused(err, "ALREADY_LICENSED", "phoneUsers[1]")
		}
		require.Zero(t, tn.accountNow().LicensesAssigned)
		tn.restore(map[string]any{"phoneUsers": []string{second.Name}})
		tn.refused(tn.tryRestore(first), "ALREADY_LICENSED", "phoneUsers[0]")
	})
}

func TestSeed13_TheExtensionOfOneSiteIsNotKeptAtAnother(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5)
		branch, u := tn.site("Branch", "300", "309"), tn.one()
		tn.settled()
		path := "/v1/" + u.Name + "?updateMask=site,extensionNumber"
		tn.unchanged(func() {
			err := tn.admin.Patch(t.Context(), path, map[string]any{"site": branch, "extensionNumber": u.ExtensionNumber}, nil)
			tn.refused(err, "EXTENSION_OUT_OF_RANGE")
		})
		var moved gatewayclient.PhoneUser
		require.NoError(t, tn.admin.Patch(t.Context(), path, map[string]any{"site": branch, "extensionNumber": "305"}, &moved))
		require.Equal(t, "305", moved.ExtensionNumber)
	})
}

func TestSeed13_ARowThatMovesSomebodyMovesToItsExtension(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5)
		branch, u := tn.site("Branch", "300", "309"), tn.one()
		tn.settled()
		row := func(extension string) importRow {
			rows := tn.rows(tn.imported("email,site,extension\n"+u.Email+","+branch+","+extension+"\n", nil))
			require.Len(t, rows, 1)
			return rows[0]
		}
		tn.unchanged(func() {
			refused := row(u.ExtensionNumber)
			require.Equal(t, "FAILED", refused.Outcome)
			require.Equal(t, "EXTENSION_OUT_OF_RANGE", refused.Error.Details[0].Reason)
		})
		require.Equal(t, "UPDATED", row("305").Outcome)
		moved := tn.get(u.Name)
		require.Equal(t, []string{branch, "305"}, []string{moved.Site, moved.ExtensionNumber})
		require.Equal(t, "UNCHANGED", row("305").Outcome)
	})
}
