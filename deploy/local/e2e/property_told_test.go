package e2e

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/switchboard-phone/switchboard/deploy/local/gatewayclient"
)

// tokenOf takes an invited person's token out of the mail, and waits for the mail.
func (f *fixture) tokenOf(ctx context.Context, l *licence) (string, error) {
	if l.token != "" {
		return l.token, nil
	}
	err := await(ctx, func() error {
		mails := f.tn.mails(l.email)
		if len(mails) == 0 {
			return fmt.Errorf("%s got no mail", l.email)
		}
		if found := tokenInLink.FindStringSubmatch(mails[len(mails)-1].Text); found != nil {
			l.token = found[1]
			return nil
		}
		return errors.New("the invitation has no token")
	})
	return l.token, err
}

// everybodyTold compares the notifications of the sequence with those that there must be: newest first, they are on the first page.
func (m *model) everybodyTold(ctx context.Context) error {
	var page struct{ Notifications []gatewayclient.Notification }
	if err := m.tn.admin.Get(ctx, m.tn.path+"/notifications?pageSize=200", &page); err != nil {
		return err
	}
	mine := map[string]bool{}
	for _, l := range m.licences {
		mine[l.name] = true
	}
	for k := range m.told {
		name, _, _ := strings.Cut(k, " ")
		mine[name] = true
	}
	got := map[string]int{}
	for _, n := range page.Notifications {
		if mine[n.PhoneUser] {
			got[n.PhoneUser+" "+n.Kind]++
		}
	}
	if !reflect.DeepEqual(got, m.told) {
		return fmt.Errorf("people must be told\n%v and are\n%v", m.told, got)
	}
	return nil
}

// toldInTheEnd looks at all notifications of all sequences, when all have been sent.
func (f *fixture) toldInTheEnd(ctx context.Context) error {
	return await(ctx, func() error {
		all, err := gatewayclient.List[gatewayclient.Notification](ctx, f.tn.admin, f.tn.path+"/notifications", "notifications", nil)
		if err != nil {
			return err
		}
		got, mails := map[string]int{}, map[string]int{}
		for _, n := range all {
			got[n.PhoneUser+" "+n.Kind]++
			mails[n.Recipient]++
			if n.State != "SENT" {
				return fmt.Errorf("%s is not sent", n.Name)
			}
		}
		if !reflect.DeepEqual(got, f.told) {
			return fmt.Errorf("people must be told %d times and are %d times", len(f.told), len(all))
		}
		for to, n := range mails {
			if arrived := len(f.tn.mails(to)); arrived != n {
				return fmt.Errorf("%s got %d mails instead of %d", to, arrived, n)
			}
		}
		return nil
	})
}
