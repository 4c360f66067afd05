package demo

import (
	"cmp"
	"context"
	"slices"
	"text/tabwriter"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
)

// maxProblems bounds how many problems are written out.
const maxProblems = 20

// report reads everything back, writes the table and the summary, and returns ErrBroken when something is not as promised.
func (r *run) report(ctx context.Context) error {
	var s *state
	err := r.do(ctx, step{"Everything read back through the API", func(ctx context.Context) (err error) {
		s, err = r.read(ctx)
		return err
	}})
	if err != nil {
		return err
	}
	r.table(s)
	broken := r.verify(s)
	r.summary(s, broken)
	if len(broken) > 0 {
		return ErrBroken
	}
	return nil
}

// table writes a line per phone user. The name comes last: terminals disagree about how wide some scripts are.
func (r *run) table(s *state) {
	packages := map[string]string{"": "–", r.domestic.Name: r.domestic.DisplayName, r.international.Name: r.international.DisplayName}
	sites := map[string]string{r.lisbon.Name: r.lisbon.DisplayName, r.nairobi.Name: r.nairobi.DisplayName}
	mails := map[string]string{}
	for _, n := range s.notifications {
		mails[n.Recipient] = n.State
	}
	users := slices.Clone(s.phoneUsers)
	slices.SortFunc(users, func(a, b gatewayclient.PhoneUser) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(len(a.ExtensionNumber), len(b.ExtensionNumber)), cmp.Compare(a.ExtensionNumber, b.ExtensionNumber))
	})
	r.printf("\n")
	w := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	p := &progress{out: w}
	p.printf("  EXTENSION\tSITE\tPACKAGE\tNUMBER\tMAIL\tE-MAIL\tNAME\n")
	for _, u := range users {
		number := "–"
		if len(u.PhoneNumbers) > 0 {
			number = u.PhoneNumbers[0]
		}
		email := cmp.Or(u.Email, "(room)")
		p.printf("  %s\t%s\t%s\t%s\t%s\t%s\t%s\n", u.ExtensionNumber, sites[u.Site], packages[u.Package], number, cmp.Or(mails[u.Email], "–"), email, u.DisplayName)
	}
	// The writer keeps the first error; where the output is gone there is nobody left to tell.
	_ = w.Flush()
}

// summary writes the counts, the timings and what is wrong.
func (r *run) summary(s *state, broken problems) {
	extensions, sent := map[string]bool{}, 0
	people := 0
	for _, u := range s.phoneUsers {
		if u.Kind != "ROOM" {
			people++
			extensions[u.ExtensionNumber] = true
		}
	}
	for _, n := range s.notifications {
		if n.State == "SENT" {
			sent++
		}
	}
	r.printf("\n  %d people with %d distinct extensions, %d mails SENT, %d of %d licence seats taken (%d by rooms), %d direct numbers assigned\n\n",
		people, len(extensions), sent, s.account.LicensesAssigned, s.account.LicenseSeats, len(r.rooms), len(r.wantNumber))
	for _, t := range r.timings {
		r.printf("  %8s  %s\n", seconds(t.took), t.name)
	}
	r.printf("\n")
	if len(broken) == 0 {
		r.printf("  Everything is as promised.\n")
		return
	}
	r.printf("  %d things are NOT as promised:\n", len(broken))
	for _, text := range broken[:min(len(broken), maxProblems)] {
		r.printf("   - %s\n", text)
	}
	if more := len(broken) - maxProblems; more > 0 {
		r.printf("   - and %d more\n", more)
	}
}
