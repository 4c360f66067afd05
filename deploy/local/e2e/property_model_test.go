package e2e

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
)

// The states of a licence in the model. Those that a caller can see have the names of the contract.
const (
	pending, active, trashed, removed = "PENDING", "ACTIVE", "TRASHED", "REMOVED"
)

// none stands for no package, no site and so on in places where others are counted from 0.
const none = -1

// licence is a phone user as the model knows it.
type licence struct {
	name, state, ext string
	who              int // index of the person or room
	site, pkg        int
	numbers          []string
	ring             int // settings.ringSeconds, 0 where it is not set
	setUp            bool
	// resent is when the mail was sent again, zero for never. etag is that of the last answer, before that of the one before the last
	// change; text is what was seen with etag.
	resent             time.Time
	etag, before, text string
	// lapsed says that the tokens in the person's mails have expired.
	lapsed bool

	// trashedPkg and trashedNumbers are what a restore tries to give back.
	trashedPkg     int
	trashedNumbers []string
	// email and token are those of an invited person; token is empty until the mail was looked at.
	email, token string
	// confirmed says that an invited person has confirmed; page is the token of the set-up page, empty until the mail was looked at.
	confirmed bool
	page      string
}

// live says whether the licence takes a seat.
func (l *licence) live() bool { return l.state == pending || l.state == active }

// assignee is a person or room of the account.
type assignee struct {
	name    string
	email   string // empty for rooms
	display string
	room    bool
	pending bool // has not confirmed the account
}

// model is an account as it must be.
type model struct {
	*fixture
	trash bool // policy.softDelete
	// quarantine is whether the policy keeps what is given back out of use; out are the extensions and numbers that are kept out, each
	// with the phone user who had it last.
	quarantine bool
	out        map[string]string
	assignees  []assignee
	licences   []*licence
	// told is how often each phone user is told of what, as "name KIND".
	told map[string]int
	// kept are answers that are remembered under a request id.
	kept []keptCall
}

// keptCall is a call that worked under a request id, and its answer.
type keptCall struct {
	id      string
	request request
	answer  answer
}

// clone is a model that changes on its own.
func (m *model) clone() *model {
	c := *m
	c.assignees, c.told, c.kept, c.out = slices.Clone(m.assignees), map[string]int{}, slices.Clone(m.kept), maps.Clone(m.out)
	for k, v := range m.told {
		c.told[k] = v
	}
	c.licences = make([]*licence, len(m.licences))
	for i, l := range m.licences {
		own := *l
		own.numbers, own.trashedNumbers = slices.Clone(l.numbers), slices.Clone(l.trashedNumbers)
		c.licences[i] = &own
	}
	return &c
}

// licensed finds the living licence of a person or room.
func (m *model) licensed(who int) *licence {
	for _, l := range m.licences {
		if l.who == who && l.live() {
			return l
		}
	}
	return nil
}

// seatsFree counts licence seats.
func (m *model) seatsFree() int {
	free := licenceSeats
	for _, l := range m.licences {
		if l.live() {
			free--
		}
	}
	return free
}

// packageFree counts the seats of a package.
func (m *model) packageFree(pkg int) int {
	free := packageSeats[pkg]
	for _, l := range m.licences {
		if l.pkg == pkg {
			free--
		}
	}
	return free
}

// numberHolder finds who has a direct number.
func (m *model) numberHolder(number string) *licence {
	for _, l := range m.licences {
		if slices.Contains(l.numbers, number) {
			return l
		}
	}
	return nil
}

// extensionHolder finds who has an extension or has it kept.
func (m *model) extensionHolder(number string) *licence {
	for _, l := range m.licences {
		if l.ext == number && (l.state == active || l.state == trashed) {
			return l
		}
	}
	return nil
}

// extensionsFree counts the numbers of a site that can be given out.
func (m *model) extensionsFree(site int) int {
	free := 0
	for _, n := range extensionsOf[site] {
		if m.extensionHolder(n) == nil && m.out[n] == "" {
			free++
		}
	}
	return free
}

// takeExtension gives a licence the number that the answer names, if it may be given out at the site.
func (m *model) takeExtension(l *licence, number string, site int) error {
	if !slices.Contains(extensionsOf[site], number) {
		return fmt.Errorf("extension %q is none of the site's", number)
	}
	if h := m.extensionHolder(number); h != nil && h != l || m.out[number] != "" {
		return fmt.Errorf("extension %s was given out and is another's or in quarantine", number)
	}
	m.changeExtension(l, number)
	return nil
}

// refusal is what a call is answered that changes nothing.
type refusal struct {
	reason string
	fields []string // nil where they are not looked at
}

func refuse(reason string, fields ...string) *refusal { return &refusal{reason, fields} }

// refuseWhere refuses if any of the items is wrong, and names those by index.
func refuseWhere(n int, reason, list string, wrong func(i int) bool) *refusal {
	var fields []string
	for i := range n {
		if wrong(i) {
			fields = append(fields, fmt.Sprintf("%s[%d]", list, i))
		}
	}
	if fields == nil {
		return nil
	}
	return refuse(reason, fields...)
}

// first is the first refusal that there is. Later ones are looked for only if there is no earlier one.
func first(checks ...func() *refusal) *refusal {
	for _, check := range checks {
		if r := check(); r != nil {
			return r
		}
	}
	return nil
}

// sees compares a licence with a phone user as a caller sees it.
func (m *model) sees(l *licence, got gatewayclient.PhoneUser) error {
	want := gatewayclient.PhoneUser{
		Name: l.name, Assignee: m.assignees[l.who].name, State: l.state, ExtensionNumber: l.ext, Site: m.siteName(l.site),
		Package: m.packageName(l.pkg), PhoneNumbers: l.numbers, OutboundCalling: l.pkg != none, SetupComplete: l.setUp,
	}
	ring := 0
	if got.Settings != nil && got.Settings.RingSeconds != nil {
		ring = *got.Settings.RingSeconds
	}
	seen := gatewayclient.PhoneUser{
		Name: got.Name, Assignee: got.Assignee, State: got.State, ExtensionNumber: got.ExtensionNumber, Site: got.Site,
		Package: got.Package, PhoneNumbers: got.PhoneNumbers, OutboundCalling: got.OutboundCalling, SetupComplete: got.SetupComplete,
	}
	if fmt.Sprintf("%+v ring %d", want, l.ring) != fmt.Sprintf("%+v ring %d", seen, ring) {
		return fmt.Errorf("the phone user must be\n%+v ring %d and is\n%+v ring %d", want, l.ring, seen, ring)
	}
	return nil
}

// seesAll compares licences with phone users in the same order.
func (m *model) seesAll(ls []*licence, got []gatewayclient.PhoneUser) error {
	if len(got) != len(ls) {
		return fmt.Errorf("%d phone users are answered for %d", len(got), len(ls))
	}
	for i, l := range ls {
		if err := m.sees(l, got[i]); err != nil {
			return err
		}
	}
	return nil
}

// release is what a licence gives back, with or without its extension.
func (m *model) release(l *licence, ext bool) string {
	r := gatewayclient.Release{PhoneUser: l.name, Package: m.packageName(l.pkg), PhoneNumbers: l.numbers}
	if ext {
		r.ExtensionNumber = l.ext
	}
	return fmt.Sprintf("%+v", r)
}

// releases compares what was given back with what is held.
func (m *model) releases(ls []*licence, got []gatewayclient.Release, ext bool) error {
	if len(got) != len(ls) {
		return fmt.Errorf("%d releases are answered for %d phone users", len(got), len(ls))
	}
	for i, l := range ls {
		got[i].DisplayName = ""
		if want, is := m.release(l, ext), fmt.Sprintf("%+v", got[i]); want != is {
			return fmt.Errorf("given back must be\n%s and is\n%s", want, is)
		}
	}
	return nil
}

// give lets a licence hold what a restore finds for it, and answers what is gone.
func (m *model) give(l *licence) (missing restoration) {
	missing = restoration{PhoneUser: l.name, ExtensionNumber: l.ext}
	if l.trashedPkg != none {
		if l.trashedPkg != inactivePackage && m.packageFree(l.trashedPkg) > 0 {
			l.pkg = l.trashedPkg
		} else {
			missing.MissingPackage = m.packageName(l.trashedPkg)
		}
	}
	for _, n := range l.trashedNumbers {
		if l.pkg != none && m.numberHolder(n) == nil && (m.out[n] == "" || m.out[n] == l.name) {
			delete(m.out, n)
			l.numbers = append(l.numbers, n)
		} else {
			missing.MissingPhoneNumbers = append(missing.MissingPhoneNumbers, n)
		}
	}
	l.trashedPkg, l.trashedNumbers, l.state = none, nil, active
	return missing
}
