package lincheck

import (
	"fmt"
	"math"

	"github.com/anishathalye/porcupine"
)

// An arena is an account with few numbers and few owners, so that everybody is in everybody's way.
const (
	numbers = 8
	owners  = 10
)

type kind int

const (
	allocate kind = iota // any number
	wish                 // this number
	swap                 // this number in place of the one there is
	release
	look // who has which number
)

// input is a call. number counts from 0.
type input struct {
	kind   kind
	owner  int
	number int
}

// none is the number of an owner without one.
const none = -1

type result int

const (
	ok      result = iota
	refused        // the number is another's, or there is none left
	unknown        // it may have happened, now or later, or not
)

// output is an answer: the number that the owner has now; for release the one that was freed, or none when this call freed none;
// for look everything.
type output struct {
	result result
	number int
	all    state
}

// state says which number each owner has.
type state [owners]int8

func empty() state {
	var s state
	for o := range s {
		s[o] = none
	}
	return s
}

func (s state) taken(number int) bool {
	for _, n := range s {
		if int(n) == number {
			return true
		}
	}
	return false
}

func (s state) full() bool {
	for n := range numbers {
		if !s.taken(n) {
			return false
		}
	}
	return true
}

func (s state) with(owner, number int) state {
	s[owner] = int8(number)
	return s
}

// model is what a sequential service would do. Which free number is given out is up to the service.
var sequential = porcupine.NondeterministicModel{
	Init: func() []any { return []any{empty()} },
	Step: func(st, in, out any) []any {
		s, i, o := st.(state), in.(input), out.(output)
		switch i.kind {
		case allocate:
			return s.allocate(i, o)
		case wish, swap:
			return s.take(i, o)
		case release:
			return s.release(i, o)
		}
		if o.result == unknown || o.all == s {
			return []any{s}
		}
		return nil
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v -> %+v", in, out) },
}

var model = sequential.ToModel()

func (s state) allocate(i input, o output) []any {
	has := int(s[i.owner])
	switch {
	case o.result == ok && has != none:
		return when(o.number == has, s)
	case o.result == ok:
		return when(!s.taken(o.number), s.with(i.owner, o.number))
	case o.result == refused:
		return when(has == none && s.full(), s)
	}
	out := []any{s}
	for n := 0; n < numbers && has == none; n++ {
		if !s.taken(n) {
			out = append(out, s.with(i.owner, n))
		}
	}
	return out
}

// take is a wish or a swap: an owner that has a number keeps it at a wish.
func (s state) take(i input, o output) []any {
	has := int(s[i.owner])
	keeps := has == i.number || i.kind == wish && has != none
	switch {
	case o.result == ok && keeps:
		return when(o.number == has, s)
	case o.result == ok:
		return when(o.number == i.number && !s.taken(i.number), s.with(i.owner, i.number))
	case o.result == refused:
		return when(!keeps && s.taken(i.number), s)
	case !keeps && !s.taken(i.number):
		return []any{s, s.with(i.owner, i.number)}
	}
	return []any{s}
}

func (s state) release(i input, o output) []any {
	switch {
	case o.result == unknown:
		return []any{s, s.with(i.owner, none)}
	case o.number == none: // there was nothing, or an attempt of this call whose answer was lost has freed it
		return []any{s.with(i.owner, none)}
	}
	return when(int(s[i.owner]) == o.number, s.with(i.owner, none))
}

func when(cond bool, next state) []any {
	if cond {
		return []any{next}
	}
	return nil
}

// operation is a call as it goes into a history. One whose outcome is not known may take effect at any later time.
func operation(client int, in input, call int64, out output, back int64) porcupine.Operation {
	if out.result == unknown {
		back = math.MaxInt64
	}
	return porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: back}
}
