// Package importfile makes files for phoneUsers:import in which one row in a hundred is bad, in ten ways, and says what has to become of
// each row. The benchmark and the end-to-end tests use it.
package importfile

import (
	"fmt"
	"strings"
)

// one bad row comes after so many, itself included.
const oneIn = 100

// World is what the rows refer to.
type World struct {
	// Emails are people without a licence, one for each row.
	Emails []string
	// Package is the display name of an active package with seats for all, Inactive that of an inactive one.
	Package, Inactive string
	// Extensions are numbers that somebody has, as many as Taken says. Numbers of five digits must be outside of all ranges.
	Extensions []string
	// Padding is how many blanks each row is made longer by, to make a file large.
	Padding int
}

// File is a file and what it should lead to.
type File struct {
	CSV  []byte
	Rows int
	// Bad says for each bad row, by number, which reason it is refused for. All others are to be done.
	Bad map[int]string
}

// way is a way to be bad: the cells of the nth row of that way, of a person, and the reason for its refusal.
type way struct {
	cells  func(w *World, email string, nth int) string
	reason string
}

// ways to be bad. Cells are email, site, package, template, extension, phone_numbers.
var ways = []way{
	{func(_ *World, email string, _ int) string { return "nobody-" + email + ",,,,," }, "NOT_FOUND"},
	{func(_ *World, email string, _ int) string { return email + ",Atlantis,,,," }, "NOT_FOUND"},
	{func(_ *World, email string, _ int) string { return email + ",,Platinum,,," }, "NOT_FOUND"},
	{func(_ *World, email string, _ int) string { return email + ",,,Nothing,," }, "NOT_FOUND"},
	{func(w *World, email string, _ int) string { return email + ",," + w.Inactive + ",,," }, "PACKAGE_INACTIVE"},
	{func(w *World, email string, nth int) string { return email + ",,,," + w.Extensions[nth] + "," }, "EXTENSION_IN_USE"},
	{func(_ *World, email string, nth int) string { return fmt.Sprintf("%s,,,,%d,", email, 20_000+nth) }, "EXTENSION_OUT_OF_RANGE"},
	{func(_ *World, email string, _ int) string { return email + ",,,,x1," }, "EXTENSION_INVALID"},
	{func(w *World, email string, _ int) string { return email + ",," + w.Package + ",,,+1" }, "NUMBER_INVALID"},
	{func(w *World, _ string, _ int) string { return w.Emails[0] + ",," + w.Package + ",,," }, "DUPLICATE_IN_BATCH"},
}

// Taken says how many numbers that somebody has a file with so many rows needs.
func Taken(rows int) int { return rows/oneIn/len(ways) + 1 }

// New makes a file with a row for each of the people.
func New(w World) File {
	f := File{Rows: len(w.Emails), Bad: map[int]string{}}
	var b strings.Builder
	b.WriteString("email,site,package,template,extension,phone_numbers\n")
	padding := strings.Repeat(" ", w.Padding)
	for i, email := range w.Emails {
		cells := email + ",," + w.Package + ",,,"
		if row := i + 1; row%oneIn == 0 {
			bad := ways[row/oneIn%len(ways)]
			cells = bad.cells(&w, email, row/oneIn/len(ways))
			f.Bad[row] = bad.reason
		}
		_, _ = fmt.Fprintf(&b, "%s%s\n", cells, padding)
	}
	f.CSV = []byte(b.String())
	return f
}

// Check compares the rows that were refused, by number, with those that had to be. Reasons are counted.
func (f *File) Check(refused map[int]string) (reasons map[string]int, err error) {
	reasons = map[string]int{}
	for row, want := range f.Bad {
		if got := refused[row]; got != want {
			return nil, fmt.Errorf("row %d: refused with %q, should be with %q", row, got, want)
		}
		reasons[want]++
	}
	for row, got := range refused {
		if f.Bad[row] == "" {
			return nil, fmt.Errorf("row %d: refused with %q, should be done", row, got)
		}
	}
	return reasons, nil
}
