package web

import (
	"container/list"
	"net"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Connections bounds the open connections of a server. When there are too many, the one that has been idle for longest has to go, so that
// a crowd of connections that send nothing cannot keep out those that do. Where none is idle, the newest goes.
type Connections struct {
	max   int
	gauge prometheus.Gauge
	shed  prometheus.Counter

	mu   sync.Mutex
	idle *list.List // of net.Conn, longest idle first
	open map[net.Conn]*list.Element
}

// NewConnections returns a bound of max connections.
func NewConnections(maxOpen int, reg prometheus.Registerer) (*Connections, error) {
	c := &Connections{
		max: maxOpen, idle: list.New(), open: map[net.Conn]*list.Element{},
		gauge: prometheus.NewGauge(prometheus.GaugeOpts{Name: "switchboard_http_connections", Help: "Open connections of callers."}),
		shed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "switchboard_http_connections_shed_total", Help: "Connections closed because there were too many.",
		}),
	}
	for _, m := range []prometheus.Collector{c.gauge, c.shed} {
		if err := reg.Register(m); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Note is for http.Server.ConnState.
func (c *Connections) Note(conn net.Conn, state http.ConnState) {
	if loser := c.note(conn, state); loser != nil {
		c.shed.Inc()
		_ = loser.Close() // the server notices, and notes it
	}
}

func (c *Connections) note(conn net.Conn, state http.ConnState) (loser net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() { c.gauge.Set(float64(len(c.open))) }()
	if e := c.open[conn]; e != nil {
		c.idle.Remove(e)
		c.open[conn] = nil
	}
	switch state {
	case http.StateClosed, http.StateHijacked:
		delete(c.open, conn)
	case http.StateNew, http.StateIdle:
		c.open[conn] = c.idle.PushBack(conn)
	case http.StateActive:
		c.open[conn] = nil
	}
	if state != http.StateNew || len(c.open) <= c.max {
		return nil
	}
	oldest, _ := c.idle.Remove(c.idle.Front()).(net.Conn) // conn itself, if no other is idle
	delete(c.open, oldest)
	return oldest
}
