package api

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// FuzzApplyMask shows that no mask changes what may not be changed.
func FuzzApplyMask(f *testing.F) {
	for _, paths := range []string{
		"", "*", "display_name", "policy", "policy.soft_delete", "display_name,policy.soft_delete", "name", "licenses_assigned", "etag", "policy.no_such",
		"displayName", ".", "..", "policy.", "policy.extension_quarantine.seconds", "display_name.x", "*,name", " display_name", "policy,policy.soft_delete",
	} {
		f.Add(paths, true)
		f.Add(paths, false)
	}
	writable := []string{"display_name", "policy"}
	f.Fuzz(func(t *testing.T, paths string, set bool) {
		present := &licensev1.Account{Name: "accounts/a", DisplayName: "A", LicenseSeats: 5, LicensesAssigned: 3, Etag: "1", Policy: &licensev1.AccountPolicy{SoftDelete: true}}
		sent := &licensev1.Account{Name: "accounts/b", LicenseSeats: 99, LicensesAssigned: 99, Etag: "2"}
		if set {
			sent.DisplayName, sent.Policy = "B", &licensev1.AccountPolicy{}
		}
		before, request := proto.CloneOf(present), proto.CloneOf(sent)
		mask := &fieldmaskpb.FieldMask{}
		if paths != "" {
			mask.Paths = strings.Split(paths, ",")
		}
		err := applyMask(mask, present, sent, writable...)
		require.True(t, proto.Equal(request, sent), "what was sent stays as it is")
		if err != nil {
			require.Equal(t, commonv1.Reason_FIELD_INVALID, errs.Reason(err))
			require.True(t, proto.Equal(before, present), "a refusal changes nothing")
			return
		}
		if present.GetDisplayName() != "A" {
			require.True(t, paths == "" || slices.Contains(mask.GetPaths(), "display_name") || slices.Equal(mask.GetPaths(), []string{"*"}))
		}
		present.DisplayName, present.Policy = before.GetDisplayName(), before.GetPolicy()
		require.True(t, proto.Equal(before, present), "the rest may not be changed: %v", present)
	})
}
