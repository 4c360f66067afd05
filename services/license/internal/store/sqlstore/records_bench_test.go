package sqlstore_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/license/internal/store/sqlstore"
	"github.com/switchboard-phone/switchboard/services/license/migrations"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

// BenchmarkLists times lists of an account with 100,000 people, all of them with a phone licence, in pages of 100.
func BenchmarkLists(b *testing.B) {
	for _, e := range testkit.Engines(b) {
		b.Run(string(e.Kind()), func(b *testing.B) {
			db := e.New(b, migrations.FS)
			s := sqlstore.New(db)
			account, inactive := fill(b, s, 100_000)
			if e.Kind() == crdb.PostgreSQL { // which otherwise does so by itself after a minute
				_, err := db.Pool().Exec(b.Context(), "ANALYZE")
				require.NoError(b, err)
			}
			benchPhoneUsers(b, s, account, inactive)
			benchUsers(b, s, account)
		})
	}
}

func benchPhoneUsers(b *testing.B, s *sqlstore.Store, account, inactive uuid.UUID) {
	for name, c := range map[string]struct {
		query, filter string
		order         store.PhoneUserOrder
		after         *store.PhoneUserCursor
	}{
		"plain":           {},
		"deep":            {after: &store.PhoneUserCursor{Key: "given5 family", ID: uuid.Max}},
		"by_extension":    {order: store.ByExtension},
		"by_create_time":  {order: store.ByCreateTime},
		"rare_word":       {query: "family3500 given9"},
		"common_word":     {query: "family"},
		"no_such_word":    {query: "nobody"},
		"number":          {query: "10499"},
		"inactive":        {filter: "packageState = INACTIVE AND kind = USER"},
		"filter_by_order": {filter: "setupComplete = true", order: store.ByExtension},
	} {
		parsed, err := store.PhoneUserFilter(account).Parse(c.filter)
		require.NoError(b, err)
		q := store.PhoneUserQuery{
			States: []model.State{model.StateActive, model.StateProvisioning}, Words: model.QueryWords(c.query), Filter: parsed,
			InactivePackages: []uuid.UUID{inactive}, Order: c.order, After: c.after, Limit: 101,
		}
		b.Run("phoneUsers/"+name+"/page", func(b *testing.B) {
			for b.Loop() {
				_, err := s.ListPhoneUsers(b.Context(), account, q)
				require.NoError(b, err)
			}
		})
		b.Run("phoneUsers/"+name+"/count", func(b *testing.B) {
			for b.Loop() {
				_, err := s.CountPhoneUsers(b.Context(), account, q)
				require.NoError(b, err)
			}
		})
	}
}

func benchUsers(b *testing.B, s *sqlstore.Store, account uuid.UUID) {
	for name, c := range map[string]struct{ query, filter string }{
		"plain":       {},
		"part":        {query: "mily3500 ven9"},
		"no_such":     {query: "nobody"},
		"unlicensed":  {filter: "licensed = false"},
		"licensed":    {filter: "licensed = true"},
		"email":       {filter: `email = "p77777@example.com"`},
		"part_status": {query: "family35", filter: "status = PENDING"},
	} {
		parsed, err := store.UserFilter().Parse(c.filter)
		require.NoError(b, err)
		q := store.UserQuery{Words: model.QueryWords(c.query), Filter: parsed, Limit: 101}
		b.Run("users/"+name+"/page", func(b *testing.B) {
			for b.Loop() {
				_, err := s.ListUsers(b.Context(), account, q)
				require.NoError(b, err)
			}
		})
		b.Run("users/"+name+"/count", func(b *testing.B) {
			for b.Loop() {
				_, err := s.CountUsers(b.Context(), account, q)
				require.NoError(b, err)
			}
		})
	}
}

// fill makes an account of n people with phone licences. Every seventh has a package that counts as inactive, which it returns.
func fill(b *testing.B, s *sqlstore.Store, n int) (account, inactive uuid.UUID) {
	b.Helper()
	ctx, now, start := b.Context(), time.Now().UTC(), time.Now()
	account, inactive = uuid.New(), uuid.New()
	site, active := uuid.New(), uuid.New()
	_, err := s.CreateAccount(ctx, model.Account{ID: account, DisplayName: "Big", Seats: n, Revision: 1, CreateTime: now, UpdateTime: now},
		model.Site{AccountID: account, ID: site, DisplayName: "Main site", IsMain: true, Revision: 1, CreateTime: now}, store.Remember{})
	require.NoError(b, err)
	for from := 0; from < n; from += 1000 {
		var users []model.User
		begin := store.Begin{Claim: time.Minute, Saga: store.Saga{ID: uuid.New(), AccountID: account, Kind: "FILL", Plan: []byte("{}"), Seats: 1000}}
		finish := store.Finish{}
		for i := from; i < from+1000; i++ {
			given, family := fmt.Sprintf("Given%d", i%977), fmt.Sprintf("Family%d", i%3571)
			u := model.User{
				AccountID: account, ID: uuid.Must(uuid.NewV7()), Email: fmt.Sprintf("p%d@example.com", i), GivenName: given, FamilyName: family,
				DisplayName: strings.TrimSpace(given + " " + family), Role: model.RoleMember, Status: model.UserActive, CreateTime: now,
			}
			p := model.PhoneUser{
				AccountID: account, ID: uuid.Must(uuid.NewV7()), AssigneeKind: model.KindUser, AssigneeID: u.ID, DisplayName: u.DisplayName,
				Email: u.Email, State: model.StateProvisioning, SiteID: site, SagaID: begin.Saga.ID, Revision: 1,
				CreateTime: now.Add(time.Duration(i) * time.Millisecond), UpdateTime: now,
			}
			users, begin.Insert = append(users, u), append(begin.Insert, p)
			begin.Saga.PhoneUserIDs = append(begin.Saga.PhoneUserIDs, p.ID)
			p.State, p.ExtensionNumber, p.SetupComplete = model.StateActive, fmt.Sprint(100000+i), i%100 == 0
			switch i % 7 {
			case 0:
				p.PackageID, p.PhoneNumbers = inactive, []string{fmt.Sprintf("+1202%07d", i)}
			case 1, 2:
				p.PackageID = active
			}
			finish.Update = append(finish.Update, p)
		}
		_, err := s.CreateUsers(ctx, account, store.NewUsers{Users: users, Path: func(int) string { return "user" }}, store.Remember{})
		require.NoError(b, err)
		began, err := s.BeginSagas(ctx, account, []store.Begin{begin})
		require.NoError(b, err)
		require.NoError(b, began[0].Err)
		finish.Saga = &begin.Saga
		_, err = s.FinishSagas(ctx, account, []store.Finish{finish})
		require.NoError(b, err)
	}
	b.Logf("%d people and phone users made in %v", n, time.Since(start).Round(time.Millisecond))
	return account, inactive
}
