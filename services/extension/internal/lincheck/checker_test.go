package lincheck

import (
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
)

// TestCheckerCanFail seeds histories with what must never be, and requires that the checker sees it.
func TestCheckerCanFail(t *testing.T) {
	t.Parallel()
	got := func(n int) output { return output{number: n} }
	full := empty()
	var fill []porcupine.Operation
	for o := range numbers {
		full = full.with(o, o)
		fill = append(fill, operation(0, input{kind: allocate, owner: o}, int64(2*o), got(o), int64(2*o+1)))
	}
	after := func(ops ...porcupine.Operation) []porcupine.Operation {
		return append(append([]porcupine.Operation{}, fill...), ops...)
	}
	for name, c := range map[string]struct {
		history []porcupine.Operation
		want    bool
	}{
		"everybody has one":      {after(operation(0, input{kind: look}, 100, output{all: full}, 101)), true},
		"one number, two owners": {after(operation(1, input{kind: allocate, owner: 8}, 100, got(3), 101)), false},
		"exhausted":              {after(operation(1, input{kind: allocate, owner: 8}, 100, output{result: refused}, 101)), true},
		"exhausted too early":    {append(fill[:numbers-1:numbers-1], operation(1, input{kind: allocate, owner: 8}, 100, output{result: refused}, 101)), false},
		"a second number for an owner": {[]porcupine.Operation{
			operation(0, input{kind: allocate, owner: 1}, 0, got(1), 1), operation(0, input{kind: allocate, owner: 1}, 2, got(2), 3),
		}, false},
		"a swap that left the old number taken": {[]porcupine.Operation{
			operation(0, input{kind: allocate, owner: 1}, 0, got(1), 1), operation(0, input{kind: swap, owner: 1, number: 2}, 2, got(2), 3),
			operation(0, input{kind: wish, owner: 2, number: 1}, 4, output{result: refused}, 5),
		}, false},
		"a stale look": {[]porcupine.Operation{
			operation(0, input{kind: allocate, owner: 1}, 0, got(1), 1), operation(1, input{kind: look}, 2, output{all: empty()}, 3),
		}, false},
		"a lost answer that took effect late": {after(
			operation(1, input{kind: release, owner: 3}, 100, output{result: unknown}, 101),
			operation(2, input{kind: look}, 102, output{all: full}, 103),
			operation(2, input{kind: allocate, owner: 8}, 104, got(3), 105)), true},
		"effect without a cause": {after(
			operation(2, input{kind: look}, 102, output{all: full}, 103),
			operation(2, input{kind: allocate, owner: 8}, 104, got(3), 105)), false},
	} {
		require.Equal(t, c.want, porcupine.CheckOperations(model, c.history), name)
	}
}
