package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

func TestRangesAreKept(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newBareTenant(t, s, 5)
		ranges := "/v1/" + tn.main + "/extensionRanges"
		kept := tn.ranges(tn.main, "100", "109")
		err := tn.admin.Post(t.Context(), ranges, gatewayclient.ExtensionRange{From: "109", To: "120"}, nil)
		require.Equal(t, kept.Name, tn.refused(err, "RANGE_OVERLAP").Metadata["range"])

		two := tn.assign(tn.userNames(2)...)
		refusal := tn.refused(tn.admin.Delete(t.Context(), "/v1/"+kept.Name), "RANGE_IN_USE")
		require.Equal(t, map[string]string{"range": kept.Name, "used": "2"}, refusal.Metadata)
		var found gatewayclient.ExtensionRange
		require.NoError(t, tn.admin.Get(t.Context(), "/v1/"+kept.Name, &found))
		require.Equal(t, gatewayclient.ExtensionRange{Name: kept.Name, From: "100", To: "109", Size: 10, Used: 2}, found)

		tn.remove(two...)
		require.NoError(t, tn.admin.Delete(t.Context(), "/v1/"+kept.Name))
		tn.refused(tn.admin.Get(t.Context(), "/v1/"+kept.Name, nil), "NOT_FOUND")
		tn.refused(tn.admin.Delete(t.Context(), "/v1/"+kept.Name), "NOT_FOUND")
		tn.refused(tn.try("/phoneUsers:batchAssign", gatewayclient.AssignRequest{Assignees: []string{two[0].Assignee}}), "EXTENSION_RANGE_EXHAUSTED")
		tn.ranges(tn.main, "109", "120")
		require.Regexp(t, `^(109|11\d|120)$`, tn.one().ExtensionNumber)
	})
}

// lease is a block of a range that a replica hands numbers out of.
type lease struct {
	ExtensionRange, From, To, Holder string
	ExpireTime                       time.Time
	Used, Free                       int64 `json:",string"`
}

func TestLeasesAreForOperators(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newBareTenant(t, s, 5)
		kept := tn.ranges(tn.main, "1000", "1007")
		tn.assign(tn.userNames(3)...)
		tn.refused(tn.admin.Get(t.Context(), "/v1/extensionLeases", nil), "PERMISSION_DENIED")
		var own []lease
		tn.eventually(func() error {
			all, err := gatewayclient.List[lease](t.Context(), tn.operator, "/v1/extensionLeases", "extensionLeases", nil)
			if err != nil {
				return err
			}
			own = nil
			for _, l := range all {
				if l.ExtensionRange == kept.Name {
					own = append(own, l)
				}
			}
			if len(own) == 0 {
				return fmt.Errorf("none of %d leases is of the range", len(all))
			}
			return nil
		})
		require.Len(t, own, 1, "of so small a range there is one block")
		got := own[0]
		require.Equal(t, []string{"1000", "1007"}, []string{got.From, got.To})
		require.Equal(t, []int64{3, 5}, []int64{got.Used, got.Free})
		require.NotEmpty(t, got.Holder)
		require.True(t, got.ExpireTime.After(time.Now()), "it is renewed as long as its holder lives")
	})
}

func TestExtensionsAreChecked(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5).withTrash()
		two := tn.assign(tn.userNames(2)...)
		tn.trash(two[1])
		reserve := map[string]any{"numbers": []string{"5000"}}
		require.NoError(t, tn.try("/extensions:reserve", reserve))
		states := func(numbers ...string) (out []string) {
			for i, e := range tn.check(numbers...) {
				require.Equal(t, numbers[i], e.Number)
				out = append(out, strings.TrimSpace(e.State+" "+e.Holder))
			}
			return out
		}
		numbers := []string{two[0].ExtensionNumber, two[1].ExtensionNumber, "5000", "6000", "6000", "77", "x"}
		require.Equal(t, []string{
			"ASSIGNED " + two[0].Name, "HELD " + two[1].Name, "RESERVED", "FREE", "DUPLICATE_IN_LIST", "OUT_OF_RANGE", "INVALID",
		}, states(numbers...))
		_, err := tn.tryExtension(two[0], "5000", "")
		tn.refused(err, "EXTENSION_RESERVED", "extensionNumber")

		require.NoError(t, tn.try("/extensions:unreserve", reserve))
		require.Equal(t, []string{"FREE"}, states("5000"))
		_, err = tn.tryExtension(two[0], "5000", "")
		require.NoError(t, err)
		require.Equal(t, []string{"ASSIGNED " + two[0].Name, "FREE"}, states("5000", two[0].ExtensionNumber))
	})
}

func TestNumbersAreKept(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5)
		numbers := tn.numbers(3)
		u := tn.call(tn.one().Name, "assignPackage", map[string]any{"package": tn.pkg("Domestic", 1), "phoneNumbers": numbers[:1]})
		const another, missing = "+441632960777", "+441632960999"
		drop := func(numbers ...string) error {
			return tn.try("/phoneNumbers:batchDelete", map[string]any{"phoneNumbers": numbers})
		}
		tn.unchanged(func() {
			more := []gatewayclient.PhoneNumber{{Number: another}, {Number: numbers[2]}}
			refusal := tn.refused(tn.try("/phoneNumbers:batchCreate", map[string]any{"phoneNumbers": more}), "NUMBER_EXISTS", "phoneNumbers[1]")
			require.Equal(t, numbers[2], refusal.Metadata["number"])
			tn.refused(drop(numbers[1], numbers[0]), "NUMBER_NOT_AVAILABLE", "phoneNumbers[1]")
			tn.refused(drop(numbers[1], missing), "NOT_FOUND", "phoneNumbers[1]")
		})
		require.NoError(t, drop(numbers[1], numbers[2]))
		left := list[gatewayclient.PhoneNumber](tn, "/phoneNumbers", "phoneNumbers", nil)
		require.Len(t, left, 1)
		require.Equal(t, []string{numbers[0], "ASSIGNED", u.Name}, []string{left[0].Number, left[0].State, left[0].Assignee})
		tn.refused(tn.tryOn(u.Name, "assignPhoneNumbers", map[string]any{"phoneNumbers": numbers[1:2]}), "NUMBER_NOT_AVAILABLE", "phoneNumbers[0]")
		tn.addUp()
	})
}

func TestPackagesAreKept(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 5)
		pkg := tn.pkg("Domestic", 3)
		tn.pkg("International", 1)
		us := tn.assignWith(gatewayclient.AssignRequest{Assignees: tn.userNames(2), Site: tn.main, Package: pkg})
		want := gatewayclient.Package{Name: pkg, DisplayName: "Domestic", Kind: "domestic", Seats: 3, Assigned: 2, State: "ACTIVE"}
		read := func() (p gatewayclient.Package) {
			require.NoError(t, tn.admin.Get(t.Context(), "/v1/"+pkg, &p))
			return p
		}
		require.Equal(t, want, read())
		patch := func(mask string, body map[string]any) error {
			return tn.admin.Patch(t.Context(), "/v1/"+pkg+"?updateMask="+mask, body, nil)
		}
		tn.refused(patch("seats", map[string]any{"seats": 1}), "FIELD_INVALID", "seats")
		tn.refused(patch("displayName", map[string]any{"displayName": "international"}), "NAME_IN_USE")
		tn.refused(tn.admin.Get(t.Context(), "/v1/"+tn.unknown("packages"), nil), "NOT_FOUND")
		require.Equal(t, want, read())

		require.NoError(t, patch("seats,displayName", map[string]any{"seats": 2, "displayName": "National", "kind": "left out of the mask"}))
		want.Seats, want.DisplayName = 2, "National"
		require.Equal(t, want, read())
		third := tn.one()
		tn.refused(tn.tryOn(third.Name, "assignPackage", map[string]any{"package": pkg}), "PACKAGE_SEATS_EXHAUSTED", "name")
		tn.removePackages(map[string]any{"phoneUsers": names(us[:1])})
		tn.call(third.Name, "assignPackage", map[string]any{"package": pkg})
		tn.addUp()
	})
}

func TestSitesAreKept(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newBareTenant(t, s, 5)
		site := create(tn, "/sites", gatewayclient.Site{DisplayName: "Branch", SiteCode: "20"})
		var changed gatewayclient.Site
		require.NoError(t, tn.admin.Patch(t.Context(), "/v1/"+site.Name+"?updateMask=displayName", map[string]any{"displayName": "Filial", "siteCode": "99"}, &changed))
		site.DisplayName = "Filial"
		require.Equal(t, site, changed, "what the mask leaves out stays")
		var read gatewayclient.Site
		require.NoError(t, tn.admin.Get(t.Context(), "/v1/"+site.Name, &read))
		require.Equal(t, site, read)

		usedBy := func(site string) string {
			return tn.refused(tn.admin.Delete(t.Context(), "/v1/"+site), "RESOURCE_IN_USE").Metadata["used_by"]
		}
		require.Contains(t, usedBy(tn.main), "main site")
		numbers := tn.ranges(site.Name, "300", "309")
		require.Equal(t, "extension ranges", usedBy(site.Name))
		require.NoError(t, tn.admin.Delete(t.Context(), "/v1/"+numbers.Name))
		create(tn, "/rooms", gatewayclient.Room{DisplayName: "Sala", Site: site.Name})
		require.Equal(t, "rooms", usedBy(site.Name))

		empty := create(tn, "/sites", gatewayclient.Site{DisplayName: "Empty"})
		require.NoError(t, tn.admin.Delete(t.Context(), "/v1/"+empty.Name))
		tn.refused(tn.admin.Get(t.Context(), "/v1/"+empty.Name, nil), "NOT_FOUND")
		for _, left := range list[gatewayclient.Site](tn, "/sites", "sites", nil) {
			require.NotEqual(t, empty.Name, left.Name)
		}
	})
}
