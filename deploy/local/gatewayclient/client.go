// Package gatewayclient talks to the gateway as any caller outside does: JSON over HTTP, with a bearer token. It knows the
// routes' JSON and nothing of the services behind it. The demonstration, the benchmark and the end-to-end tests use it.
package gatewayclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

// Client calls one gateway as one caller. It is safe for concurrent use.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// New makes a client of the gateway at base, such as "http://127.0.0.1:8080", that sends no token. It keeps up to
// connections idle connections open, 0 for 64.
func New(base string, connections int) *Client {
	if connections <= 0 {
		connections = 64
	}
	return &Client{
		base: strings.TrimRight(base, "/"),
		http: &http.Client{
			Transport: &http.Transport{MaxIdleConns: connections, MaxIdleConnsPerHost: connections, IdleConnTimeout: time.Minute},
			Timeout:   2 * time.Minute,
		},
	}
}

// As makes a client that sends token and shares the connections of c.
func (c *Client) As(token string) *Client {
	return &Client{base: c.base, token: token, http: c.http}
}

// Close lets the idle connections go.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Get reads path into out.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	return c.Do(ctx, http.MethodGet, path, nil, out)
}

// Post sends in to path and reads the answer into out, which may be nil.
func (c *Client) Post(ctx context.Context, path string, in, out any) error {
	return c.Do(ctx, http.MethodPost, path, in, out)
}

// Patch sends in to path and reads the answer into out, which may be nil.
func (c *Client) Patch(ctx context.Context, path string, in, out any) error {
	return c.Do(ctx, http.MethodPatch, path, in, out)
}

// Delete deletes path.
func (c *Client) Delete(ctx context.Context, path string) error {
	return c.Do(ctx, http.MethodDelete, path, nil, nil)
}

// Do sends in, encoded as JSON (nil for no body, []byte as it is), and reads the answer into out, which may be nil. An answer other
// than 2xx comes back as *Error; what never was an answer as another error.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	answer, err := c.Raw(ctx, method, path, in, nil)
	if err != nil {
		return err
	}
	if answer.Status/100 != 2 {
		return readError(answer)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer.Body, out); err != nil {
		return fmt.Errorf("%s %s: reading the answer: %w", method, path, err)
	}
	return nil
}

// Answer is an answer as it came.
type Answer struct {
	// Status is the HTTP status code.
	Status int
	// Header holds the answer's header fields.
	Header http.Header
	// Body is the whole body.
	Body []byte
}

// Stream reads path piece by piece, whatever its size. The caller closes what it gets.
func (c *Client) Stream(ctx context.Context, path string) (io.ReadCloser, error) {
	resp, err := c.send(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 == 2 {
		return resp.Body, nil
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := readAnswer(resp)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", path, err)
	}
	return nil, readError(answer)
}

// Raw sends in as Do does, with header fields of the caller's choice, and answers whatever comes back.
func (c *Client) Raw(ctx context.Context, method, path string, in any, header http.Header) (*Answer, error) {
	resp, err := c.send(ctx, method, path, in, header)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := readAnswer(resp)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return answer, nil
}

func readAnswer(resp *http.Response) (*Answer, error) {
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the answer: %w", err)
	case len(raw) > maxAnswer:
		return nil, fmt.Errorf("reading the answer: it is longer than %d bytes", maxAnswer)
	}
	return &Answer{Status: resp.StatusCode, Header: resp.Header, Body: raw}, nil
}

// send makes a request. The caller closes the body of the response.
func (c *Client) send(ctx context.Context, method, path string, in any, header http.Header) (*http.Response, error) {
	body, err := encode(in)
	if err != nil {
		return nil, fmt.Errorf("%s %s: encoding the request: %w", method, path, err)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return resp, nil
}

func encode(in any) (io.Reader, error) {
	switch v := in.(type) {
	case nil:
		return http.NoBody, nil
	case []byte:
		return bytes.NewReader(v), nil
	default:
		raw, err := json.Marshal(in)
		return bytes.NewReader(raw), err
	}
}

// Token gets a token from the local issuer. request is what POST tokenURL takes, such as {"operator":true}.
func Token(ctx context.Context, tokenURL string, request any) (string, error) {
	c := New(tokenURL, 1)
	defer c.Close()
	var out struct {
		AccessToken string `json:"accessToken"`
	}
	if err := c.Post(ctx, "", request, &out); err != nil {
		return "", fmt.Errorf("getting a token: %w", err)
	}
	if out.AccessToken == "" {
		return "", errors.New("getting a token: the answer holds none")
	}
	return out.AccessToken, nil
}
