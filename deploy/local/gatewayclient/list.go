package gatewayclient

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
)

// pageSize is the largest page that lists give.
const pageSize = 1000

// List reads every page of the list at path, such as "/v1/accounts/a/phoneUsers", and answers its items: the field named items of
// each page. query holds further arguments (filter, query, orderBy …) and may be nil.
func List[T any](ctx context.Context, c *Client, path, items string, query url.Values) ([]T, error) {
	out := []T{}
	args := url.Values{}
	for k, v := range query {
		args[k] = v
	}
	args.Set("pageSize", strconv.Itoa(pageSize))
	for {
		var page map[string]json.RawMessage
		if err := c.Get(ctx, path+"?"+args.Encode(), &page); err != nil {
			return nil, err
		}
		var found []T
		if raw, ok := page[items]; ok {
			if err := json.Unmarshal(raw, &found); err != nil {
				return nil, fmt.Errorf("GET %s: reading %s: %w", path, items, err)
			}
		}
		out = append(out, found...)
		var token string
		if raw, ok := page["nextPageToken"]; ok {
			if err := json.Unmarshal(raw, &token); err != nil {
				return nil, fmt.Errorf("GET %s: reading nextPageToken: %w", path, err)
			}
		}
		if token == "" {
			return out, nil
		}
		args.Set("pageToken", token)
	}
}

// Assign assigns phone licences in the account, such as "accounts/a".
func (c *Client) Assign(ctx context.Context, account string, req AssignRequest) ([]PhoneUser, error) {
	var out struct {
		PhoneUsers []PhoneUser `json:"phoneUsers"`
	}
	err := c.Post(ctx, "/v1/"+account+"/phoneUsers:batchAssign", req, &out)
	return out.PhoneUsers, err
}

// CreateUsers adds people to the directory of the account, at most 1,000, in one call.
func (c *Client) CreateUsers(ctx context.Context, account string, users []User) ([]User, error) {
	var out struct {
		Users []User `json:"users"`
	}
	err := c.Post(ctx, "/v1/"+account+"/users:batchCreate", map[string]any{"users": users}, &out)
	return out.Users, err
}
