// Package localaddr chooses addresses of this machine for servers that are known to others before they start, or must find their port
// free when they start again.
package localaddr

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// chosen are the addresses that this process has chosen, so that it chooses none twice.
var chosen sync.Map

// Choose finds a free address, 127.0.0.1:port. The port is none of those that the system hands out by itself (from 32768 on), to what
// listens on any port and to what calls: between now and the server's start somebody else would be given it.
func Choose() (string, error) {
	const from, to, tries = 15000, 30000, 100
	var last error
	for range tries {
		addr := fmt.Sprintf("127.0.0.1:%d", from+rand.IntN(to-from))
		if _, taken := chosen.LoadOrStore(addr, true); taken {
			continue
		}
		l, err := net.Listen("tcp", addr)
		if err == nil {
			return addr, l.Close()
		}
		last = err
	}
	return "", fmt.Errorf("find a free port: %w", last)
}
