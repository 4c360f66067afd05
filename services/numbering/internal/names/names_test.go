package names_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/numbering/internal/names"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

var account, id = uuid.MustParse("0194c3a0-0000-7000-8000-00000000000a"), uuid.MustParse("0194c3a0-0000-7000-8000-00000000000b")

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	a, p, err := names.ParsePackage(names.Package(account, id))
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{account, id}, []uuid.UUID{a, p})
	p, err = names.PhoneUserOf(account, "accounts/"+account.String()+"/phoneUsers/"+id.String())
	require.NoError(t, err)
	require.Equal(t, id, p)
	require.Equal(t, "accounts/"+account.String()+"/phoneNumbers/+15550100", names.PhoneNumber(account, "+15550100"))
	require.Empty(t, names.Package(account, uuid.Nil))
	a, err = names.ParseAccount("accounts/" + account.String())
	require.NoError(t, err)
	require.Equal(t, account, a)
}

func TestNamesOfNothing(t *testing.T) {
	t.Parallel()
	good := names.Package(account, id)
	for _, name := range []string{
		"", "/", "x", good + "/", "/" + good, "//host/" + good, good + "/x", strings.ToUpper(good),
		strings.Replace(good, "packages", "phoneUsers", 1), "accounts/a/packages/p", "accounts/-/packages/" + id.String(),
		strings.ReplaceAll(good, "-", ""), strings.Replace(good, id.String(), "{"+id.String()+"}", 1),
		strings.Replace(good, id.String(), "urn:uuid:"+id.String(), 1), strings.Replace(good, id.String(), strings.ToUpper(id.String()), 1),
		strings.Replace(good, id.String(), uuid.Nil.String(), 1), strings.Replace(good, id.String(), "", 1),
	} {
		_, _, err := names.ParsePackage(name)
		require.Equal(t, commonv1.Reason_NOT_FOUND, errs.Reason(err), name)
	}
	_, err := names.PackageOf(id, good)
	require.Equal(t, commonv1.Reason_NOT_FOUND, errs.Reason(err), "of another account")
}
