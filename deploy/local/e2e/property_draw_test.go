package e2e

import (
	"slices"

	"pgregory.net/rapid"
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
	Etag    int
	// Preview asks with validateOnly; Keyed gives the call a request id; Flag is a template.
	Preview, Keyed, Flag bool
}

// unknown is the index in a call of somebody who does not exist.
const unknown = 11

// callKinds are the operations, those that can work for somebody now more often than the others.
func (m *model) callKinds() []string {
	kinds := []string{
		"assign", "invite", "confirm", "policy", "repeat", "reuse", "patchExtension", "patchSite", "patchBoth", "patchSettings",
		"assignPackage", "batchAssignPackage", "assignPhoneNumbers", "unassignPhoneNumbers", "batchRemovePackages", "batchRemove",
		"batchTrash", "batchRestore", "resend", "setup", "template", "import",
	}
	if m.clock != nil {
		kinds = append(kinds, "advance", "advance", "quarantine", "quarantine")
	}
	for _, kind := range kinds {
		n := 0
		switch likely := len(m.likely(call{Kind: kind})); {
		case kind == "assign" && m.seatsFree() > 3:
			n = 12
		case kind == "assign" && m.seatsFree() > 0:
			n = 3
		case kind == "confirm" && slices.ContainsFunc(m.licences, func(l *licence) bool { return l.state == pending }):
			n = 4
		case kind == "batchRestore" && likely > 0:
			n = 8 * likely
		case kind == "assignPackage" && likely > 0, kind == "unassignPhoneNumbers" && likely > 0:
			n = 5
		case kind == "batchTrash" && likely > 0:
			n = 2
			if m.trash {
				n = 8
			}
		case kind != "assign" && likely > 0:
			n = 2
		}
		kinds = append(kinds, slices.Repeat([]string{kind}, n)...)
	}
	return kinds
}

// pick draws one of several, each as often as the others, and shrinks to the first. What rapid has for it prefers the first and the
// last ones, and then hardly any call of a sequence works.
func pick[T any](t *rapid.T, label string, from ...T) T {
	const bits = 10
	drawn := rapid.Custom(func(t *rapid.T) int {
		n := 0
		for range bits {
			n *= 2
			if rapid.Bool().Draw(t, "bit") {
				n++
			}
		}
		return n * len(from) >> bits
	}).Draw(t, label)
	return from[drawn]
}

// numberIndexes are those of direct numbers, which mostly exist.
var numberIndexes = []int{0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5}

// whos are indexes of assignees and licences: most of them mean one for whom the call can work.
var whos = []int{0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, unknown}

func drawMany(t *rapid.T, label string, from []int, lengths ...int) []int {
	out := make([]int, pick(t, label+" count", lengths...))
	for i := range out {
		out[i] = pick(t, label, from...)
	}
	return out
}

// drawCall draws an operation with what it needs.
func drawCall(t *rapid.T, m *model) call {
	c := call{Kind: pick(t, "kind", m.callKinds()...), Site: none, Pkg: none}
	oneIn := func(n int, label string) bool { return pick(t, label, append(make([]bool, n-1), true)...) }
	switch c.Kind {
	case "policy", "quarantine", "advance", "template", "invite", "repeat", "reuse":
	case "assign", "batchAssignPackage", "batchRemovePackages", "batchRemove", "batchTrash", "batchRestore":
		c.Who = drawMany(t, "who", whos, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 0)
		c.Preview = oneIn(6, "preview")
		c.Keyed = !c.Preview && oneIn(4, "keyed")
	default:
		c.Who = []int{pick(t, "who", whos...)}
	}
	switch c.Kind {
	case "assign", "invite", "patchSite", "patchBoth", "import":
		c.Site = pick(t, "site", 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, none, unknownSite)
	}
	switch c.Kind {
	case "assign":
		c.Pkg = pick(t, "package", none, none, none, none, none, none, 0, 0, 0, 1, 1, 1, 1, 1, inactivePackage, unknownPackage)
		c.Flag = oneIn(10, "template")
	case "assignPackage", "batchAssignPackage":
		c.Pkg = pick(t, "package", 0, 0, 0, 1, 1, 1, 1, inactivePackage, unknownPackage)
	case "patchExtension":
		c.Ext = pick(t, "extension", 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ownExtension)
	case "patchBoth":
		c.Ext = pick(t, "extension", 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ownExtension, ownExtension)
	case "patchSettings", "template":
		c.Ring = pick(t, "ring", 20, 30, 4000)
	case "confirm":
		c.Token = pick(t, "token", 0, 0, 0, 0, 1, 2)
	case "setup":
		c.Token, c.Ring = pick(t, "token", 0, 0, 0, 0, 0, 0, 1), pick(t, "ring", 20, 30, 30, 60, 4000)
		c.Ext = pick(t, "extension", noExtension, noExtension, noExtension, noExtension, noExtension, noExtension, noExtension, noExtension, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	case "import":
		c.Pkg = pick(t, "package", none, none, 0, 1, 1, inactivePackage, unknownPackage)
		c.Ext = pick(t, "extension", noExtension, noExtension, noExtension, noExtension, noExtension, noExtension, noExtension, noExtension, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	}
	switch c.Kind {
	case "assignPackage":
		c.Numbers = drawMany(t, "number", numberIndexes, 0, 0, 1, 1, 2)
		c.Keyed = oneIn(4, "keyed")
	case "assignPhoneNumbers", "unassignPhoneNumbers":
		c.Numbers = drawMany(t, "number", numberIndexes, 1, 1, 1, 1, 2, 2, 0)
	case "patchExtension", "patchSite", "patchSettings":
		c.Etag = pick(t, "etag", noEtag, noEtag, noEtag, noEtag, noEtag, etagOfLongAgo, etagOfNow, etagOfNow, etagBefore)
	}
	return c
}
