// Package etcdtest gives tests an etcd that they can stop and bring back. It is apart from testkit since etcd is a lot to link.
package etcdtest

import (
	"net/url"
	"testing"

	"github.com/switchboard-phone/switchboard/services/platform/localetcd"
)

// Server is an etcd that belongs to one test.
type Server struct {
	// Endpoint is its address, http://host:port. It stays the same over Stop and Start.
	Endpoint string

	dir  string
	inst *localetcd.Instance
}

// New starts an etcd that ends with the test.
func New(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{dir: tb.TempDir()}
	s.Start(tb)
	tb.Cleanup(func() { s.Stop(tb) })
	return s
}

// Endpoints returns Endpoint as a list.
func (s *Server) Endpoints() []string { return []string{s.Endpoint} }

// Start brings it back after Stop, with the data and the address it had.
func (s *Server) Start(tb testing.TB) {
	tb.Helper()
	addr := ""
	if u, err := url.Parse(s.Endpoint); err == nil {
		addr = u.Host
	}
	inst, err := localetcd.Start(tb.Context(), localetcd.Options{DataDir: s.dir, Addr: addr})
	if err != nil {
		tb.Fatalf("start etcd: %v", err)
	}
	s.inst, s.Endpoint = inst, inst.Endpoint
}

// Stop ends it: clients lose their connections and find nobody at the address. Stopping twice is no error.
func (s *Server) Stop(tb testing.TB) {
	tb.Helper()
	if s.inst == nil {
		return
	}
	if err := s.inst.Stop(); err != nil {
		tb.Errorf("stop etcd: %v", err)
	}
	s.inst = nil
}
