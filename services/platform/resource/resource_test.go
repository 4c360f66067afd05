package resource_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/resource"
)

const pattern = "accounts/{account}/sites/{site}"

func TestScan(t *testing.T) {
	t.Parallel()
	a, s := uuid.New(), uuid.New()
	var gotA, gotS uuid.UUID
	require.NoError(t, resource.Scan("accounts/"+a.String()+"/sites/"+s.String(), pattern, &gotA, &gotS))
	require.Equal(t, []uuid.UUID{a, s}, []uuid.UUID{gotA, gotS})
}

// TestScan_refuses has names of nothing, among them other ways to write the name of something.
func TestScan_refuses(t *testing.T) {
	t.Parallel()
	id := "0b9dd52f-26f5-4b51-9d5c-6a1ae2d8bfae"
	for _, name := range []string{
		"", "accounts", "accounts/" + id, "accounts/x/sites/" + id, "accounts/" + id + "/sites/y", "accounts/" + id + "/sites/-",
		"accounts/" + id + "/sites/" + uuid.Nil.String(), "accounts/" + id + "/sites/" + id + "/", "/accounts/" + id + "/sites/" + id,
		"accounts/{" + id + "}/sites/" + id, "accounts/" + id + "/sites/urn:uuid:" + id, "accounts/" + id + "/sites/" + strings.ToUpper(id),
	} {
		var a, s uuid.UUID
		err := resource.Scan(name, pattern, &a, &s)
		require.Equal(t, commonv1.Reason_NOT_FOUND, errs.Reason(err), "%q", name)
		e, ok := errs.From(err)
		require.True(t, ok)
		require.Equal(t, name, e.Metadata()["resource"])
	}
}

func FuzzScan(f *testing.F) {
	const id = "0193c2a4-5b6c-7d8e-9fa0-b1c2d3e4f506"
	for _, name := range []string{
		"", "/", "accounts/" + id, "accounts/" + id + "/sites/" + id, "/accounts/" + id + "/sites/" + id, "accounts//sites/", "accounts/" + id + "/sites/-",
		"//example.com/accounts/" + id + "/sites/" + id, "accounts/{account}/sites/{site}", "accounts/" + id + "/sites/" + id + "/", "accounts/\x00/sites/\xff",
		"accounts/urn:uuid:" + id + "/sites/" + id, "accounts/{" + id + "}/sites/" + id, strings.ToUpper("accounts/" + id + "/sites/" + id),
		"accounts/00000000-0000-0000-0000-000000000000/sites/" + id,
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		var account, site uuid.UUID
		if err := resource.Scan(name, pattern, &account, &site); err != nil {
			require.Equal(t, commonv1.Reason_NOT_FOUND, errs.Reason(err))
			return
		}
		require.Equal(t, name, "accounts/"+account.String()+"/sites/"+site.String(), "a resource has one name")
		require.NotEqual(t, uuid.Nil, account)
		require.NotEqual(t, uuid.Nil, site)
	})
}
