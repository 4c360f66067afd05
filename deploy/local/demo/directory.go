package demo

import (
	"fmt"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
)

// domains are reserved for documentation (RFC 2606), so that no mail can ever reach a stranger.
var domains = []string{"example.com", "example.org", "example.net"}

// People makes n different people in the names of cultures, at most MaxPeople. The same n always gives the same people.
func People(n int) ([]gatewayclient.User, error) {
	if n > MaxPeople() {
		return nil, fmt.Errorf("%d people: there are names for %d", n, MaxPeople())
	}
	out := make([]gatewayclient.User, 0, n)
	for i := range n {
		c := cultures[i%len(cultures)]
		// Each round through the cultures takes the next pair of names, so that given and family names both change.
		round := i / len(cultures)
		given := c.given[round%len(c.given)]
		family := c.family[round%len(c.family)]
		out = append(out, gatewayclient.User{
			Email:      given.latin + "." + family.latin + "@" + domains[i%len(domains)],
			GivenName:  given.native,
			FamilyName: family.native,
		})
	}
	return out, nil
}

// MaxPeople is how many different people there are names for. The numbers of given and of family names have no common
// divisor, so that going through both at once meets every pair.
func MaxPeople() int {
	pairs := len(cultures[0].given) * len(cultures[0].family)
	return pairs * len(cultures)
}

// Rooms are the meeting rooms of the demonstration.
var Rooms = []string{"Boardroom", "Sala Camões", "会议室 3", "Køkkenet", "غرفة الاجتماعات"}

// Numbers makes n fictional direct numbers, at most 200, out of the blocks that the numbering authorities keep for drama:
// +1 202 555 0100–0199 (NANPA), +44 20 7946 0000–0999 and +44 1632 960000–960999 (Ofcom).
func Numbers(n int) []string {
	out := make([]string, 0, n)
	for i := range n {
		switch i % 4 {
		case 0, 1:
			out = append(out, fmt.Sprintf("+1202555%04d", 100+i/4*2+i%4))
		case 2:
			out = append(out, fmt.Sprintf("+442079460%03d", i/4))
		default:
			out = append(out, fmt.Sprintf("+441632960%03d", i/4))
		}
	}
	return out
}
