// Package books holds the rules of the numbering service: what a package and a direct number are, who may be given which, and
// what that changes. It knows neither SQL nor gRPC.
package books

import (
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// MaxPackages is how many packages an account can have.
const MaxPackages = 1000

// State says whether a package can be used.
type State string

// The states of a package.
const (
	Active   State = "ACTIVE"
	Inactive State = "INACTIVE"
)

// Package is a calling plan with a number of seats.
type Package struct {
	ID          uuid.UUID
	DisplayName string
	Kind        string
	// Seats is how many owners can hold it, Assigned how many do.
	Seats, Assigned int64
	State           State
	// Revision counts an administrator's changes, from 1.
	Revision   int64
	CreateTime time.Time
}

// CleanText returns a name or word as it is kept: without white space around it. False means that it holds control characters,
// which no name needs and databases partly refuse.
func CleanText(s string) (string, bool) {
	s = strings.TrimSpace(s)
	return s, strings.IndexFunc(s, unicode.IsControl) < 0
}

// FoldName returns the form in which two display names are the same: no difference between upper and lower case, between
// compatible forms of a character (Unicode NFKC), or between amounts of white space.
func FoldName(name string) string {
	// Lower case after folding, since the library folds the two cases of Cherokee into each other.
	folded := strings.ToLower(cases.Fold().String(norm.NFKC.String(name)))
	return strings.Join(strings.Fields(norm.NFKC.String(folded)), " ")
}
