package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
)

// call is an operation as it is drawn: indexes that mean something in whatever state the account is when it comes to it.
type call struct {
	Kind    string
	Who     []int
	Site    int
	Pkg     int
	Numbers []int
	Ext     int
	Ring    int
	Token   int
	// Preview asks with validateOnly; Keyed gives the call a request id; Flag is an etag of long ago, or a template.
	Preview, Keyed, Flag bool
}

// unknown is the index in a call of somebody who does not exist.
const unknown = 11

// callKinds are the operations, as often as they are to be drawn.
var callKinds = []string{
	"assign", "assign", "assign", "assign", "invite", "confirm", "assignPackage", "assignPackage", "assignPackage", "batchAssignPackage",
	"assignPhoneNumbers", "assignPhoneNumbers", "unassignPhoneNumbers", "patchExtension", "patchExtension", "patchSite", "patchBoth", "patchSettings",
	"batchRemovePackages", "batchRemove", "batchRemove", "batchTrash", "batchTrash", "batchRestore", "batchRestore", "policy", "repeat", "reuse",
}

// drawCall draws an operation with what it needs.
func drawCall(t *rapid.T) call {
	c := call{Kind: rapid.SampledFrom(callKinds).Draw(t, "kind"), Site: none, Pkg: none}
	who := rapid.IntRange(0, unknown)
	switch c.Kind {
	case "policy", "invite", "repeat", "reuse":
	case "assign", "batchAssignPackage", "batchRemovePackages", "batchRemove", "batchTrash", "batchRestore":
		c.Who = rapid.SliceOfN(who, 0, 3).Draw(t, "who")
		c.Preview = rapid.IntRange(0, 5).Draw(t, "preview") == 5
		c.Keyed = !c.Preview && rapid.IntRange(0, 3).Draw(t, "keyed") == 3
	default:
		c.Who = []int{who.Draw(t, "who")}
	}
	switch c.Kind {
	case "assign", "invite", "patchSite", "patchBoth":
		c.Site = rapid.SampledFrom([]int{0, 0, 0, 1, 1, 1, none, unknownSite}).Draw(t, "site")
	}
	switch c.Kind {
	case "assign":
		c.Pkg = rapid.SampledFrom([]int{none, none, none, 0, 0, 1, 1, inactivePackage, unknownPackage}).Draw(t, "package")
		c.Flag = rapid.IntRange(0, 3).Draw(t, "template") == 3
	case "assignPackage", "batchAssignPackage":
		c.Pkg = rapid.SampledFrom([]int{0, 0, 0, 1, 1, 1, inactivePackage, unknownPackage}).Draw(t, "package")
	case "patchExtension", "patchBoth":
		c.Ext = rapid.IntRange(0, 11).Draw(t, "extension")
	case "patchSettings":
		c.Ring = rapid.SampledFrom([]int{20, 30, 4000}).Draw(t, "ring")
	case "confirm":
		c.Token = rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "token")
	}
	switch c.Kind {
	case "assignPackage":
		c.Numbers = rapid.SliceOfN(rapid.IntRange(0, 5), 0, 2).Draw(t, "numbers")
		c.Keyed = rapid.IntRange(0, 3).Draw(t, "keyed") == 3
	case "assignPhoneNumbers", "unassignPhoneNumbers":
		c.Numbers = rapid.SliceOfN(rapid.IntRange(0, 5), 0, 2).Draw(t, "numbers")
	case "patchExtension", "patchSite", "patchSettings":
		c.Flag = rapid.IntRange(0, 5).Draw(t, "stale") == 5
	}
	return c
}

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

// person finds the person or room that an index means; -1 for nobody.
func (m *model) person(i int) int {
	if i == unknown {
		return none
	}
	return i % len(m.assignees)
}

// licence finds the licence that an index means, nil for none.
func (m *model) licence(i int) *licence {
	if i == unknown || len(m.licences) == 0 {
		return nil
	}
	return m.licences[i%len(m.licences)]
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
		if p := m.person(w); p != none {
			names[i] = m.assignees[p].name
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
	if c.Flag {
		r.body["etag"] = `"of-long-ago"`
	}
	r.method, r.path = http.MethodPatch, fmt.Sprintf("/v1/%s?updateMask=%s", m.licenceNames(c)[0], mask[1:])
}
