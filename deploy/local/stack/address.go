package stack

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// chosen are the addresses that this process has chosen, so that it chooses none twice.
var chosen sync.Map

// ChooseAddress finds a free address outside the range from which the system takes ports for outgoing connections, for a process that
// is known to others before it starts or must find its port free when it starts again.
func ChooseAddress() (string, error) {
	const from, to, tries = 15000, 30000, 100
	var last error
	for range tries {
		addr := fmt.Sprintf("127.0.0.1:%d", from+rand.IntN(to-from))
		if _, taken := chosen.LoadOrStore(addr, true); taken {
			continue
		}
		lis, err := net.Listen("tcp", addr)
		if err == nil {
			return addr, lis.Close()
		}
		last = err
	}
	return "", fmt.Errorf("finding a free port: %w", last)
}
