package testkit

import (
	"testing"

	"github.com/switchboard-phone/switchboard/services/platform/localaddr"
)

// FreeAddr finds an address, 127.0.0.1:port, that nobody uses and that the system hands to nobody by itself, for a server that a test
// starts later, or again after its end.
func FreeAddr(tb testing.TB) string {
	tb.Helper()
	addr, err := localaddr.Choose()
	if err != nil {
		tb.Fatal(err)
	}
	return addr
}
