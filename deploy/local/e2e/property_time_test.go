package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
	"github.com/switchboard-phone/switchboard/deploy/local/stack"
	"github.com/switchboard-phone/switchboard/services/license"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/localdb"
)

// quarantined is the state of extensions and direct numbers that are kept out of use.
const quarantined = "QUARANTINED"

// quarantineTime is for how long, by the policies of this test.
const quarantineTime = time.Hour

// timedStack starts a stack beside another one whose clock the test moves.
func timedStack(t *testing.T, db *localdb.Instance) (*stack.Stack, *clock.Fake) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	clk := clock.NewFake(time.Now())
	s, err := stack.Start(ctx, stack.Options{
		Database: db, DatabasePrefix: "timed_", Log: logger(), Clock: clk,
		Configure: configured(func(c *license.Config) { c.Provisioning.PurgeInterval = 20 * time.Millisecond }).Configure,
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		require.NoError(t, s.Stop(ctx))
	})
	return s, clk
}

// prepareQuarantine turns the quarantine of extensions and direct numbers on or off.
func (f *fixture) prepareQuarantine(r *request, on bool) {
	policy := quarantines{"0s", "0s"}
	if on {
		policy = anHour
	}
	r.method, r.path, r.body["policy"] = http.MethodPatch, f.tn.path+quarantineMask, policy
}

// advance lets more than a month pass: the trash is purged, quarantines end, and so do the links in mails.
func (m *model) advance(ctx context.Context) error {
	m.outcomes.count("advance", true)
	if err := m.pass(trashTime + 24*time.Hour); err != nil {
		return err
	}
	for _, l := range m.licences {
		l.lapsed = true
		if l.state != trashed {
			continue
		}
		if err := await(ctx, func() error {
			err := m.tn.admin.Get(ctx, "/v1/"+l.name, nil)
			if gatewayclient.Reason(err) == "NOT_FOUND" {
				return nil
			}
			return errors.Join(err, fmt.Errorf("%s is not purged", l.name))
		}); err != nil {
			return err
		}
		m.free(l, l.ext)
		l.state, l.ext, l.trashedPkg, l.trashedNumbers = removed, "", none, nil
	}
	return nil
}

// pass lets time pass. What is in quarantine is free again.
func (m *model) pass(d time.Duration) error {
	m.clock.Advance(d)
	clear(m.out)
	m.tn.refresh()
	m.kept = nil // those calls have tokens of before
	return nil
}

// endQuarantine turns the policy off and lets quarantines end, for the sequence that follows.
func (m *model) endQuarantine(ctx context.Context) error {
	if m.clock == nil {
		return nil
	}
	r := request{client: m.tn.admin, body: map[string]any{}}
	m.prepareQuarantine(&r, false)
	if _, err := r.send(ctx); err != nil {
		return err
	}
	return m.pass(2 * quarantineTime)
}

// importRow imports a file of one row, which gives or changes a licence.
func (m *model) importRow(ctx context.Context, c call) error {
	want := m.refusesRow(c)
	outcome, phoneUser, err := m.importOne(ctx, c)
	if err != nil {
		return err
	}
	m.outcomes.count("import", want == "")
	l := m.rowLicence(c)
	switch {
	case (want != "") != (outcome == "FAILED"):
		return fmt.Errorf("the row is %s and must be refused for %q", outcome, want)
	case want != "":
		return nil
	case (l == nil) != (outcome == "ASSIGNED"):
		return fmt.Errorf("the row is %s", outcome)
	}
	var got gatewayclient.PhoneUser
	if err := m.tn.admin.Get(ctx, "/v1/"+phoneUser, &got); err != nil {
		return err
	}
	if l == nil {
		if err := m.applyAssign(call{Who: c.Who, Site: c.Site, Pkg: c.Pkg}, answer{PhoneUsers: []gatewayclient.PhoneUser{got}}); err != nil {
			return err
		}
	} else if err := m.applyRow(c, l, got); err != nil {
		return err
	}
	if wish := m.rowWish(c); wish != "" && got.ExtensionNumber != wish {
		return fmt.Errorf("the extension is %s and was to be %s", got.ExtensionNumber, wish)
	}
	return m.noteEtags(c, answer{PhoneUsers: []gatewayclient.PhoneUser{got}})
}

// rowWish is the extension that a row asks for, empty for none.
func (m *model) rowWish(c call) string {
	if c.Ext == noExtension {
		return ""
	}
	return wishes[c.Ext]
}

// rowLicence is the licence that a row changes, nil where it gives one.
func (m *model) rowLicence(c call) *licence {
	if c.Who[0] == none {
		return nil
	}
	return m.licensed(c.Who[0])
}

// applyRow does to a licence what a row says.
func (m *model) applyRow(c call, l *licence, got gatewayclient.PhoneUser) error {
	if c.Site != none && c.Site != l.site || m.rowWish(c) != "" {
		site := l.site
		if c.Site != none {
			site = c.Site
		}
		if err := m.takeExtension(l, got.ExtensionNumber, site); err != nil {
			return err
		}
		l.site = site
	}
	if c.Pkg != none {
		l.pkg = c.Pkg
	}
	return m.sees(l, got)
}

// refusesRow says why a row is refused, empty if it works.
func (m *model) refusesRow(c call) string {
	who := c.Who[0]
	if who == none {
		return "NOT_FOUND"
	}
	if m.assignees[who].pending {
		return "USER_PENDING"
	}
	l, site, fresh := m.rowLicence(c), c.Site, 1
	if l != nil {
		if site == none {
			site = l.site
		}
		if l.pkg == c.Pkg {
			fresh = 0
		}
	}
	switch r := first(func() *refusal { return m.refusesSite(site) }, func() *refusal { return m.refusesPackage(c.Pkg, fresh) }); {
	case r != nil:
		return r.reason
	case l == nil && m.seatsFree() < 1:
		return "LICENSE_EXHAUSTED"
	}
	if wish := m.rowWish(c); wish != "" {
		if r := m.refusesWish(l, wish, site); r != nil {
			return r.reason
		}
	} else if (l == nil || site != l.site) && m.extensionsFree(site) == 0 {
		return "EXTENSION_RANGE_EXHAUSTED"
	}
	return ""
}

// importOne imports a row and answers its outcome and phone user.
func (m *model) importOne(ctx context.Context, c call) (outcome, phoneUser string, err error) {
	who := assignee{email: "nobody@" + m.tn.domain}
	if c.Who[0] != none {
		who = m.assignees[c.Who[0]]
	}
	room := ""
	if who.room {
		room = who.display
	}
	row := []string{who.email, room, m.siteName(c.Site), m.packageName(c.Pkg), m.rowWish(c)}
	op, err := m.tn.importing("email,room,site,package,extension\n"+strings.Join(row, ",")+"\n", nil)
	if err != nil {
		return "", "", err
	}
	if err := await(ctx, func() error {
		var now operation
		if err := m.tn.admin.Get(ctx, "/v1/"+op.Name, &now); err != nil {
			return err
		}
		if !now.Done {
			return errors.New("the import is not done")
		}
		return nil
	}); err != nil {
		return "", "", err
	}
	rows, err := gatewayclient.List[importRow](ctx, m.tn.admin, "/v1/"+op.Name+"/rows", "rows", nil)
	if err != nil || len(rows) != 1 {
		return "", "", errors.Join(err, fmt.Errorf("%d rows", len(rows)))
	}
	return rows[0].Outcome, rows[0].PhoneUser, nil
}
