package names_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/extension/internal/names"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	a, s, r, p := uuid.New(), uuid.New(), uuid.New(), uuid.New()
	gotA, err := names.ParseAccount(names.Account(a))
	require.NoError(t, err)
	require.Equal(t, a, gotA)
	gotA, gotS, err := names.ParseSite(names.Site(a, s))
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{a, s}, []uuid.UUID{gotA, gotS})
	gotA, gotS, gotR, err := names.ParseRange(names.Range(a, s, r))
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{a, s, r}, []uuid.UUID{gotA, gotS, gotR})
	gotA, gotP, err := names.ParsePhoneUser(names.PhoneUser(a, p))
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{a, p}, []uuid.UUID{gotA, gotP})
	of := names.PhoneUsersOf(a)
	require.Equal(t, names.PhoneUser(a, p), of.Name(p))
	gotP, in, err := of.Parse(of.Name(p))
	require.NoError(t, err)
	require.True(t, in)
	require.Equal(t, p, gotP)
	gotP, in, err = of.Parse(names.PhoneUser(s, p))
	require.NoError(t, err)
	require.False(t, in, "one of another account")
	require.Equal(t, p, gotP)
	gotA, gotS, err = names.ParseSiteOrAll(names.Account(a) + "/sites/-")
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{a, uuid.Nil}, []uuid.UUID{gotA, gotS})
}

func TestNoNames(t *testing.T) {
	t.Parallel()
	id := uuid.NewString()
	for _, name := range []string{
		"", "accounts", "accounts/", "accounts/" + id, "accounts/x/sites/" + id, "accounts/" + id + "/sites/y", "accounts/" + id + "/sites/-",
		"accounts/" + id + "/sites/" + uuid.Nil.String(), "accounts/" + id + "/sites/" + id + "/", "/accounts/" + id + "/sites/" + id,
		"accounts/{" + id + "}/sites/" + id, "accounts/" + id + "/sites/urn:uuid:" + id, "accounts/-/sites/" + id,
	} {
		_, _, err := names.ParseSite(name)
		require.Equal(t, commonv1.Reason_NOT_FOUND, errs.Reason(err), "%q", name)
	}
	of := names.PhoneUsersOf(uuid.MustParse(id))
	for _, end := range []string{"", "x", uuid.Nil.String(), strings.ToUpper("a" + id[1:]), "{" + id + "}", "urn:uuid:" + id, id + "/", id[:35]} {
		_, _, err := of.Parse("accounts/" + id + "/phoneUsers/" + end)
		require.Equal(t, commonv1.Reason_NOT_FOUND, errs.Reason(err), "%q", end)
	}
	_, _, err := of.Parse("accounts/" + id + "/sites/" + id)
	require.Equal(t, commonv1.Reason_NOT_FOUND, errs.Reason(err))
	_, _, err = names.ParseSiteOrAll("accounts/-/sites/-")
	require.Equal(t, commonv1.Reason_NOT_FOUND, errs.Reason(err))
}
