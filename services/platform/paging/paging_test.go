package paging_test

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	numberingv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/numbering/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/paging"
)

type key struct {
	Name string    `json:"n"`
	At   time.Time `json:"t"`
	ID   int       `json:"i"`
}

func request(size int32, token string) *numberingv1.ListPhoneNumbersRequest {
	return &numberingv1.ListPhoneNumbersRequest{Parent: "accounts/a", PageSize: size, PageToken: token, Filter: "state = AVAILABLE"}
}

// tokenAfter returns the token of the page that follows k.
func tokenAfter(t *testing.T, req paging.Request, k key) string {
	t.Helper()
	p, err := paging.Parse[key](req)
	require.NoError(t, err)
	_, token, err := paging.Cut(p, make([]key, p.Limit()), func(key) key { return k })
	require.NoError(t, err)
	require.NotEmpty(t, token)
	return token
}

func TestParse_firstPage(t *testing.T) {
	t.Parallel()
	for asked, want := range map[int32]int{0: 100, 1: 1, 100: 100, 1000: 1000, 1001: 1000, 1 << 30: 1000, -1: 100} {
		p, err := paging.Parse[key](request(asked, ""))
		require.NoError(t, err)
		require.Nil(t, p.After)
		require.Equal(t, want, p.Size, "asked for %d", asked)
		require.Equal(t, want+1, p.Limit())
	}
}

func TestParse_keyComesBack(t *testing.T) {
	t.Parallel()
	want := key{Name: `Žofie <&> 山田 \u0000"`, At: time.Date(2026, 3, 1, 10, 0, 0, 123456000, time.UTC), ID: -7}
	p, err := paging.Parse[key](request(50, tokenAfter(t, request(2, ""), want)))
	require.NoError(t, err, "another page size is allowed")
	require.Equal(t, want, *p.After)
}

func TestParse_longNamesFitTheTokenLimit(t *testing.T) {
	t.Parallel()
	token := tokenAfter(t, request(1, ""), key{Name: strings.Repeat("\U0001F4DE", 200), At: time.Now()})
	require.LessOrEqual(t, len(token), 2048)
	_, err := paging.Parse[key](request(1, token))
	require.NoError(t, err)
}

func TestParse_tokenOfOtherArguments(t *testing.T) {
	t.Parallel()
	token := tokenAfter(t, request(1, ""), key{ID: 1})
	others := map[string]paging.Request{
		"parent": &numberingv1.ListPhoneNumbersRequest{Parent: "accounts/b", PageToken: token, Filter: "state = AVAILABLE"},
		"filter": &numberingv1.ListPhoneNumbersRequest{Parent: "accounts/a", PageToken: token, Filter: "state = ASSIGNED"},
		"query":  &numberingv1.ListPhoneNumbersRequest{Parent: "accounts/a", PageToken: token, Filter: "state = AVAILABLE", Query: "1"},
		"method": &numberingv1.ListPackagesRequest{Parent: "accounts/a", PageToken: token},
	}
	for name, req := range others {
		_, err := paging.Parse[key](req)
		require.Equal(t, commonv1.Reason_PAGE_TOKEN_INVALID, errs.Reason(err), name)
	}
}

func TestParse_brokenTokens(t *testing.T) {
	t.Parallel()
	good := tokenAfter(t, request(1, ""), key{Name: "x", ID: 1})
	raw, err := base64.RawURLEncoding.DecodeString(good)
	require.NoError(t, err)
	pack := func(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
	broken := map[string]string{
		"not base64":    "!!!",
		"padding":       good + "==",
		"version":       pack(append([]byte{9}, raw[1:]...)),
		"no key":        pack(raw[:13]),
		"cut":           pack(raw[:len(raw)-3]),
		"two keys":      pack(append(slices.Clone(raw), raw[13:]...)),
		"unknown field": pack(append(slices.Clone(raw[:13]), `{"n":"x","z":1}`...)),
		"wrong type":    pack(append(slices.Clone(raw[:13]), `{"n":5}`...)),
		"NUL":           pack(append(slices.Clone(raw[:13]), `{"n":"a\u0000"}`...)),
		"not UTF-8":     pack(append(slices.Clone(raw[:13]), "{\"n\":\"\xff\"}"...)),
		"too long":      pack(append(slices.Clone(raw[:13]), `{"n":"`+strings.Repeat("a", 3000)+`"}`...)),
	}
	for name, token := range broken {
		_, err := paging.Parse[key](request(1, token))
		require.Equal(t, commonv1.Reason_PAGE_TOKEN_INVALID, errs.Reason(err), name)
		require.NotContains(t, err.Error(), "panic")
	}
}

func TestParse_leavesTheRequestAlone(t *testing.T) {
	t.Parallel()
	req := request(5, tokenAfter(t, request(1, ""), key{ID: 1}))
	before := proto.Clone(req)
	_, err := paging.Parse[key](req)
	require.NoError(t, err)
	require.True(t, proto.Equal(before, req))
}

// Walking all pages, whatever their sizes, shows every item once and in order.
func TestCut_walk(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.IntRange(0, 1_000_000), 0, 60).Draw(t, "items")
		slices.Sort(all)
		all = slices.Compact(all)
		var seen []int
		token := ""
		for {
			req := request(rapid.Int32Range(1, 9).Draw(t, "size"), token)
			p, err := paging.Parse[int](req)
			require.NoError(t, err)
			start := 0
			if p.After != nil {
				i, found := slices.BinarySearchFunc(all, *p.After, cmp.Compare[int])
				require.True(t, found)
				start = i + 1
			}
			items, next, err := paging.Cut(p, all[start:min(len(all), start+p.Limit())], func(i int) int { return i })
			require.NoError(t, err)
			require.LessOrEqual(t, len(items), p.Size)
			seen = append(seen, items...)
			if token = next; token == "" {
				break
			}
		}
		require.Equal(t, fmt.Sprint(all), fmt.Sprint(seen))
	})
}

func FuzzParse(f *testing.F) {
	f.Add("")
	f.Add("AQ")
	p, err := paging.Parse[key](request(1, ""))
	require.NoError(f, err)
	_, token, err := paging.Cut(p, make([]key, 2), func(k key) key { return k })
	require.NoError(f, err)
	f.Add(token)
	f.Fuzz(func(t *testing.T, token string) {
		p, err := paging.Parse[key](request(1, token))
		if err != nil {
			require.Equal(t, commonv1.Reason_PAGE_TOKEN_INVALID, errs.Reason(err))
			return
		}
		require.Equal(t, token == "", p.After == nil)
	})
}
