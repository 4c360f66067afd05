package importing

import (
	"regexp"
	"slices"
	"strings"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

const (
	// clear is the cell that takes a thing away.
	clearCell = "-"
	// maxCell bounds a cell in bytes: nothing that a cell can name is longer.
	maxCell = 1000
	// maxPhoneNumbers bounds the direct numbers of a row, as in single calls.
	maxPhoneNumbers = 20
)

var (
	extensionPattern = regexp.MustCompile(`^[0-9]{2,10}$`)
	// E.164: "+", a country code, at most 15 digits in all. Whether such a number can exist is for the numbering service to say.
	phoneNumberPattern = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	// What a spreadsheet makes of a phone number that it takes for a quantity.
	scientificPattern = regexp.MustCompile(`^[0-9]+([.,][0-9]+)?[eE]\+?[0-9]+$`)
)

// checkCells refuses a row for what can be seen without looking anything up, and says what looks wrong but is accepted.
func checkCells(c *model.ImportCells) (warnings []string, err error) {
	for _, column := range columns {
		if text := *cell(c, column); len(text) > maxCell {
			return nil, invalid(column, "is longer than %d bytes", maxCell)
		}
	}
	switch {
	case c.Email == "" && c.Room == "":
		return nil, invalid(columnEmail, "is empty, and so is the room: name whom the licence is for")
	case c.Email != "" && c.Room != "":
		return nil, invalid(columnRoom, "is filled, and so is the e-mail address: a row is for one of the two")
	}
	for _, column := range []string{columnEmail, columnRoom, columnSite, columnExtension} {
		if *cell(c, column) == clearCell {
			return nil, invalid(column, `cannot be cleared: leave the cell empty to leave it alone`)
		}
	}
	if c.Extension != "" && !extensionPattern.MatchString(c.Extension) {
		return nil, errs.New(commonv1.Reason_EXTENSION_INVALID, "%q is not an extension number: 2 to 10 digits", c.Extension).
			With("number", c.Extension).Violation(columnExtension, "must be 2 to 10 digits")
	}
	_, warnings, err = readPhoneNumbers(c.PhoneNumbers)
	return warnings, err
}

// invalid is the refusal of a row for one of its cells.
func invalid(column, format string, args ...any) error {
	e := errs.New(commonv1.Reason_FIELD_INVALID, "the cell "+column+" "+format, args...)
	return e.Violation(column, strings.TrimPrefix(e.Message(), "the cell "+column+" "))
}

// readPhoneNumbers reads a cell of direct numbers. An empty cell and "-" hold none.
func readPhoneNumbers(text string) (numbers, warnings []string, err error) {
	if text == clearCell {
		return nil, nil, nil
	}
	for part := range strings.SplitSeq(text, ";") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		number := part
		if !strings.HasPrefix(number, "+") {
			number = "+" + number
		}
		if !phoneNumberPattern.MatchString(number) {
			return nil, nil, phoneNumberInvalid(part)
		}
		if number != part {
			warnings = append(warnings, part+` has no "+" in front: read as `+number)
		}
		if slices.Contains(numbers, number) {
			warnings = append(warnings, number+" is named twice")
			continue
		}
		numbers = append(numbers, number)
	}
	if len(numbers) > maxPhoneNumbers {
		return nil, nil, errs.New(commonv1.Reason_BATCH_TOO_LARGE, "the row has %d phone numbers, at most %d are taken", len(numbers), maxPhoneNumbers).
			With("limit", "20").With("count", itoa(len(numbers))).Violation(columnPhoneNumbers, "must be at most 20 numbers")
	}
	return numbers, warnings, nil
}

func phoneNumberInvalid(text string) error {
	hint := `write it as "+" and up to 15 digits, several separated by ";"`
	if scientificPattern.MatchString(text) {
		hint = "a spreadsheet has taken it for a quantity and lost digits: format the column as text"
	}
	return errs.New(commonv1.Reason_NUMBER_INVALID, "%q is not a phone number: %s", text, hint).
		With("number", text).Violation(columnPhoneNumbers, text+" is not a phone number")
}
