// Package demo shows the main job on real input: it loads a fictional organisation through the gateway, assigns phone licences
// to 250 people and five rooms, and checks that everything that was promised is so. It needs nothing but the gateway's
// address and a token issuer.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
)

// How much the demonstration does.
const (
	peopleCount  = 250
	firstBatch   = 100
	secondBatch  = 100
	numberCount  = 100
	licenseSeats = 260
	packageSeats = 120
	// numberClients is how many callers hand out direct numbers at once.
	numberClients = 8
	// mailDeadline is how long the mails may take.
	mailDeadline = 2 * time.Minute
)

// Config says where the demonstration runs.
type Config struct {
	// Gateway is the gateway's address, such as "http://127.0.0.1:8080".
	Gateway string
	// TokenURL is where the local issuer gives out tokens.
	TokenURL string
	// Mail is where the mail sink lists its mails.
	Mail string
	// Out gets the progress, the table and the summary.
	Out io.Writer
	// Interactive says that Out is a terminal, where a line can be written over.
	Interactive bool
}

// ErrBroken means that something was not as promised; what, was written to Config.Out.
var ErrBroken = errors.New("not everything is as promised")

// run is a demonstration under way.
type run struct {
	cfg Config
	*progress
	admin   *gatewayclient.Client
	account string

	lisbon, nairobi         gatewayclient.Site
	people                  []gatewayclient.User
	rooms                   []gatewayclient.Room
	domestic, international gatewayclient.Package
	numbers                 []string

	assigned []gatewayclient.PhoneUser
	// wantNumber is the direct number that each phone user was given, by name.
	wantNumber map[string]string
}

// Run does the demonstration and answers the name of the account that it made. It returns ErrBroken when the result is not as
// promised, and another error when a call failed.
func Run(ctx context.Context, cfg Config) (account string, err error) {
	r := &run{cfg: cfg, progress: newProgress(cfg.Out, cfg.Interactive), wantNumber: map[string]string{}}
	client := gatewayclient.New(cfg.Gateway, numberClients)
	defer client.Close()
	if err := r.signIn(ctx, client); err != nil {
		return "", err
	}
	for _, s := range []step{
		{"Two sites with extension ranges", r.makeSites},
		{fmt.Sprintf("%d people and %d rooms in the directory", peopleCount, len(Rooms)), r.loadDirectory},
		{fmt.Sprintf("Two calling packages, %d direct numbers", numberCount), r.makePackages},
		{fmt.Sprintf("%d licences with a package, in one call", firstBatch), r.assignFirst},
		{fmt.Sprintf("%d licences with a package, in one call", secondBatch), r.assignSecond},
		{fmt.Sprintf("%d licences without a package, and %d rooms", peopleCount-firstBatch-secondBatch, len(Rooms)), r.assignRest},
		{fmt.Sprintf("%d direct numbers, %d calls at a time", numberCount, numberClients), r.assignNumbers},
		{fmt.Sprintf("%d welcome mails sent", peopleCount), r.awaitMails},
	} {
		if err := r.do(ctx, s); err != nil {
			return r.account, err
		}
	}
	return r.account, r.report(ctx)
}

// signIn makes the account as an operator and goes on as its owner.
func (r *run) signIn(ctx context.Context, client *gatewayclient.Client) error {
	operator, err := gatewayclient.Token(ctx, r.cfg.TokenURL, map[string]any{"operator": true})
	if err != nil {
		return err
	}
	var account gatewayclient.Account
	if err := client.As(operator).Post(ctx, "/v1/accounts", gatewayclient.Account{DisplayName: "Meridian Trading", LicenseSeats: licenseSeats}, &account); err != nil {
		return fmt.Errorf("making the account: %w", err)
	}
	r.account = account.Name
	owner, err := gatewayclient.Token(ctx, r.cfg.TokenURL, map[string]any{"subject": "demo-owner", "account": r.account, "role": "OWNER"})
	if err != nil {
		return err
	}
	r.admin = client.As(owner)
	return nil
}

// makeSites names the main site and adds another one. The ranges have different digit counts, one with leading zeros.
func (r *run) makeSites(ctx context.Context) error {
	sites, err := gatewayclient.List[gatewayclient.Site](ctx, r.admin, "/v1/"+r.account+"/sites", "sites", nil)
	if err != nil {
		return err
	}
	if len(sites) != 1 || !sites[0].IsMain {
		return fmt.Errorf("a new account has one main site, this one has %+v", sites)
	}
	if err := r.admin.Patch(ctx, "/v1/"+sites[0].Name+"?updateMask=displayName,siteCode", gatewayclient.Site{DisplayName: "Lisbon", SiteCode: "LIS"}, &r.lisbon); err != nil {
		return err
	}
	if err := r.admin.Post(ctx, "/v1/"+r.account+"/sites", gatewayclient.Site{DisplayName: "Nairobi", SiteCode: "NBO"}, &r.nairobi); err != nil {
		return err
	}
	for _, x := range []struct{ site, from, to string }{
		{r.lisbon.Name, "1000", "1099"},
		{r.lisbon.Name, "20000", "29999"},
		{r.nairobi.Name, "0100", "0499"},
	} {
		if err := r.admin.Post(ctx, "/v1/"+x.site+"/extensionRanges", gatewayclient.ExtensionRange{From: x.from, To: x.to}, nil); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) loadDirectory(ctx context.Context) error {
	people, err := People(peopleCount)
	if err != nil {
		return err
	}
	if r.people, err = r.admin.CreateUsers(ctx, r.account, people); err != nil {
		return err
	}
	for _, name := range Rooms {
		var room gatewayclient.Room
		if err := r.admin.Post(ctx, "/v1/"+r.account+"/rooms", gatewayclient.Room{DisplayName: name, Site: r.nairobi.Name}, &room); err != nil {
			return err
		}
		r.rooms = append(r.rooms, room)
	}
	return nil
}

func (r *run) makePackages(ctx context.Context) error {
	for _, x := range []struct {
		name string
		into *gatewayclient.Package
	}{{"Domestic", &r.domestic}, {"International", &r.international}} {
		body := gatewayclient.Package{DisplayName: x.name, Kind: strings.ToLower(x.name), Seats: packageSeats}
		if err := r.admin.Post(ctx, "/v1/"+r.account+"/packages", body, x.into); err != nil {
			return err
		}
	}
	r.numbers = Numbers(numberCount)
	numbers := make([]gatewayclient.PhoneNumber, len(r.numbers))
	for i, n := range r.numbers {
		numbers[i].Number = n
	}
	return r.admin.Post(ctx, "/v1/"+r.account+"/phoneNumbers:batchCreate", map[string]any{"phoneNumbers": numbers}, nil)
}

func (r *run) assignFirst(ctx context.Context) error {
	return r.assign(ctx, userNames(r.people[:firstBatch]), r.lisbon, r.domestic.Name)
}

func (r *run) assignSecond(ctx context.Context) error {
	return r.assign(ctx, userNames(r.people[firstBatch:firstBatch+secondBatch]), r.nairobi, r.international.Name)
}

func (r *run) assignRest(ctx context.Context) error {
	if err := r.assign(ctx, userNames(r.people[firstBatch+secondBatch:]), r.lisbon, ""); err != nil {
		return err
	}
	rooms := make([]string, len(r.rooms))
	for i, room := range r.rooms {
		rooms[i] = room.Name
	}
	return r.assign(ctx, rooms, r.nairobi, "")
}

func (r *run) assign(ctx context.Context, assignees []string, site gatewayclient.Site, pkg string) error {
	got, err := r.admin.Assign(ctx, r.account, gatewayclient.AssignRequest{Assignees: assignees, Site: site.Name, Package: pkg})
	if err != nil {
		return err
	}
	if len(got) != len(assignees) {
		return fmt.Errorf("asked for %d licences, the answer holds %d phone users", len(assignees), len(got))
	}
	r.assigned = append(r.assigned, got...)
	return nil
}

// assignNumbers gives direct numbers to half of the people of each package.
func (r *run) assignNumbers(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(numberClients)
	for i, number := range r.numbers {
		// Every other one, so that the table shows people with and without a number side by side.
		phoneUser := r.assigned[2*i].Name
		r.wantNumber[phoneUser] = number
		g.Go(func() error {
			return r.admin.Post(ctx, "/v1/"+phoneUser+":assignPhoneNumbers", map[string]any{"phoneNumbers": []string{number}}, nil)
		})
	}
	return g.Wait()
}

func userNames(users []gatewayclient.User) []string {
	out := make([]string, len(users))
	for i, u := range users {
		out[i] = u.Name
	}
	return out
}
