package api_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
)

func mask(paths ...string) *fieldmaskpb.FieldMask { return &fieldmaskpb.FieldMask{Paths: paths} }

func TestCreateAccount(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		made, err := w.accounts.CreateAccount(w.operator, &licensev1.CreateAccountRequest{Account: &licensev1.Account{
			Name: "accounts/ignored", DisplayName: "  Zürich  ", LicenseSeats: 3, LicensesAssigned: 99,
			Policy: &licensev1.AccountPolicy{SoftDelete: true, ExtensionQuarantine: durationpb.New(time.Hour)},
		}})
		require.NoError(t, err)
		require.Equal(t, "Zürich", made.GetDisplayName())
		require.Zero(t, made.GetLicensesAssigned(), "output fields are ignored")
		require.Equal(t, w.clock.Now(), made.GetCreateTime().AsTime())
		got, err := w.accounts.GetAccount(w.operator, &licensev1.GetAccountRequest{Name: made.GetName()})
		require.NoError(t, err)
		requireSame(t, made, got)
		sites, err := w.sites.ListSites(w.operator, &licensev1.ListSitesRequest{Parent: made.GetName()})
		require.NoError(t, err)
		require.Len(t, sites.GetSites(), 1)
		require.True(t, sites.GetSites()[0].GetIsMain())

		for name, c := range map[string]struct {
			account   *licensev1.Account
			requestID string
			field     string
		}{
			"no name":           {account: &licensev1.Account{DisplayName: " \t "}, field: "account.display_name"},
			"control character": {account: &licensev1.Account{DisplayName: "a\x00b"}, field: "account.display_name"},
			"line separator":    {account: &licensev1.Account{DisplayName: "a\u2028b"}, field: "account.display_name"},
			"part of a second": {account: &licensev1.Account{DisplayName: "x", Policy: &licensev1.AccountPolicy{
				PhoneNumberQuarantine: durationpb.New(time.Millisecond),
			}}, field: "account.policy.phone_number_quarantine"},
			"request id": {account: &licensev1.Account{DisplayName: "x"}, requestID: "a\x00", field: "request_id"},
		} {
			_, err := w.accounts.CreateAccount(w.operator, &licensev1.CreateAccountRequest{Account: c.account, RequestId: c.requestID})
			require.Error(t, err, name)
			requireReason(t, commonv1.Reason_FIELD_INVALID, err, c.field)
		}
		for _, name := range []string{"accounts/" + uuid.NewString(), "accounts/x", "accounts/", "", "sites/x", model.AccountName(uuid.Nil)} {
			_, err := w.accounts.GetAccount(w.operator, &licensev1.GetAccountRequest{Name: name})
			requireReason(t, commonv1.Reason_NOT_FOUND, err)
		}
	})
}

func TestCreateAccountReplay(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		req := &licensev1.CreateAccountRequest{Account: &licensev1.Account{DisplayName: "Once", LicenseSeats: 1}, RequestId: "r-1"}
		first, err := w.accounts.CreateAccount(w.operator, req)
		require.NoError(t, err)
		_, err = w.accounts.UpdateAccount(w.operator, &licensev1.UpdateAccountRequest{Account: &licensev1.Account{Name: first.GetName(), DisplayName: "Renamed"}})
		require.NoError(t, err)
		w.clock.Advance(time.Hour)
		again, err := w.accounts.CreateAccount(w.operator, req)
		require.NoError(t, err)
		requireSame(t, first, again)

		other := proto.CloneOf(req)
		other.Account.LicenseSeats = 2
		_, err = w.accounts.CreateAccount(w.operator, other)
		requireReason(t, commonv1.Reason_REQUEST_ID_REUSED, err)

		otto := authn.NewContext(t.Context(), authn.Identity{Subject: "otto", Operator: true})
		second, err := w.accounts.CreateAccount(otto, req)
		require.NoError(t, err)
		require.NotEqual(t, first.GetName(), second.GetName(), "request ids belong to the caller")
	})
}

func TestUpdateAccount(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.seed(t, nil, model.PhoneUser{DisplayName: "Ada", State: model.StateActive}, model.PhoneUser{DisplayName: "Bo", State: model.StateActive})
		name := w.account.GetName()
		update := func(a *licensev1.Account, paths ...string) (*licensev1.Account, error) {
			a.Name = name
			return w.accounts.UpdateAccount(w.admin, &licensev1.UpdateAccountRequest{Account: a, UpdateMask: mask(paths...)})
		}
		w.clock.Advance(time.Minute)
		got, err := update(&licensev1.Account{DisplayName: " New name ", Policy: &licensev1.AccountPolicy{SoftDelete: true, ExtensionQuarantine: durationpb.New(time.Hour)}})
		require.NoError(t, err)
		require.Equal(t, "New name", got.GetDisplayName())
		require.EqualValues(t, 10, got.GetLicenseSeats(), "a field that is not set stays")
		require.EqualValues(t, 2, got.GetLicensesAssigned())
		require.Equal(t, w.clock.Now(), got.GetUpdateTime().AsTime())
		require.NotEqual(t, w.account.GetEtag(), got.GetEtag())

		got, err = update(&licensev1.Account{}, "policy.soft_delete")
		require.NoError(t, err)
		require.False(t, got.GetPolicy().GetSoftDelete(), "named in the mask and not set means the zero value")
		require.Equal(t, time.Hour, got.GetPolicy().GetExtensionQuarantine().AsDuration())
		got, err = update(&licensev1.Account{}, "policy")
		require.NoError(t, err)
		require.Zero(t, got.GetPolicy().GetExtensionQuarantine().AsDuration())

		// A resource that is sent back as it was read, with a mask of all that it holds.
		stored := proto.CloneOf(got)
		stored.DisplayName = "Again"
		got, err = update(stored, "name", "display_name", "licenses_assigned", "create_time", "etag", "license_seats")
		require.NoError(t, err)
		require.Equal(t, "Again", got.GetDisplayName())
		require.EqualValues(t, 2, got.GetLicensesAssigned())
		_, err = update(stored, "display_name")
		requireReason(t, commonv1.Reason_ETAG_MISMATCH, err)

		_, err = update(&licensev1.Account{}, "display_name")
		requireReason(t, commonv1.Reason_FIELD_INVALID, err, "account.display_name")
		_, err = update(&licensev1.Account{}, "nonsense")
		requireReason(t, commonv1.Reason_FIELD_INVALID, err, "update_mask")
		_, err = update(&licensev1.Account{LicenseSeats: 11})
		requireReason(t, commonv1.Reason_PERMISSION_DENIED, err)

		_, err = w.accounts.UpdateAccount(w.operator, &licensev1.UpdateAccountRequest{Account: &licensev1.Account{Name: name, LicenseSeats: 1}})
		requireReason(t, commonv1.Reason_FIELD_INVALID, err, "account.license_seats")
		got, err = w.accounts.UpdateAccount(w.operator, &licensev1.UpdateAccountRequest{Account: &licensev1.Account{Name: name, LicenseSeats: 2}})
		require.NoError(t, err)
		require.EqualValues(t, 2, got.GetLicenseSeats(), "as many as are assigned")
		got, err = w.accounts.UpdateAccount(w.operator, &licensev1.UpdateAccountRequest{
			Account: &licensev1.Account{Name: name, DisplayName: "All", LicenseSeats: 5}, UpdateMask: mask("*"),
		})
		require.NoError(t, err)
		require.EqualValues(t, 5, got.GetLicenseSeats())
		_, err = w.accounts.UpdateAccount(w.operator, &licensev1.UpdateAccountRequest{Account: &licensev1.Account{Name: model.AccountName(uuid.New()), DisplayName: "x"}})
		requireReason(t, commonv1.Reason_NOT_FOUND, err)
	})
}
