package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"time"
)

// control takes commands at a Unix socket, which only the user who started the cluster can open: POST /ACTION/NAME, POST /roll?prefix=NAME,
// GET /status.
type control struct {
	path   string
	server *http.Server
	done   chan error
}

// maxSocketPath is how long the path of a Unix socket may be on every system.
const maxSocketPath = 100

// startControl opens the socket.
func (c *Cluster) startControl(path string) error {
	if len(path) > maxSocketPath {
		dir, err := os.MkdirTemp("", "switchboard-control-")
		if err != nil {
			return fmt.Errorf("opening the control socket: %w", err)
		}
		c.stops = append(c.stops, func(context.Context) error { return os.RemoveAll(dir) })
		path = dir + "/control.sock"
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the old control socket: %w", err)
	}
	lis, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("opening the control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(fmt.Errorf("opening the control socket: %w", err), lis.Close())
	}
	c.control = &control{path: path, server: &http.Server{Handler: c.handler(), ReadHeaderTimeout: 5 * time.Second}, done: make(chan error, 1)}
	go func() {
		err := c.control.server.Serve(lis)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		c.control.done <- err
	}()
	return nil
}

func (x *control) stop(ctx context.Context) error {
	err := x.server.Shutdown(ctx)
	return errors.Join(err, <-x.done)
}

func (c *Cluster) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { answer(w, c.Status()) })
	mux.HandleFunc("POST /roll", func(w http.ResponseWriter, r *http.Request) {
		enc := json.NewEncoder(w)
		err := c.Roll(r.Context(), func(name string, took time.Duration) {
			_ = enc.Encode(Progress{Name: name, Seconds: took.Seconds()})
			_ = http.NewResponseController(w).Flush()
		}, r.URL.Query()["prefix"]...)
		if err != nil {
			_ = enc.Encode(Progress{Error: err.Error()})
		}
	})
	mux.HandleFunc("POST /{action}/{name}", func(w http.ResponseWriter, r *http.Request) {
		action, err := ParseAction(r.PathValue("action"))
		if err == nil {
			err = c.Do(r.Context(), action, r.PathValue("name"))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		answer(w, c.Status())
	})
	return mux
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the caller may be gone
}

// Progress is one step of a roll, or its failure.
type Progress struct {
	Name    string  `json:"name,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
	Error   string  `json:"error,omitempty"`
}

// Remote commands a cluster that runs in another process, by its control socket.
type Remote struct{ http *http.Client }

// Connect answers a Remote for the socket at path. Nothing is sent yet.
func Connect(path string) *Remote {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	// Commands are rare: no connection is kept, so there is nothing to close.
	return &Remote{&http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Do is Cluster.Do.
func (r *Remote) Do(ctx context.Context, action Action, name string) ([]Status, error) {
	return r.statuses(ctx, http.MethodPost, "/"+string(action)+"/"+name)
}

// Status is Cluster.Status.
func (r *Remote) Status(ctx context.Context) ([]Status, error) {
	return r.statuses(ctx, http.MethodGet, "/status")
}

func (r *Remote) statuses(ctx context.Context, method, path string) (out []Status, err error) {
	body, err := r.send(ctx, method, path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	if err := json.NewDecoder(body).Decode(&out); err != nil {
		return nil, fmt.Errorf("reading the cluster's answer: %w", err)
	}
	return out, nil
}

// Roll is Cluster.Roll.
func (r *Remote) Roll(ctx context.Context, progress func(Progress), prefixes ...string) (err error) {
	path := "/roll?"
	for _, p := range prefixes {
		path += "prefix=" + p + "&"
	}
	body, err := r.send(ctx, http.MethodPost, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	dec := json.NewDecoder(body)
	for {
		var p Progress
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading the cluster's answer: %w", err)
		}
		if p.Error != "" {
			return errors.New(p.Error)
		}
		progress(p)
	}
}

// send sends a command and answers the body of a good answer.
func (r *Remote) send(ctx context.Context, method, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://cluster"+path, nil)
	if err != nil {
		return nil, fmt.Errorf("reaching the cluster: %w", err)
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("reaching the cluster, is it running? %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return nil, errors.Join(errors.New(string(bytes.TrimSpace(text))), err, resp.Body.Close())
}
