package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
)

// request is a call as it goes to the gateway.
type request struct {
	client       *gatewayclient.Client
	reader       *gatewayclient.Client
	method, path string
	body         map[string]any
	// list and person say what the answer is if not a phone user alone. then is a phone user to read afterwards.
	list, person bool
	then         string
}

// answer is what comes back, whatever the method.
type answer struct {
	PhoneUsers   []gatewayclient.PhoneUser
	Releases     []gatewayclient.Release
	Restorations []restoration
	// User is a person that was added.
	User gatewayclient.User
}

// send sends a request and reads its answer.
func (r request) send(ctx context.Context) (answer, error) {
	var a answer
	if r.list {
		return a, r.client.Do(ctx, r.method, r.path, r.body, &a)
	}
	a.PhoneUsers = make([]gatewayclient.PhoneUser, 1)
	if !r.person {
		return a, r.client.Do(ctx, r.method, r.path, r.body, &a.PhoneUsers[0])
	}
	err := r.client.Do(ctx, r.method, r.path, r.body, &a.User)
	if err == nil && r.then != "" {
		err = r.reader.Get(ctx, r.then, &a.PhoneUsers[0])
	}
	return a, err
}

// anybody is the index in a call from which on it means all of a kind, not only those for whom the call is likely to work.
const anybody = 8

// resolve answers the call with what its indexes mean now: those of assignees or licences, or none. Confirmations stay as they are.
func (m *model) resolve(c call) call {
	if c.Kind == "confirm" {
		return c
	}
	likely, all := m.likely(c), len(m.licences)
	if c.Kind == "assign" || c.Kind == "import" {
		all = len(m.assignees)
	}
	drawn := c.Who
	c.Who = make([]int, len(drawn))
	for i, w := range drawn {
		switch {
		case w == unknown || all == 0:
			c.Who[i] = none
		case w < anybody && len(likely) > 0:
			c.Who[i] = likely[w%len(likely)]
		default:
			c.Who[i] = w % all
		}
	}
	if c.Kind == "unassignPhoneNumbers" && c.Who[0] != none {
		c.Numbers = m.licences[c.Who[0]].resolveNumbers(c.Numbers)
	}
	return c
}

// resolveNumbers makes indexes of numbers that exist mean those that the licence has, as far as it has any.
func (l *licence) resolveNumbers(indexes []int) []int {
	out := slices.Clone(indexes)
	for i, n := range indexes {
		if n < 4 && len(l.numbers) > 0 {
			out[i] = slices.Index(directNumbers, l.numbers[n%len(l.numbers)])
		}
	}
	return out
}

// likely are those for whom a call can work.
func (m *model) likely(c call) []int {
	var out []int
	if c.Kind == "assign" || c.Kind == "import" {
		for who := range m.assignees {
			if m.assignees[who].pending || m.licensed(who) != nil {
				continue
			}
			out = append(out, who)
			for _, l := range m.licences { // who has one in the trash is the more interesting
				if l.who == who && l.state == trashed {
					out = append(out, who, who, who)
				}
			}
		}
		return out
	}
	for i, l := range m.licences {
		fits := l.state == active
		switch c.Kind {
		case "invite", "confirm", "policy", "repeat", "reuse", "quarantine", "advance", "template":
			fits = false
		case "resend":
			fits = l.live() && !l.setUp && l.resent.IsZero() && !m.assignees[l.who].room
		case "setup":
			fits = fits && !m.assignees[l.who].room
		case "batchRestore":
			fits = l.state == trashed
		case "batchTrash":
			fits = fits && !m.assignees[l.who].room
		case "batchRemove":
			fits = l.state == trashed || fits && (!m.trash || m.assignees[l.who].room)
		case "assignPhoneNumbers":
			fits = l.pkg != none
		case "unassignPhoneNumbers":
			fits = len(l.numbers) > 0
		}
		if fits {
			out = append(out, i)
		}
	}
	return out
}

// licence is the i-th one, nil for none.
func (m *model) licence(i int) *licence {
	if i == none {
		return nil
	}
	return m.licences[i]
}

// invited finds the invited person's licence that an index means, nil for none.
func (m *model) invited(i int) *licence {
	all := slices.DeleteFunc(slices.Clone(m.licences), func(l *licence) bool { return l.email == "" })
	if i == unknown || len(all) == 0 {
		return nil
	}
	return all[i%len(all)]
}

// licenceNames are the phone users that a call names.
func (m *model) licenceNames(c call) []string {
	names := make([]string, len(c.Who))
	for i, w := range c.Who {
		names[i] = m.nobody
		if l := m.licence(w); l != nil {
			names[i] = l.name
		}
	}
	return names
}

// assigneeNames are the people and rooms that a call names.
func (m *model) assigneeNames(c call) []string {
	names := make([]string, len(c.Who))
	for i, w := range c.Who {
		names[i] = m.noPerson
		if w != none {
			names[i] = m.assignees[w].name
		}
	}
	return names
}

func (m *model) numberNames(c call) []string {
	names := make([]string, len(c.Numbers))
	for i, n := range c.Numbers {
		names[i] = directNumbers[n]
	}
	return names
}

// wish is the extension that a call asks for.
func (m *model) wish(c call) string {
	if c.Ext == noExtension {
		return ""
	}
	if l := m.licence(c.Who[0]); c.Ext == ownExtension && l != nil && l.ext != "" {
		return l.ext
	}
	return wishes[c.Ext]
}

// prepare makes the request of a call that is neither "repeat" nor "reuse".
func (m *model) prepare(ctx context.Context, c call) (request, error) {
	r := request{client: m.tn.admin, method: http.MethodPost, body: map[string]any{}}
	if c.Preview {
		r.body["validateOnly"] = true
	}
	if c.Keyed {
		r.body["requestId"] = uuid.NewString()
	}
	set := func(key, value string) {
		if value != "" {
			r.body[key] = value
		}
	}
	switch c.Kind {
	case "quarantine":
		m.prepareQuarantine(&r, !m.quarantine)
	case "template":
		r.method, r.path = http.MethodPatch, "/v1/"+m.template+"?updateMask=settings.ringSeconds"
		r.body["settings"] = map[string]any{"ringSeconds": c.Ring}
	case "resend":
		r.path = "/v1/" + m.licenceNames(c)[0] + ":resendInvite"
	case "setup":
		return m.prepareSetup(ctx, c, r)
	case "policy":
		r.method, r.path = http.MethodPatch, m.tn.path+"?updateMask=policy.softDelete"
		r.body["policy"] = gatewayclient.Policy{SoftDelete: !m.trash}
	case "invite":
		return m.prepareInvite(c, r), nil
	case "confirm":
		return m.prepareConfirm(ctx, c, r)
	case "assign":
		r.path, r.list, r.body["assignees"] = m.tn.path+"/phoneUsers:batchAssign", true, m.assigneeNames(c)
		set("site", m.siteName(c.Site))
		set("package", m.packageName(c.Pkg))
		if c.Flag {
			r.body["template"] = m.template
		}
	case "assignPackage", "assignPhoneNumbers", "unassignPhoneNumbers":
		r.path, r.body["phoneNumbers"] = "/v1/"+m.licenceNames(c)[0]+":"+c.Kind, m.numberNames(c)
		set("package", m.packageName(c.Pkg))
	case "patchExtension", "patchSite", "patchBoth", "patchSettings":
		m.preparePatch(c, &r)
	default:
		r.path, r.list, r.body["phoneUsers"] = m.tn.path+"/phoneUsers:"+c.Kind, true, m.licenceNames(c)
		set("package", m.packageName(c.Pkg))
	}
	return r, nil
}

func (m *model) prepareInvite(c call, r request) request {
	r.path, r.person = m.tn.path+"/users", true
	r.body["email"] = "invited." + uuid.NewString() + "@" + m.tn.domain
	r.body["features"] = []string{"PHONE"}
	if site := m.siteName(c.Site); site != "" {
		r.body["site"] = site
	}
	return r
}

func (m *model) prepareConfirm(ctx context.Context, c call, r request) (request, error) {
	l, user := m.invited(c.Who[0]), m.noPerson
	r.client, r.reader, r.person, r.body["token"] = m.tn.anonymous, m.tn.admin, true, "made.up.token"
	tokenOf := l
	if c.Token == 2 {
		tokenOf = m.invited(c.Who[0] + 1)
	}
	if l != nil {
		user, r.then = m.assignees[l.who].name, "/v1/"+l.name
	}
	if tokenOf != nil && c.Token != 1 {
		token, err := m.tokenOf(ctx, tokenOf)
		if err != nil {
			return r, err
		}
		r.body["token"] = token
	}
	r.path = "/v1/" + user + ":confirm"
	return r, nil
}

// preparePatch makes a change of the phone user itself.
func (m *model) preparePatch(c call, r *request) {
	mask := ""
	if c.Kind == "patchExtension" || c.Kind == "patchBoth" {
		mask, r.body["extensionNumber"] = mask+",extensionNumber", m.wish(c)
	}
	if c.Kind == "patchSite" || c.Kind == "patchBoth" {
		mask, r.body["site"] = mask+",site", m.siteName(c.Site)
	}
	if c.Kind == "patchSettings" {
		mask, r.body["settings"] = ",settings.ringSeconds", map[string]any{"ringSeconds": c.Ring}
	}
	if etag := m.etag(c); etag != "" {
		r.body["etag"] = etag
	}
	r.method, r.path = http.MethodPatch, fmt.Sprintf("/v1/%s?updateMask=%s", m.licenceNames(c)[0], mask[1:])
}
