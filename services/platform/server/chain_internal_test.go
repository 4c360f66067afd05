package server

import (
	"slices"
	"testing"

	"buf.build/go/protovalidate"
	grpcprom "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/stretchr/testify/require"
)

func TestChainIsInTheDocumentedOrder(t *testing.T) {
	t.Parallel()
	validator, err := protovalidate.New()
	require.NoError(t, err)
	links := (&Server{cfg: DefaultConfig()}).chain(grpcprom.NewServerMetrics(), validator)
	_, err = install(links)
	require.NoError(t, err)

	for i := range len(links) - 1 {
		swapped := slices.Clone(links)
		swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
		_, err := install(swapped)
		require.ErrorContains(t, err, "order", "links %d and %d", i, i+1)
	}
	_, err = install(links[:len(links)-1])
	require.Error(t, err, "one is missing")
	half := slices.Clone(links)
	half[3].stream = nil
	_, err = install(half)
	require.ErrorContains(t, err, "logging")
}
