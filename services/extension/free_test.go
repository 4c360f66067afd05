package extension_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	extensionv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/extension/v1"
	"github.com/switchboard-phone/switchboard/services/extension"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestFreeSpansOfARange(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		r := b.start(t)
		rng := b.newRange(t, r, "108", "121")
		free := func() string {
			got, err := r.ranges.GetExtensionRange(b.admin(t), &extensionv1.GetExtensionRangeRequest{Name: rng.GetName()})
			require.NoError(t, err)
			var out []string
			size := got.GetUsed()
			for _, sp := range got.GetFree() {
				out = append(out, sp.GetFrom()+"-"+sp.GetTo())
				size += sp.GetSize()
			}
			require.Equal(t, got.GetSize(), size, "every number is free or used")
			return strings.Join(out, " ")
		}
		require.Equal(t, "108-109 111-111 113-117 120-121", free(), "emergency numbers are left out")
		b.allocate(t, r, "108", "115", "121")
		require.Equal(t, "109-109 111-111 113-114 116-117 120-120", free())
		b.allocate(t, r, "", "", "", "", "", "", "")
		require.Empty(t, free())
		_, err := r.ranges.GetExtensionRange(b.admin(t), &extensionv1.GetExtensionRangeRequest{Name: b.site + "/extensionRanges/" + uuid.NewString()})
		reasonIs(t, err, commonv1.Reason_NOT_FOUND)
	})
}

func TestEmergencyNumbersOfCountries(t *testing.T) {
	t.Parallel()
	e := testkit.Engines(t)[0]
	b := setup(t, e)
	b.cfg.Countries = []string{"FR", "us"}
	r := b.start(t)
	b.newRange(t, r, "15", "18")
	require.Equal(t, "16", b.allocate(t, r, "")[0].GetNumber(), "15, 17 and 18 are for emergencies")
	for _, n := range []string{"988", "3114", "112"} {
		res, err := r.exts.CheckExtensions(b.admin(t), &extensionv1.CheckExtensionsRequest{Parent: b.account, Numbers: []string{n}})
		require.NoError(t, err)
		require.Equal(t, extensionv1.Extension_RESERVED, res.GetExtensions()[0].GetState())
	}
	b.cfg.Countries = []string{"XX"}
	_, err := extension.New(t.Context(), b.cfg, extension.Options{})
	require.ErrorContains(t, err, "countries")
}
