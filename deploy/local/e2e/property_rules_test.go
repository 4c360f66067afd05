package e2e

import (
	"slices"
	"strings"
)

// refuses predicts the refusal of a call, nil if it works.
func (m *model) refuses(c call) *refusal {
	switch c.Kind {
	case "policy", "quarantine", "advance":
		return nil
	case "template":
		if c.Ring > 120 {
			return refuse("FIELD_INVALID")
		}
		return nil
	case "resend":
		return m.refusesResend(c)
	case "setup":
		return m.refusesSetup(c)
	case "assign":
		return m.refusesAssign(c)
	case "invite":
		if r := m.refusesSite(c.Site); r != nil {
			return r
		}
		if m.seatsFree() < 1 {
			return refuse("LICENSE_EXHAUSTED")
		}
		return nil
	case "confirm":
		return m.refusesConfirm(c)
	case "assignPackage", "assignPhoneNumbers", "unassignPhoneNumbers":
		return m.refusesHoldings(c)
	case "patchExtension", "patchSite", "patchBoth", "patchSettings":
		return m.refusesPatch(c)
	}
	return m.refusesBatch(c)
}

// refusesSite checks the site of somebody new, in an account of two sites.
func (m *model) refusesSite(site int) *refusal {
	switch site {
	case none:
		return refuse("SITE_REQUIRED")
	case unknownSite:
		return refuse("NOT_FOUND")
	}
	return nil
}

// refusesList checks what is the same for all lists of names.
func refusesList(names []string) *refusal {
	if len(names) == 0 {
		return refuse("BATCH_EMPTY")
	}
	return refuseWhere(len(names), "DUPLICATE_IN_BATCH", "", func(i int) bool { return slices.Contains(names[:i], names[i]) }).any()
}

// any is a refusal whose fields are not looked at.
func (r *refusal) any() *refusal {
	if r != nil {
		r.fields = nil
	}
	return r
}

func (m *model) refusesAssign(c call) *refusal {
	each := func(reason string, wrong func(who int) bool) func() *refusal {
		return func() *refusal {
			return refuseWhere(len(c.Who), reason, "assignees", func(i int) bool { return wrong(c.Who[i]) })
		}
	}
	return first(
		func() *refusal { return refusesList(m.assigneeNames(c)) },
		func() *refusal { return m.refusesSite(c.Site) },
		func() *refusal {
			if c.Flag && c.Site != 0 {
				return refuse("TEMPLATE_SITE_MISMATCH")
			}
			return nil
		},
		each("NOT_FOUND", func(who int) bool { return who == none }),
		each("USER_PENDING", func(who int) bool { return m.assignees[who].pending }),
		each("ALREADY_LICENSED", func(who int) bool { return m.licensed(who) != nil }),
		func() *refusal {
			if m.seatsFree() < len(c.Who) {
				return refuse("LICENSE_EXHAUSTED")
			}
			return m.refusesPackage(c.Pkg, len(c.Who)).any()
		},
		func() *refusal {
			if m.extensionsFree(c.Site) < len(c.Who) {
				return refuse("EXTENSION_RANGE_EXHAUSTED")
			}
			return nil
		},
	)
}

// refusesPackage checks a package that is given to some who do not have it.
func (m *model) refusesPackage(pkg, fresh int) *refusal {
	switch {
	case pkg == none:
		return nil
	case pkg == unknownPackage:
		return refuse("NOT_FOUND")
	case pkg == inactivePackage && fresh > 0:
		return refuse("PACKAGE_INACTIVE")
	case m.packageFree(pkg) < fresh:
		return refuse("PACKAGE_SEATS_EXHAUSTED")
	}
	return nil
}

func (m *model) refusesConfirm(c call) *refusal {
	l := m.invited(c.Who[0])
	wrong := c.Token == 1 || l == nil || c.Token == 2 && m.invited(c.Who[0]+1) != l
	switch {
	case wrong, l.state == removed, l.lapsed:
		return refuse("TOKEN_INVALID")
	case l.state == pending && m.extensionsFree(l.site) == 0:
		return refuse("EXTENSION_RANGE_EXHAUSTED")
	}
	return nil
}

// refusesUnlicensed checks the one phone user of a call.
func (m *model) refusesUnlicensed(c call) *refusal {
	l := m.licence(c.Who[0])
	switch {
	case l == nil:
		return refuse("NOT_FOUND")
	case l.state != active:
		return refuse("LICENSE_REQUIRED")
	}
	return nil
}

func (m *model) refusesHoldings(c call) *refusal {
	names := m.numberNames(c)
	if c.Kind != "assignPackage" || len(names) > 0 {
		if r := refusesList(names); r != nil {
			return r
		}
	}
	if r := m.refusesUnlicensed(c); r != nil {
		return r
	}
	l := m.licence(c.Who[0])
	if c.Kind == "unassignPhoneNumbers" {
		return refuseWhere(len(names), "NUMBER_NOT_AVAILABLE", "phoneNumbers", func(i int) bool { return !slices.Contains(l.numbers, names[i]) })
	}
	if c.Kind == "assignPhoneNumbers" && l.pkg == none {
		return refuse("PACKAGE_REQUIRED")
	}
	if slices.Contains(names, invalidNumber) {
		return refuse("NUMBER_INVALID")
	}
	fresh := 0
	if c.Kind == "assignPackage" && l.pkg != c.Pkg {
		fresh = 1
	}
	gone := m.refusesPackage(c.Pkg, fresh)
	if gone != nil && gone.reason != "PACKAGE_SEATS_EXHAUSTED" {
		return gone
	}
	for _, n := range names {
		if h := m.numberHolder(n); n == unknownNumber || h != nil && h != l || m.out[n] != "" {
			return refuse("NUMBER_NOT_AVAILABLE")
		}
	}
	return gone
}

func (m *model) refusesPatch(c call) *refusal {
	l := m.licence(c.Who[0])
	if c.Kind == "patchSettings" && c.Ring > 120 || c.Kind != "patchSettings" && c.Kind != "patchExtension" && c.Site == none {
		return refuse("FIELD_INVALID")
	}
	if r := m.refusesUnlicensed(c); r != nil && (l == nil || l.state == removed) {
		return r
	}
	if c.Site == unknownSite {
		return refuse("NOT_FOUND")
	}
	if r := m.refusesUnlicensed(c); r != nil {
		return r
	}
	site := l.site
	if c.Site != none {
		site = c.Site
	}
	switch {
	case c.Etag == etagOfLongAgo, c.Etag == etagBefore && l.before != "":
		return refuse("ETAG_MISMATCH")
	case c.Kind == "patchSite" && site != l.site && m.extensionsFree(site) == 0:
		return refuse("EXTENSION_RANGE_EXHAUSTED")
	case c.Kind == "patchExtension" || c.Kind == "patchBoth":
		return m.refusesWish(l, m.wish(c), site)
	}
	return nil
}

func (m *model) refusesWish(l *licence, wish string, site int) *refusal {
	h := m.extensionHolder(wish)
	switch {
	case strings.Contains(wish, "x"):
		return refuse("EXTENSION_INVALID")
	case !slices.Contains(extensionsOf[site], wish):
		return refuse("EXTENSION_OUT_OF_RANGE")
	case h != nil && h != l, m.out[wish] != "":
		return refuse("EXTENSION_IN_USE")
	}
	return nil
}

func (m *model) refusesBatch(c call) *refusal {
	ls := make([]*licence, len(c.Who))
	for i, w := range c.Who {
		ls[i] = m.licence(w)
	}
	each := func(reason string, wrong func(i int, l *licence) bool) func() *refusal {
		return func() *refusal {
			return refuseWhere(len(ls), reason, "phoneUsers", func(i int) bool { return wrong(i, ls[i]) })
		}
	}
	notActive := each("LICENSE_REQUIRED", func(_ int, l *licence) bool { return l.state != active })
	checks := []func() *refusal{func() *refusal { return refusesList(m.licenceNames(c)) }}
	if c.Kind == "batchAssignPackage" || c.Kind == "batchRemovePackages" { // it says who has lost the licence, rather than who never was
		checks = append(checks, each("LICENSE_REQUIRED", func(_ int, l *licence) bool { return l != nil && l.state == removed }))
	}
	checks = append(checks, each("NOT_FOUND", func(_ int, l *licence) bool { return l == nil || l.state == removed }))
	switch c.Kind {
	case "batchAssignPackage":
		checks = append(checks, notActive, func() *refusal {
			fresh := slices.DeleteFunc(slices.Clone(ls), func(l *licence) bool { return l.pkg == c.Pkg })
			return m.refusesPackage(c.Pkg, len(fresh)).any()
		})
	case "batchRemovePackages":
		checks = append(checks, notActive)
	case "batchRemove":
		checks = append(checks, each("TRASH_REQUIRED", func(_ int, l *licence) bool {
			return m.trash && l.state == active && !m.assignees[l.who].room
		}))
	case "batchTrash":
		checks = append(checks, func() *refusal {
			if !m.trash {
				return refuse("SOFT_DELETE_DISABLED")
			}
			return nil
		}, each("NOT_TRASHABLE", func(_ int, l *licence) bool { return m.assignees[l.who].room }), notActive)
	case "batchRestore":
		checks = append(checks, each("NOT_DELETED", func(_ int, l *licence) bool { return l.state != trashed }),
			each("ALREADY_LICENSED", func(i int, l *licence) bool {
				return slices.ContainsFunc(ls[:i], func(o *licence) bool { return o.who == l.who })
			}),
			each("ALREADY_LICENSED", func(_ int, l *licence) bool { return m.licensed(l.who) != nil }),
			func() *refusal {
				if m.seatsFree() < len(ls) {
					return refuse("LICENSE_EXHAUSTED")
				}
				return nil
			})
	}
	return first(checks...)
}
