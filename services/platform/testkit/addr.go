package testkit

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// FreeAddr finds an address, 127.0.0.1:port, that nobody uses, for a server that a test starts later, or again after its end. The port is
// none of those that the kernel hands out by itself (from 32768 on), to what listens on any port and to what calls: between now and then
// one of many tests would be given it.
func FreeAddr(tb testing.TB) string {
	tb.Helper()
	const from, to, tries = 20_000, 32_000, 1000
	for range tries {
		addr := fmt.Sprintf("127.0.0.1:%d", from+rand.IntN(to-from))
		if l, err := net.Listen("tcp", addr); err == nil {
			_ = l.Close()
			return addr
		}
	}
	tb.Fatalf("no port from %d to %d is free", from, to)
	return ""
}
