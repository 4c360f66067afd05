// Package number is what an extension number is: 2 to 10 decimal digits, leading zeros included, so that "0123" and "123" are
// two numbers.
package number

import (
	"errors"
	"fmt"
)

// How many digits a number may have.
const (
	MinDigits = 2
	MaxDigits = 10
)

// base is one more than the greatest value of MaxDigits digits.
const base = 10_000_000_000

// ErrInvalid is returned for texts that are no extension number.
var ErrInvalid = errors.New("not an extension number: it takes 2 to 10 digits")

// Number is an extension number: its count of digits times 10^10 plus its value, so that one integer holds all of it, numbers
// of one length follow each other, and the natural order is by digits and then by value. The zero Number is none.
type Number int64

// Of returns the number with the given count of digits and value. Both must be in their bounds; see Valid.
func Of(digits int, value int64) Number { return Number(int64(digits)*base + value) }

// Parse reads a number in ASCII digits. The error is ErrInvalid.
func Parse(s string) (Number, error) {
	if len(s) < MinDigits || len(s) > MaxDigits {
		return 0, ErrInvalid
	}
	var value int64
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, ErrInvalid
		}
		value = value*10 + int64(c-'0')
	}
	return Of(len(s), value), nil
}

// MustParse is Parse for constants; it panics on an invalid number.
func MustParse(s string) Number {
	n, err := Parse(s)
	if err != nil {
		panic(fmt.Sprintf("number %q: %v", s, err))
	}
	return n
}

// Digits returns the count of digits.
func (n Number) Digits() int { return int(n / base) }

// Value returns the number without its leading zeros.
func (n Number) Value() int64 { return int64(n % base) }

// Valid says whether n is a number that Parse could have returned.
func (n Number) Valid() bool {
	d := n.Digits()
	if n <= 0 || d < MinDigits || d > MaxDigits {
		return false
	}
	limit := int64(1)
	for range d {
		limit *= 10
	}
	return n.Value() < limit
}

// String returns the number as it is dialled, with its leading zeros; empty for the zero Number.
func (n Number) String() string {
	if n == 0 {
		return ""
	}
	var digits [MaxDigits]byte
	value, count := n.Value(), min(n.Digits(), MaxDigits)
	for i := count - 1; i >= 0; i-- {
		digits[i] = byte('0' + value%10)
		value /= 10
	}
	return string(digits[:count])
}
