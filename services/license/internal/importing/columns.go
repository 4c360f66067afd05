package importing

import (
	"strings"
	"unicode/utf8"

	"github.com/switchboard-phone/switchboard/services/license/internal/model"
)

// The columns of a file, as the header names them.
const (
	columnEmail        = "email"
	columnRoom         = "room"
	columnSite         = "site"
	columnPackage      = "package"
	columnTemplate     = "template"
	columnExtension    = "extension"
	columnPhoneNumbers = "phone_numbers"
)

// columns are the columns in the order in which exports write them.
var columns = []string{
	columnEmail, columnRoom, columnSite, columnPackage, columnTemplate, columnExtension, columnPhoneNumbers,
}

// The columns that a result file has in addition.
const (
	columnOutcome  = "outcome"
	columnReason   = "reason"
	columnMessage  = "message"
	columnWarnings = "warnings"
)

// resultColumns are skipped when read, so that a result file can be corrected and imported again.
var resultColumns = []string{columnOutcome, columnReason, columnMessage, columnWarnings}

// cell returns the cell of a column, nil for one that is skipped or not known.
func cell(c *model.ImportCells, column string) *string {
	switch column {
	case columnEmail:
		return &c.Email
	case columnRoom:
		return &c.Room
	case columnSite:
		return &c.Site
	case columnPackage:
		return &c.Package
	case columnTemplate:
		return &c.Template
	case columnExtension:
		return &c.Extension
	case columnPhoneNumbers:
		return &c.PhoneNumbers
	}
	return nil
}

// closest returns the word that text was most likely meant to be, "" when none is near.
func closest(text string, words []string) string {
	text = squash(text)
	best, bestDistance := "", 1+utf8.RuneCountInString(text)/3
	for _, word := range words {
		if d := distance(text, squash(word), bestDistance); d < bestDistance {
			best, bestDistance = word, d
		}
	}
	return best
}

// squash leaves out what people write in different ways: case, blanks, hyphens and underscores.
func squash(text string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case ' ', '-', '_', '\t':
			return -1
		}
		return r
	}, model.Fold(text))
}

// distance is the number of characters to insert, delete or replace to make a into b (Levenshtein), or limit when it is not less.
func distance(a, b string, limit int) int {
	from, to := []rune(a), []rune(b)
	if len(from)-len(to) >= limit || len(to)-len(from) >= limit {
		return limit
	}
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i, r := range from {
		diagonal := row[0]
		row[0] = i + 1
		for j, s := range to {
			replace := diagonal
			if r != s {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, diagonal+1)
		}
	}
	return min(row[len(to)], limit)
}
