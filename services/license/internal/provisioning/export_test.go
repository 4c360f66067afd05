package provisioning

import (
	"maps"
	"slices"
)

// Kinds lists the kinds of operations there are.
func Kinds() []string { return slices.Sorted(maps.Keys(operations)) }
