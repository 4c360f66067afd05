package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
)

// tryExtension asks for another extension number.
func (tn *tenant) tryExtension(u gatewayclient.PhoneUser, number, etag string) (gatewayclient.PhoneUser, error) {
	var out gatewayclient.PhoneUser
	body := map[string]any{"extensionNumber": number}
	if etag != "" {
		body["etag"] = etag
	}
	err := tn.admin.Patch(tn.Context(), "/v1/"+u.Name+"?updateMask=extensionNumber", body, &out)
	return out, err
}

func TestSeed13_TheExtensionIsChangedAfterwards(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		two := tn.assign(tn.userNames(2)...)
		ada, bob := two[0], two[1]
		tn.settled()

		changed, err := tn.tryExtension(ada, "4242", ada.Etag)
		require.NoError(t, err)
		require.Equal(t, "4242", changed.ExtensionNumber)
		require.Equal(t, ada.Name, changed.Name, "the phone user stays the same")
		require.NotEqual(t, ada.Etag, changed.Etag)
		require.Equal(t, []string{"4242", bob.ExtensionNumber}, func() []string {
			held := []string{}
			for _, e := range tn.extensions() {
				held = append(held, e.Number)
			}
			slices.Sort(held)
			slices.Reverse(held)
			return held
		}(), "the old number is free and the new one taken")

		again, err := tn.tryExtension(ada, "4242", "")
		require.NoError(t, err, "what one has already is no change")
		require.Equal(t, "4242", again.ExtensionNumber)

		tn.unchanged(func() {
			_, err := tn.tryExtension(ada, "", "")
			require.Equal(t, map[string]string{"number": ""}, tn.refused(err, "EXTENSION_INVALID", "extensionNumber").Metadata)
			_, err = tn.patch(ada, "site,extensionNumber", map[string]any{"site": tn.main, "extensionNumber": ""})
			tn.refused(err, "EXTENSION_INVALID")
		})

		third := tn.one()
		require.Equal(t, ada.ExtensionNumber, third.ExtensionNumber, "the number given up is given to the next one")
	})
}

func TestSeed13_ATakenExtensionIsRefusedWithAlternatives(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 10)
		two := tn.assign(tn.userNames(2)...)
		ada, bob := two[0], two[1]
		var reserved struct{ Extensions []gatewayclient.Extension }
		require.NoError(t, tn.admin.Post(t.Context(), tn.path+"/extensions:reserve", map[string]any{"numbers": []string{"5000"}}, &reserved))
		tn.unchanged(func() {
			_, err := tn.tryExtension(ada, bob.ExtensionNumber, "")
			refusal := tn.refused(err, "EXTENSION_IN_USE", "extensionNumber")
			require.Equal(t, bob.ExtensionNumber, refusal.Metadata["number"])
			require.Equal(t, bob.Name, refusal.Metadata["holder"])
			alternatives := strings.Split(refusal.Metadata["alternatives"], ",")
			require.Len(t, alternatives, 3)
			for _, e := range tn.check(alternatives...) {
				require.Equal(t, "FREE", e.State, e.Number)
			}

			for number, reason := range map[string]string{
				"12": "EXTENSION_OUT_OF_RANGE", "10000": "EXTENSION_OUT_OF_RANGE", "12a4": "EXTENSION_INVALID", "1": "EXTENSION_INVALID",
				"12345678901": "EXTENSION_INVALID", "5000": "EXTENSION_RESERVED",
			} {
				_, err := tn.tryExtension(ada, number, "")
				refusal := tn.refused(err, reason, "extensionNumber")
				require.Equal(t, number, refusal.Metadata["number"])
			}
			_, err = tn.tryExtension(ada, "4242", `"somebody-was-faster"`)
			tn.refused(err, "ETAG_MISMATCH")
		})
		_, err := tn.tryExtension(ada, strings.Split(tn.alternatives(ada, bob), ",")[0], "")
		require.NoError(t, err, "an alternative can be had")
		tn.addUpNow()
	})
}

// alternatives asks for another one's number and answers what is offered instead.
func (tn *tenant) alternatives(u, holder gatewayclient.PhoneUser) string {
	tn.Helper()
	_, err := tn.tryExtension(u, holder.ExtensionNumber, "")
	return tn.refused(err, "EXTENSION_IN_USE").Metadata["alternatives"]
}

// addUpNow is addUp for accounts whose people were told of numbers that have changed since.
func (tn *tenant) addUpNow() {
	tn.Helper()
	for _, err := range tn.settled().disagreements() {
		require.NoError(tn, err)
	}
}

func TestSeed13_ExtensionsAreSwappedUnderConcurrency(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *stack.Stack) {
		tn := newTenant(t, s, 20)
		ten := tn.assign(tn.userNames(10)...)
		tn.settled()
		// All want the same number: one gets it, each other is told who has it.
		type result struct {
			err error
			who string
		}
		results := make(chan result, len(ten))
		for _, u := range ten {
			go func() {
				_, err := tn.tryExtension(u, "7777", "")
				results <- result{err, u.Name}
			}()
		}
		winner, refusals := "", []error{}
		for range ten {
			r := <-results
			if r.err == nil {
				require.Empty(t, winner, "only one can have it")
				winner = r.who
				continue
			}
			refusals = append(refusals, r.err)
		}
		require.NotEmpty(t, winner)
		for _, err := range refusals {
			require.Equal(t, winner, tn.refused(err, "EXTENSION_IN_USE").Metadata["holder"])
		}
		tn.addUpNow()
	})
}
