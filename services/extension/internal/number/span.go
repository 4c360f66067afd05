package number

import "slices"

// Span is a run of numbers of one length, both ends included.
type Span struct{ From, To Number }

// Size returns how many numbers the span has.
func (s Span) Size() int64 { return int64(s.To-s.From) + 1 }

// Contains says whether n is one of the span's numbers.
func (s Span) Contains(n Number) bool { return s.From <= n && n <= s.To }

// Overlaps says whether the two share a number.
func (s Span) Overlaps(o Span) bool { return s.From <= o.To && o.From <= s.To }

// BlockSize is how many numbers a block has; the last one of a span may have fewer. All replicas must cut alike, so that it is
// a constant and no setting.
const (
	BlockSize = 256
	// BlockShift is the binary logarithm of BlockSize.
	BlockShift = 8
)

// Blocks returns how many blocks the span is cut into.
func (s Span) Blocks() int64 { return (s.Size() + BlockSize - 1) / BlockSize }

// Block returns the block with the given index, counted from 0.
func (s Span) Block(index int64) Span {
	from := s.From + Number(index*BlockSize)
	return Span{From: from, To: min(from+BlockSize-1, s.To)}
}

// BlockOf returns the index of the block that n, a number of the span, is in.
func (s Span) BlockOf(n Number) int64 { return int64(n-s.From) >> BlockShift }

// Join puts spans that touch each other together. The spans must be sorted and must not overlap.
func Join(spans []Span) []Span {
	var out []Span
	for _, s := range spans {
		if n := len(out); n > 0 && out[n-1].To+1 == s.From {
			out[n-1].To = s.To
			continue
		}
		out = append(out, s)
	}
	return out
}

// Set is a set of numbers, sorted. The zero Set is empty.
type Set struct{ sorted []Number }

// NewSet returns the set of ns.
func NewSet(ns ...Number) Set {
	sorted := slices.Clone(ns)
	slices.Sort(sorted)
	return Set{sorted: slices.Compact(sorted)}
}

// Contains says whether n is in the set.
func (s Set) Contains(n Number) bool {
	_, ok := slices.BinarySearch(s.sorted, n)
	return ok
}

// In returns those of the set that lie in the span, ascending. The caller must not change them.
func (s Set) In(sp Span) []Number {
	lo, _ := slices.BinarySearch(s.sorted, sp.From)
	hi, _ := slices.BinarySearch(s.sorted, sp.To+1)
	return s.sorted[lo:max(lo, hi)]
}

// All returns the numbers of the set, ascending. The caller must not change them.
func (s Set) All() []Number { return s.sorted }
