package allocator

import (
	"math/bits"
	"slices"
	"time"

	"github.com/switchboard-phone/switchboard/services/extension/internal/lease"
	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/extension/internal/store"
)

// block is what this replica knows about a block that it holds: which numbers it may try. It may be wrong about a number, as
// others can take (wishes, an emptied range of theirs) and free numbers here; the database says so when it comes to it.
type block struct {
	lease.Block
	// epoch is the session that the lease is bound to.
	epoch int64
	free  [number.BlockSize / 64]uint64
	left  int
	// lapses are numbers whose quarantine ends later, soonest first.
	lapses []lapse
	// stale is set once the block turned out to be wrong about a number; it is loaded again before it is used.
	stale bool
}

type lapse struct {
	number number.Number
	at     time.Time
}

// load sets the block from the rows of the database. reserved numbers are never free.
func (b *block) load(rows []store.Extension, reserved number.Set) {
	b.free, b.left, b.lapses, b.stale = [number.BlockSize / 64]uint64{}, 0, nil, false
	for n := b.From; n <= b.To; n++ {
		b.put(n)
	}
	for _, e := range rows {
		if !b.Contains(e.Number) {
			continue
		}
		b.take(e.Number)
		if e.State == store.Quarantined {
			b.lapseAt(e.Number, e.QuarantineUntil)
		}
	}
	for _, n := range reserved.In(b.Span) {
		b.take(n)
		b.lapses = slices.DeleteFunc(b.lapses, func(l lapse) bool { return l.number == n })
	}
}

func (b *block) at(n number.Number) (word int, bit uint64) {
	i := int(n - b.From)
	return i / 64, 1 << (i % 64)
}

// put makes n free.
func (b *block) put(n number.Number) {
	word, bit := b.at(n)
	if b.free[word]&bit == 0 {
		b.free[word] |= bit
		b.left++
	}
}

// take makes n not free.
func (b *block) take(n number.Number) {
	word, bit := b.at(n)
	if b.free[word]&bit != 0 {
		b.free[word] &^= bit
		b.left--
	}
}

// lapseAt makes n free once its quarantine is over.
func (b *block) lapseAt(n number.Number, at time.Time) {
	b.lapses = append(b.lapses, lapse{number: n, at: at})
	slices.SortFunc(b.lapses, func(x, y lapse) int { return x.at.Compare(y.at) })
}

// expire frees the numbers whose quarantine is over.
func (b *block) expire(now time.Time) {
	for len(b.lapses) > 0 && !b.lapses[0].at.After(now) {
		b.put(b.lapses[0].number)
		b.lapses = b.lapses[1:]
	}
}

// takeLowest takes up to count free numbers, lowest first.
func (b *block) takeLowest(count int) []number.Number {
	out := make([]number.Number, 0, min(count, b.left))
	for word := range b.free {
		for b.free[word] != 0 && len(out) < count {
			n := b.From + number.Number(word*64+bits.TrailingZeros64(b.free[word]))
			b.take(n)
			out = append(out, n)
		}
	}
	return out
}
