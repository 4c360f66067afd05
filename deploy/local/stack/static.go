package stack

import (
	"strings"

	"google.golang.org/grpc/resolver"
)

// staticScheme is a gRPC target that lists its addresses, so that a caller spreads its calls over the replicas of a service as a
// headless Service of a cluster would make it: switchboard-local:///127.0.0.1:1001,127.0.0.1:1002
const staticScheme = "switchboard-local"

// gRPC takes resolvers in init functions only.
func init() { resolver.Register(staticBuilder{}) }

// staticTarget makes a target of addresses. A single one is a target that every program understands.
func staticTarget(addrs []string) string {
	if len(addrs) == 1 {
		return "dns:///" + addrs[0]
	}
	return staticScheme + ":///" + strings.Join(addrs, ",")
}

type staticBuilder struct{}

// Scheme implements resolver.Builder.
func (staticBuilder) Scheme() string { return staticScheme }

// Build implements resolver.Builder.
func (staticBuilder) Build(target resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	var state resolver.State
	for addr := range strings.SplitSeq(target.Endpoint(), ",") {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: addr}}})
	}
	return staticResolver{}, cc.UpdateState(state)
}

// staticResolver has nothing to resolve any more.
type staticResolver struct{}

// ResolveNow implements resolver.Resolver.
func (staticResolver) ResolveNow(resolver.ResolveNowOptions) {}

// Close implements resolver.Resolver.
func (staticResolver) Close() {}
