package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
)

// hand is one caller of the mixed load. It acts on people of its own, one call after the other, so that it knows what must have become
// of them, while all hands together share seats, extensions and packages.
type hand struct {
	*mix
	number int
	people []*person
	// told is how often people are to be told of what, as "address KIND".
	told map[string]int
}

// person is what a hand knows of somebody.
type person struct {
	user, email, phoneUser, state string

	site, pkg string
	ext       string // empty where the system chose it
	numbers   []string
	ring      int
	setUp     bool
}

// seen is the person as a list shows it.
func (p *person) seen() string {
	return fmt.Sprintf("%s at %s, ext %q, %q %v, ring %d, set up %t", p.state, p.site, p.ext, p.pkg, p.numbers, p.ring, p.setUp)
}

// seenAs is a phone user in the same words. An extension that was chosen by the system is whatever it is.
func seenAs(u gatewayclient.PhoneUser, ext string) string {
	p := person{
		state: u.State, site: u.Site, pkg: u.Package, numbers: slices.Sorted(slices.Values(u.PhoneNumbers)), setUp: u.SetupComplete,
	}
	if ext != "" {
		p.ext = u.ExtensionNumber
	}
	if u.Settings != nil && u.Settings.RingSeconds != nil {
		p.ring = *u.Settings.RingSeconds
	}
	return p.seen()
}

// keyed makes a call under a request id.
func (h *hand) keyed(ctx context.Context, path string, body map[string]any, out any) error {
	body = maps.Clone(body)
	body["requestId"] = uuid.NewString()
	return h.insist(ctx, func() error { return h.admin.Post(ctx, path, body, out) })
}

// batch makes a batch call about phone users.
func (h *hand) batch(ctx context.Context, method string, people ...*person) error {
	var names []string
	for _, p := range people {
		names = append(names, p.phoneUser)
	}
	if err := h.keyed(ctx, h.path+"/phoneUsers:"+method, map[string]any{"phoneUsers": names}, nil); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	return nil
}

// one makes a call about one phone user.
func (h *hand) one(ctx context.Context, p *person, method string, body map[string]any) error {
	if err := h.keyed(ctx, "/v1/"+p.phoneUser+":"+method, body, nil); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	return nil
}

// patch changes a phone user. The call has no request id: it says how things shall be, so that it can be repeated, and so can one that
// meets the end of its own first try.
func (h *hand) patch(ctx context.Context, p *person, mask string, body map[string]any) error {
	err := h.insist(ctx, func() error {
		err := h.admin.Patch(ctx, "/v1/"+p.phoneUser+"?updateMask="+mask, body, nil)
		if gatewayclient.Reason(err) == "ETAG_MISMATCH" {
			return errors.New("changed by an earlier try")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("PATCH %s: %w", mask, err)
	}
	return nil
}

// round does everything once, with new people.
func (h *hand) round(ctx context.Context) error {
	people, err := h.newPeople(ctx, 4)
	if err != nil {
		return fmt.Errorf("adding people: %w", err)
	}
	for _, step := range []func(context.Context, []*person) error{
		h.makesRoom, h.assigns, h.moves, h.changesHoldings, h.bins, h.setsUp, h.resends, h.invites, h.imports, h.ends,
	} {
		if err := step(ctx, people); err != nil {
			return err
		}
	}
	return nil
}

// wish is the extension and numbers the direct numbers that this hand's people get, one round after the other.
func (h *hand) wish() string { return fmt.Sprint(9000 + h.number) }

func (h *hand) numbers() []string {
	return []string{fmt.Sprintf("+441632960%03d", 2*h.number), fmt.Sprintf("+441632960%03d", 2*h.number+1)}
}

// makesRoom removes whoever has the extension and a number since the last round.
func (h *hand) makesRoom(ctx context.Context, _ []*person) error {
	i := slices.IndexFunc(h.people, func(p *person) bool { return p.ext == h.wish() && p.state == active })
	if i < 0 {
		return nil
	}
	p := h.people[i]
	p.state = removed
	return errors.Join(h.batch(ctx, "batchTrash", p), h.batch(ctx, "batchRemove", p))
}

// newPeople adds people to the directory.
func (h *hand) newPeople(ctx context.Context, n int) ([]*person, error) {
	var users []gatewayclient.User
	for range n {
		users = append(users, gatewayclient.User{Email: uuid.NewString() + "@" + h.domain})
	}
	var made struct{ Users []gatewayclient.User }
	if err := h.keyed(ctx, h.path+"/users:batchCreate", map[string]any{"users": users}, &made); err != nil {
		return nil, err
	}
	var people []*person
	for _, u := range made.Users {
		people = append(people, &person{user: u.Name, email: u.Email})
	}
	return people, nil
}

// licensed notes that somebody has a licence now.
func (h *hand) licensed(p *person, phoneUser, pkg, mail string) {
	p.phoneUser, p.state, p.site, p.pkg = phoneUser, active, h.main, pkg
	h.people = append(h.people, p)
	h.told[p.email+" "+mail]++
}

// assigns gives licences and packages to all but the last.
func (h *hand) assigns(ctx context.Context, ps []*person) error {
	req := gatewayclient.AssignRequest{Site: h.main, Package: h.domestic, RequestID: uuid.NewString()}
	for _, p := range ps[:3] {
		req.Assignees = append(req.Assignees, p.user)
	}
	var got []gatewayclient.PhoneUser
	if err := h.insist(ctx, func() (err error) {
		got, err = h.admin.Assign(ctx, h.account, req)
		return err
	}); err != nil {
		return fmt.Errorf("assigning: %w", err)
	}
	for i, u := range got {
		h.licensed(ps[i], u.Name, h.domestic, "WELCOME")
	}
	return nil
}

// moves gives the first another extension, and the second another site.
func (h *hand) moves(ctx context.Context, ps []*person) error {
	wish := h.wish()
	ps[0].ext, ps[1].site = wish, h.branch
	return errors.Join(
		h.patch(ctx, ps[0], "extensionNumber", map[string]any{"extensionNumber": wish}),
		h.patch(ctx, ps[1], "site", map[string]any{"site": h.branch}),
	)
}

// changesHoldings gives numbers to the first two, another package to the second, and takes what the third has.
func (h *hand) changesHoldings(ctx context.Context, ps []*person) error {
	numbers := h.numbers()
	ps[0].numbers, ps[1].numbers, ps[1].pkg, ps[2].pkg = numbers[:1], numbers[1:], h.international, ""
	mine := map[string]any{"phoneNumbers": numbers[:1]}
	return errors.Join(
		h.one(ctx, ps[0], "assignPhoneNumbers", mine),
		h.one(ctx, ps[0], "unassignPhoneNumbers", mine),
		h.one(ctx, ps[0], "assignPhoneNumbers", mine),
		h.one(ctx, ps[1], "assignPackage", map[string]any{"package": h.international, "phoneNumbers": numbers[1:]}),
		h.batch(ctx, "batchRemovePackages", ps[2]),
	)
}

// bins moves two to the trash; one comes back with everything, the other is removed.
func (h *hand) bins(ctx context.Context, ps []*person) error {
	ps[2].state = removed
	return errors.Join(
		h.batch(ctx, "batchTrash", ps[1], ps[2]),
		h.batch(ctx, "batchRestore", ps[1]),
		h.batch(ctx, "batchRemove", ps[2]),
	)
}

// token waits for the nth mail to an address and takes the token out of it.
func (h *hand) token(ctx context.Context, to string, n int) (token string, err error) {
	err = await(ctx, func() error {
		mails := h.mails(to)
		if len(mails) < n {
			return fmt.Errorf("%s has %d mails of %d", to, len(mails), n)
		}
		found := tokenInLink.FindStringSubmatch(mails[len(mails)-n].Text)
		if found == nil {
			return errors.New("the mail has no link")
		}
		token = found[1]
		return nil
	})
	return token, err
}

// setsUp lets the first complete the set-up page.
func (h *hand) setsUp(ctx context.Context, ps []*person) error {
	token, err := h.token(ctx, ps[0].email, 1)
	if err != nil {
		return err
	}
	ps[0].setUp, ps[0].ring = true, 33
	body := map[string]any{"token": token, "settings": map[string]any{"ringSeconds": 33}}
	if err := h.insist(ctx, func() error { return h.anonymous.Post(ctx, "/v1/phoneUserSetup:complete", body, nil) }); err != nil {
		return fmt.Errorf("completing the set-up: %w", err)
	}
	return nil
}

// resends sends the second the mail again. The call has no request id; the cool-down keeps a repeated one from acting twice.
func (h *hand) resends(ctx context.Context, ps []*person) error {
	h.told[ps[1].email+" WELCOME"]++
	err := h.insist(ctx, func() error { return h.admin.Post(ctx, "/v1/"+ps[1].phoneUser+":resendInvite", map[string]any{}, nil) }, "RESEND_TOO_SOON")
	if err != nil {
		return fmt.Errorf("resending: %w", err)
	}
	return nil
}

// invites adds somebody with a phone, who confirms.
func (h *hand) invites(ctx context.Context, _ []*person) error {
	user := gatewayclient.User{Email: uuid.NewString() + "@" + h.domain, Features: []string{"PHONE"}, Site: h.main}
	path := h.path + "/users?requestId=" + uuid.NewString()
	var made gatewayclient.User
	if err := h.insist(ctx, func() error { return h.admin.Post(ctx, path, user, &made) }); err != nil {
		return fmt.Errorf("inviting: %w", err)
	}
	token, err := h.token(ctx, made.Email, 1)
	if err != nil {
		return err
	}
	h.told[made.Email+" INVITATION"]++
	if err := h.insist(ctx, func() error {
		return h.anonymous.Post(ctx, "/v1/"+made.Name+":confirm", map[string]any{"token": token}, nil)
	}); err != nil {
		return fmt.Errorf("confirming: %w", err)
	}
	h.licensed(&person{user: made.Name, email: made.Email}, made.PhoneUser, "", "CONFIRMED")
	return nil
}

// imports gives the last a licence and takes the second's package, by a file.
func (h *hand) imports(ctx context.Context, ps []*person) error {
	csv := fmt.Sprintf("email,site,package\n%s,Main site,Domestic\n%s,,-\n", ps[3].email, ps[1].email)
	var op operation
	if err := h.keyed(ctx, h.path+"/phoneUsers:import", map[string]any{"csv": []byte(csv)}, &op); err != nil {
		return fmt.Errorf("importing: %w", err)
	}
	if err := await(ctx, func() error {
		var now operation
		if err := h.admin.Get(ctx, "/v1/"+op.Name, &now); err != nil {
			return err
		}
		if !now.Done {
			return fmt.Errorf("the import is not done: %+v", now.Metadata)
		}
		return nil
	}); err != nil {
		return err
	}
	var rows []importRow
	if err := h.insist(ctx, func() (err error) {
		rows, err = gatewayclient.List[importRow](ctx, h.admin, "/v1/"+op.Name+"/rows", "rows", nil)
		return err
	}); err != nil {
		return fmt.Errorf("reading the rows: %w", err)
	}
	if len(rows) != 2 || rows[0].Outcome != "ASSIGNED" || rows[1].Outcome != "UPDATED" {
		return fmt.Errorf("the rows became %+v", rows)
	}
	h.licensed(ps[3], rows[0].PhoneUser, h.domestic, "WELCOME")
	ps[1].pkg, ps[1].numbers = "", nil
	return nil
}

// ends leaves the second in the trash.
func (h *hand) ends(ctx context.Context, ps []*person) error {
	ps[1].state = trashed
	return h.batch(ctx, "batchTrash", ps[1])
}
