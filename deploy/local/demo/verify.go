package demo

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
)

// state is what the product says afterwards, all of it read through the gateway.
type state struct {
	account       gatewayclient.Account
	phoneUsers    []gatewayclient.PhoneUser
	notifications []gatewayclient.Notification
	packages      []gatewayclient.Package
	numbers       []gatewayclient.PhoneNumber
	ranges        []gatewayclient.ExtensionRange
	// mails are those that arrived at the sink, by address.
	mails map[string][]mail
}

// mail is what the sink says of a mail.
type mail struct {
	To      string `json:"to"`
	Subject string `json:"subject"`
	Text    string `json:"text"`
	HTML    string `json:"html"`
}

// awaitMails waits until no mail is on its way any more. Whether they got there is for verify to say.
func (r *run) awaitMails(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, mailDeadline)
	defer cancel()
	for {
		done := 0
		for _, state := range []string{"SENT", "FAILED"} {
			var page struct {
				TotalSize int `json:"totalSize"`
			}
			path := "/v1/" + r.account + "/notifications?pageSize=1&filter=" + url.QueryEscape("state = "+state)
			if err := r.admin.Get(ctx, path, &page); err != nil {
				return err
			}
			done += page.TotalSize
		}
		if done >= peopleCount {
			return nil
		}
		r.note(fmt.Sprintf("%d of %d mails are out …", done, peopleCount))
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d mails are out: %w", done, peopleCount, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// read collects what the product says.
func (r *run) read(ctx context.Context) (*state, error) {
	s := &state{}
	base := "/v1/" + r.account
	if err := r.admin.Get(ctx, base, &s.account); err != nil {
		return nil, err
	}
	var err error
	if s.phoneUsers, err = gatewayclient.List[gatewayclient.PhoneUser](ctx, r.admin, base+"/phoneUsers", "phoneUsers", nil); err != nil {
		return nil, err
	}
	if s.notifications, err = gatewayclient.List[gatewayclient.Notification](ctx, r.admin, base+"/notifications", "notifications", nil); err != nil {
		return nil, err
	}
	if s.packages, err = gatewayclient.List[gatewayclient.Package](ctx, r.admin, base+"/packages", "packages", nil); err != nil {
		return nil, err
	}
	if s.numbers, err = gatewayclient.List[gatewayclient.PhoneNumber](ctx, r.admin, base+"/phoneNumbers", "phoneNumbers", nil); err != nil {
		return nil, err
	}
	if s.ranges, err = gatewayclient.List[gatewayclient.ExtensionRange](ctx, r.admin, base+"/sites/-/extensionRanges", "extensionRanges", nil); err != nil {
		return nil, err
	}
	s.mails, err = r.readMails(ctx)
	return s, err
}

func (r *run) readMails(ctx context.Context) (map[string][]mail, error) {
	sink := gatewayclient.New(r.cfg.Mail, 1)
	defer sink.Close()
	var listed struct {
		Messages []mail `json:"messages"`
	}
	if err := sink.Get(ctx, "", &listed); err != nil {
		return nil, fmt.Errorf("reading the mails: %w", err)
	}
	out := map[string][]mail{}
	for _, m := range listed.Messages {
		out[m.To] = append(out[m.To], m)
	}
	return out, nil
}

// problems collects what is not as promised.
type problems []string

func (p *problems) check(ok bool, format string, args ...any) {
	if !ok {
		*p = append(*p, fmt.Sprintf(format, args...))
	}
}

// verify compares what the product says with what was asked of it.
func (r *run) verify(s *state) problems {
	var p problems
	total := peopleCount + len(r.rooms)
	p.check(len(s.phoneUsers) == total, "%d phone users are listed, %d were assigned", len(s.phoneUsers), total)
	p.check(s.account.LicensesAssigned == total, "the account counts %d licences, %d were assigned", s.account.LicensesAssigned, total)
	r.verifyPhoneUsers(s, &p)
	r.verifyBooks(s, &p)
	r.verifyMails(s, &p)
	return p
}

// verifyPhoneUsers looks at each phone user: state, extension, package, number.
func (r *run) verifyPhoneUsers(s *state, p *problems) {
	holders := map[string]string{}
	listed := map[string]gatewayclient.PhoneUser{}
	for _, u := range s.phoneUsers {
		listed[u.Name] = u
		p.check(u.State == "ACTIVE", "%s is %s", u.DisplayName, u.State)
		p.check(r.ownRange(u), "%s has extension %q, which is in no range of the site", u.DisplayName, u.ExtensionNumber)
		if other, taken := holders[u.ExtensionNumber]; taken {
			p.check(false, "extension %s belongs to %s and to %s", u.ExtensionNumber, other, u.DisplayName)
		}
		holders[u.ExtensionNumber] = u.DisplayName
		p.check(u.OutboundCalling == (u.Package != ""), "%s: outbound calling is %t with package %q", u.DisplayName, u.OutboundCalling, u.Package)
		var want []string
		if n := r.wantNumber[u.Name]; n != "" {
			want = []string{n}
		}
		p.check(slices.Equal(u.PhoneNumbers, want), "%s has the numbers %v instead of %v", u.DisplayName, u.PhoneNumbers, want)
	}
	for _, a := range r.assigned {
		u := listed[a.Name]
		p.check(u.Name != "" && u.ExtensionNumber == a.ExtensionNumber && u.Package == a.Package && u.Assignee == a.Assignee,
			"%s was answered as extension %s, package %q, and is listed as extension %s, package %q", a.DisplayName, a.ExtensionNumber, a.Package, u.ExtensionNumber, u.Package)
	}
}

// ownRange says whether a phone user's extension is one of the site's.
func (r *run) ownRange(u gatewayclient.PhoneUser) bool {
	n, err := strconv.Atoi(u.ExtensionNumber)
	if err != nil {
		return false
	}
	switch {
	case u.Site == r.nairobi.Name:
		return len(u.ExtensionNumber) == 4 && n >= 100 && n <= 499
	case len(u.ExtensionNumber) == 4:
		return u.Site == r.lisbon.Name && n >= 1000 && n <= 1099
	default:
		return u.Site == r.lisbon.Name && len(u.ExtensionNumber) == 5 && n >= 20000 && n <= 29999
	}
}

// verifyBooks looks at what the other services count: package seats, numbers, extensions.
func (r *run) verifyBooks(s *state, p *problems) {
	for _, pkg := range s.packages {
		p.check(pkg.Assigned == firstBatch, "package %s counts %d seats taken, %d were", pkg.DisplayName, pkg.Assigned, firstBatch)
	}
	assigned := 0
	for _, n := range s.numbers {
		if n.State == "ASSIGNED" {
			assigned++
			p.check(r.wantNumber[n.Assignee] == n.Number, "%s is assigned to %s", n.Number, n.Assignee)
		}
	}
	p.check(assigned == numberCount, "%d direct numbers are assigned, %d were handed out", assigned, numberCount)
	var used int64
	for _, rng := range s.ranges {
		used += rng.Used
	}
	p.check(used == int64(peopleCount+len(r.rooms)), "the extension ranges count %d numbers in use, %d were handed out", used, peopleCount+len(r.rooms))
}

// verifyMails looks at what each person was told: once, the right extension, a link.
func (r *run) verifyMails(s *state, p *problems) {
	told := map[string][]gatewayclient.Notification{}
	for _, n := range s.notifications {
		told[n.Recipient] = append(told[n.Recipient], n)
	}
	p.check(len(s.notifications) == peopleCount, "there are %d notifications for %d people", len(s.notifications), peopleCount)
	for _, u := range s.phoneUsers {
		if u.Kind == "ROOM" {
			continue
		}
		n := told[u.Email]
		if len(n) != 1 {
			p.check(false, "%s has %d notifications", u.Email, len(n))
			continue
		}
		p.check(n[0].State == "SENT" && n[0].Kind == "WELCOME", "the notification to %s is %s %s: %s", u.Email, n[0].Kind, n[0].State, n[0].LastError)
		m := s.mails[u.Email]
		if len(m) != 1 {
			p.check(false, "%d mails arrived for %s", len(m), u.Email)
			continue
		}
		p.check(strings.Contains(m[0].Text, u.ExtensionNumber), "the mail to %s does not tell the extension %s", u.Email, u.ExtensionNumber)
		p.check(strings.Contains(m[0].Text, "http") && strings.Contains(m[0].HTML, "href="), "the mail to %s has no link", u.Email)
	}
}
