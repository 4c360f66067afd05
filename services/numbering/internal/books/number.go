package books

import (
	"regexp"
	"time"

	"github.com/google/uuid"
)

// MaxNumbersPerOwner is how many direct numbers one owner can hold; messages about owners carry no more.
const MaxNumbersPerOwner = 100

// NumberState says whether a direct number can be given out.
type NumberState string

// The states of a direct number.
const (
	Available   NumberState = "AVAILABLE"
	Assigned    NumberState = "ASSIGNED"
	Quarantined NumberState = "QUARANTINED"
)

// PhoneNumber is a direct number.
type PhoneNumber struct {
	// Number is in E.164 form.
	Number string
	State  NumberState
	// Owner holds it when it is Assigned; uuid.Nil otherwise.
	Owner uuid.UUID
	// QuarantineUntil is when it is free again when it is Quarantined; zero otherwise.
	QuarantineUntil time.Time
	CreateTime      time.Time
}

// e164 is the form of ITU-T E.164: "+", a country code (which never begins with 0) and the national number, 15 digits at the
// most. No public number has fewer than 7 digits with its country code. Whether a number exists is not looked into, since
// numbering plans change faster than software is deployed, and numbers set aside for fiction must do for trials.
var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// ValidNumber says whether number is in E.164 form.
func ValidNumber(number string) bool { return e164.MatchString(number) }
