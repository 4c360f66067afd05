package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
)

// The etags that a change can come with: none, one that never was, that of the last answer, and that of an answer before the last change.
const (
	noEtag = iota
	etagOfLongAgo
	etagOfNow
	etagBefore
)

// etag is what a call sends.
func (m *model) etag(c call) string {
	l := m.licence(c.Who[0])
	switch {
	case c.Etag == etagOfLongAgo:
		return `"of-long-ago"`
	case l == nil:
		return ""
	case c.Etag == etagOfNow:
		return l.etag
	case c.Etag == etagBefore:
		return l.before
	}
	return ""
}

// noteEtags keeps the etags of an answer. What looks different has another etag. A repeated mail changes the etag and does not answer it.
func (m *model) noteEtags(c call, a answer) error {
	if c.Kind == "resend" {
		if l := m.resent(c); l.etag != "" {
			l.before, l.etag = l.etag, ""
		}
		return nil
	}
	for _, got := range a.PhoneUsers {
		i := slices.IndexFunc(m.licences, func(l *licence) bool { return l.name == got.Name })
		if i < 0 {
			continue
		}
		l, text := m.licences[i], seenAs(got, got.ExtensionNumber)
		switch {
		case got.Etag == "":
			return fmt.Errorf("%s has no etag", got.Name)
		case got.Etag == l.etag && text != l.text:
			return fmt.Errorf("%s was %s, is %s, and has the same etag", got.Name, l.text, text)
		case got.Etag != l.etag && l.etag != "":
			l.before = l.etag
		}
		l.etag, l.text = got.Etag, text
	}
	return nil
}

// resent is whose mail a call sends again, nil for nobody's and for other calls.
func (m *model) resent(c call) *licence {
	if c.Kind != "resend" {
		return nil
	}
	return m.licence(c.Who[0])
}

// mail is the mail that a person gets now, as "name KIND".
func (l *licence) mail() string {
	switch {
	case l.state == pending:
		return l.name + " INVITATION"
	case l.email != "":
		return l.name + " CONFIRMED"
	}
	return l.name + " WELCOME"
}

// now is the time of the services.
func (f *fixture) now() time.Time {
	if f.clock != nil {
		return f.clock.Now()
	}
	return time.Now()
}

// chance says whether something is so.
type chance int

const (
	no chance = iota
	maybe
	yes
)

// coolingDown says whether a mail was sent again within the last minute. Where time passes by itself, that is not always known.
func (m *model) coolingDown(l *licence) chance {
	since := m.now().Sub(l.resent)
	switch {
	case l.resent.IsZero(), since > 2*time.Minute:
		return no
	case m.clock == nil && since > 30*time.Second:
		return maybe
	}
	return yes
}

func (m *model) refusesResend(c call) *refusal {
	l := m.licence(c.Who[0])
	switch {
	case l == nil, l.state == removed:
		return refuse("NOT_FOUND")
	case !l.live(), m.assignees[l.who].room:
		return refuse("LICENSE_REQUIRED")
	case l.setUp:
		return refuse("ALREADY_SET_UP")
	case m.coolingDown(l) == yes:
		return refuse("RESEND_TOO_SOON")
	}
	return nil
}

func (m *model) applyResend(l *licence) {
	l.resent = m.now()
	m.told[l.mail()]++
}

// hasPage says whether there is a mail whose link leads to the set-up page.
func (m *model) hasPage(l *licence) bool {
	if l == nil || m.assignees[l.who].room || l.state == pending {
		return false
	}
	// Who was invited and removed before confirming got no such mail.
	return l.email == "" || l.confirmed
}

func (m *model) refusesSetup(c call) *refusal {
	l := m.licence(c.Who[0])
	switch {
	case c.Ring > 120:
		return refuse("FIELD_INVALID")
	case c.Token == 1, !m.hasPage(l), l.lapsed:
		return refuse("TOKEN_INVALID")
	case l.state != active:
		return refuse("LICENSE_REQUIRED")
	}
	wish := m.wish(c)
	switch {
	case wish == "", wish == l.ext:
		return nil
	case l.email == "":
		return refuse("FIELD_INVALID")
	}
	return m.refusesWish(l, wish, l.site)
}

// prepareSetup saves the set-up page with the token of the person's own mail, or a made-up one.
func (m *model) prepareSetup(ctx context.Context, c call, r request) (request, error) {
	l, token := m.licence(c.Who[0]), "made.up.token"
	if c.Token == 0 && m.hasPage(l) {
		var err error
		if token, err = m.pageToken(ctx, l); err != nil {
			return r, err
		}
	}
	r.client, r.reader, r.person, r.path = m.tn.anonymous, m.tn.admin, true, "/v1/phoneUserSetup:complete"
	r.body["token"], r.body["settings"] = token, map[string]any{"ringSeconds": c.Ring}
	if wish := m.wish(c); wish != "" {
		r.body["extensionNumber"] = wish
	}
	if l != nil {
		r.then = "/v1/" + l.name
	}
	return r, nil
}

// pageToken takes the token out of the first mail to a person that leads to the set-up page, and waits for the mail.
func (m *model) pageToken(ctx context.Context, l *licence) (string, error) {
	if l.page != "" {
		return l.page, nil
	}
	err := await(ctx, func() error {
		var page struct{ Notifications []gatewayclient.Notification }
		if err := m.tn.admin.Get(ctx, m.tn.path+"/notifications?pageSize=200", &page); err != nil {
			return err
		}
		for _, n := range slices.Backward(page.Notifications) { // oldest first
			if n.PhoneUser != l.name || n.Kind == "INVITATION" {
				continue
			}
			for _, mail := range m.tn.mails(n.Recipient) {
				found := tokenInLink.FindStringSubmatch(mail.Text)
				if strings.Contains(mail.MessageID, id(n.Name)) && found != nil {
					l.page = found[1]
					return nil
				}
			}
			break
		}
		return errors.New("the mail with the set-up page has not come")
	})
	return l.page, err
}
