package e2e

import (
	"fmt"
	"slices"
)

// apply compares the answer to a call that worked with what it must be, and does to the model what the call did.
func (m *model) apply(c call, r request, a answer) error {
	switch c.Kind {
	case "policy":
		m.trash = !m.trash
		return nil
	case "assign":
		return m.applyAssign(c, a)
	case "invite":
		return m.applyInvite(c, r, a)
	case "confirm":
		return m.applyConfirm(c, a)
	case "quarantine":
		m.quarantine = !m.quarantine
		return nil
	case "template":
		m.ring = c.Ring
		return nil
	}
	ls := make([]*licence, len(c.Who))
	for i, w := range c.Who {
		ls[i] = m.licence(w)
	}
	switch c.Kind {
	case "batchRemove":
		err := m.releases(ls, a.Releases, true)
		for _, l := range ls {
			m.free(l, append(l.numbers, l.ext)...)
			m.assignees[l.who].pending = false // an invitation that is taken back leaves somebody of the directory
			l.state, l.pkg, l.numbers, l.ext = removed, none, nil, ""
		}
		return err
	case "batchTrash", "batchRemovePackages":
		if err := m.releases(ls, a.Releases, false); err != nil {
			return err
		}
		for _, l := range ls {
			if c.Kind == "batchTrash" {
				l.state, l.trashedPkg, l.trashedNumbers = trashed, l.pkg, l.numbers
			}
			m.free(l, l.numbers...)
			l.pkg, l.numbers = none, nil
		}
	case "batchRestore":
		if err := m.applyRestore(ls, a); err != nil {
			return err
		}
	case "assignPackage", "batchAssignPackage":
		for _, l := range ls {
			l.pkg = c.Pkg
			l.add(m.numberNames(c))
		}
	case "assignPhoneNumbers":
		ls[0].add(m.numberNames(c))
	case "resend":
		m.applyResend(ls[0])
		return nil
	case "setup":
		l := ls[0]
		l.setUp, l.ring = true, c.Ring
		if wish := m.wish(c); l.email != "" && wish != "" {
			m.changeExtension(l, wish)
		}
	case "unassignPhoneNumbers":
		m.free(ls[0], m.numberNames(c)...)
		ls[0].numbers = slices.DeleteFunc(ls[0].numbers, func(n string) bool { return slices.Contains(m.numberNames(c), n) })
	default:
		if err := m.applyPatch(c, ls[0], a); err != nil {
			return err
		}
	}
	return m.seesAll(ls, a.PhoneUsers)
}

// free gives extensions and numbers of a licence back, into quarantine where that is the policy.
func (m *model) free(l *licence, what ...string) {
	for _, w := range what {
		if m.quarantine && w != "" {
			m.out[w] = l.name
		}
	}
}

// changeExtension gives a licence another extension in place of its own.
func (m *model) changeExtension(l *licence, number string) {
	if l.ext != number {
		m.free(l, l.ext)
	}
	l.ext = number
}

// add gives a licence the numbers that it lacks.
func (l *licence) add(numbers []string) {
	for _, n := range numbers {
		if !slices.Contains(l.numbers, n) {
			l.numbers = append(l.numbers, n)
		}
	}
}

func (m *model) applyAssign(c call, a answer) error {
	if len(a.PhoneUsers) != len(c.Who) {
		return fmt.Errorf("%d phone users are answered for %d", len(a.PhoneUsers), len(c.Who))
	}
	for i, w := range c.Who {
		got := a.PhoneUsers[i]
		l := &licence{name: got.Name, who: w, state: active, site: c.Site, pkg: c.Pkg, trashedPkg: none}
		if c.Flag {
			l.ring = m.ring
		}
		if err := m.takeExtension(l, got.ExtensionNumber, c.Site); err != nil {
			return err
		}
		if (got.Name == "") != c.Preview {
			return fmt.Errorf("the name is %q with validateOnly %t", got.Name, c.Preview)
		}
		m.licences = append(m.licences, l)
		if !m.assignees[l.who].room {
			m.told[l.name+" WELCOME"]++
		}
		if err := m.sees(l, got); err != nil {
			return err
		}
	}
	return nil
}

func (m *model) applyInvite(c call, r request, a answer) error {
	if a.User.Status != pending || a.User.PhoneUser == "" {
		return fmt.Errorf("the invited person is %+v", a.User)
	}
	m.assignees = append(m.assignees, assignee{name: a.User.Name, email: a.User.Email, pending: true})
	m.licences = append(m.licences, &licence{
		name: a.User.PhoneUser, who: len(m.assignees) - 1, state: pending, site: c.Site, pkg: none, trashedPkg: none, email: r.body["email"].(string),
	})
	m.told[a.User.PhoneUser+" INVITATION"]++
	return nil
}

func (m *model) applyConfirm(c call, a answer) error {
	l := m.invited(c.Who[0])
	if l.state == pending {
		l.state, l.confirmed, m.assignees[l.who].pending = active, true, false
		m.told[l.name+" CONFIRMED"]++
		if err := m.takeExtension(l, a.PhoneUsers[0].ExtensionNumber, l.site); err != nil {
			return err
		}
	}
	return m.sees(l, a.PhoneUsers[0])
}

func (m *model) applyRestore(ls []*licence, a answer) error {
	if len(a.Restorations) != len(ls) {
		return fmt.Errorf("%d restorations are answered for %d phone users", len(a.Restorations), len(ls))
	}
	for i, l := range ls {
		if want, is := fmt.Sprintf("%+v", m.give(l)), fmt.Sprintf("%+v", a.Restorations[i]); want != is {
			return fmt.Errorf("the restoration must be\n%s and is\n%s", want, is)
		}
	}
	return nil
}

func (m *model) applyPatch(c call, l *licence, a answer) error {
	switch c.Kind {
	case "patchSettings":
		l.ring = c.Ring
	case "patchExtension", "patchBoth":
		m.changeExtension(l, m.wish(c))
	case "patchSite":
		if c.Site != l.site {
			if err := m.takeExtension(l, a.PhoneUsers[0].ExtensionNumber, c.Site); err != nil {
				return err
			}
		}
	}
	if c.Site != none {
		l.site = c.Site
	}
	return nil
}
