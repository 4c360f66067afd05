package importing

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/sheet"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

func itoa(n int) string { return strconv.Itoa(n) }

// reader reads a file row by row. A fault of the file as a whole is refused with CSV_INVALID, by newReader as far as the text and
// the header go, else by next; a fault of one row is the row's own outcome.
type reader struct {
	csv *csv.Reader
	// header are the columns by position, "" for those that are skipped.
	header  []string
	rows    int
	maxRows int
	seen    seen
}

// newReader checks that file is text and reads its header. Of a file with more than maxRows rows next refuses the one too many
// with BATCH_TOO_LARGE.
func newReader(file []byte, maxRows int) (*reader, error) {
	file = bytes.TrimPrefix(file, []byte("\uFEFF"))
	if err := checkText(file); err != nil {
		return nil, err
	}
	r := &reader{csv: csv.NewReader(bytes.NewReader(file)), maxRows: maxRows, seen: seen{}}
	r.csv.FieldsPerRecord = -1 // a row with too many or too few cells is the row's fault alone
	r.csv.TrimLeadingSpace = true
	r.csv.ReuseRecord = true
	names, err := r.csv.Read()
	if errors.Is(err, io.EOF) {
		return nil, csvInvalid("the file is empty: the first line must name the columns, such as email,site,package")
	}
	if err != nil {
		return nil, syntaxError(err)
	}
	line, _ := r.csv.FieldPos(0)
	r.header, err = readHeader(names, line)
	return r, err
}

// checkText refuses what is not UTF-8 text that a database can keep, and says where.
func checkText(file []byte) error {
	if bytes.HasPrefix(file, []byte{0xFF, 0xFE}) || bytes.HasPrefix(file, []byte{0xFE, 0xFF}) {
		return csvInvalid("the file is UTF-16: save it as CSV in UTF-8")
	}
	if utf8.Valid(file) && bytes.IndexByte(file, 0) < 0 {
		if bytes.IndexByte(file, '\r') >= 0 && bytes.IndexByte(file, '\n') < 0 {
			return csvInvalid("lines end with CR alone: save the file with LF or CRLF")
		}
		return nil
	}
	line, column := 1, 1
	for rest := file; len(rest) > 0; {
		c, size := utf8.DecodeRune(rest)
		switch {
		case c == utf8.RuneError && size == 1:
			return csvInvalid("line %d, column %d: byte 0x%02X is not UTF-8: save the file as CSV in UTF-8", line, column, rest[0]).
				With("line", itoa(line)).With("column", itoa(column))
		case c == 0:
			return csvInvalid("line %d, column %d: the file has a NUL character there", line, column).
				With("line", itoa(line)).With("column", itoa(column))
		case c == '\n':
			line, column = line+1, 0
		}
		rest = rest[size:]
		column++
	}
	return nil
}

func csvInvalid(format string, args ...any) *errs.Error {
	return errs.New(commonv1.Reason_CSV_INVALID, format, args...)
}

// syntaxError is the refusal of text that is not CSV.
func syntaxError(err error) error {
	var at *csv.ParseError
	if !errors.As(err, &at) {
		return csvInvalid("the file cannot be read as CSV").Wrap(err)
	}
	if at.StartLine != at.Line { // the rest of the file was taken for one cell
		return csvInvalid("line %d: a quote that is opened in this row is not closed", at.StartLine).With("line", itoa(at.StartLine)).Wrap(err)
	}
	what := "a quote inside a cell: put the whole cell in quotes and double those inside"
	if errors.Is(err, csv.ErrQuote) {
		what = "a quote is not closed, or text follows the closing one"
	}
	return csvInvalid("line %d, column %d: %s", at.Line, at.Column, what).
		With("line", itoa(at.Line)).With("column", itoa(at.Column)).Wrap(err)
}

func readHeader(names []string, line int) ([]string, error) {
	header := make([]string, len(names))
	for i, name := range names {
		name = strings.TrimSpace(name)
		known := model.Fold(name)
		switch {
		case name == "" && i > 0 && i == len(names)-1: // a delimiter at the end of the line
		case slices.Contains(resultColumns, known):
		case !slices.Contains(columns, known):
			return nil, unknownColumn(names, name, line)
		case slices.Contains(header, known):
			return nil, csvInvalid("line %d: the column %s is there twice", line, known).
				With("line", itoa(line)).With("column", known)
		default:
			header[i] = known
		}
	}
	if !slices.Contains(header, columnEmail) && !slices.Contains(header, columnRoom) {
		return nil, csvInvalid("line %d: the file has neither a column email nor a column room", line).With("line", itoa(line))
	}
	return header, nil
}

func unknownColumn(names []string, name string, line int) error {
	shown := abbreviate(name)
	e := csvInvalid("line %d: %s", line, hintUnknownColumn(names, name)).With("line", itoa(line)).With("column", shown)
	if suggestion := closest(name, columns); suggestion != "" {
		e = csvInvalid("line %d: there is no column %q: did you mean %s?", line, shown, suggestion).
			With("line", itoa(line)).With("column", shown).With("suggestion", suggestion)
	}
	return e
}

func hintUnknownColumn(names []string, name string) string {
	for delimiter, called := range map[string]string{";": "semicolons", "\t": "tabs"} {
		if len(names) == 1 && strings.Contains(name, delimiter) {
			return "the cells are separated by " + called + ": save the file with commas"
		}
	}
	return fmt.Sprintf("there is no column %q: the columns are %s", abbreviate(name), strings.Join(columns, ", "))
}

// abbreviate cuts text for a message.
func abbreviate(text string) string {
	const most = 60
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most]) + "…"
}

// next reads a row, one that is refused already with the outcome RowFailed. At the end of the file the error is io.EOF. Lines
// without anything in any cell are not rows.
func (r *reader) next() (model.ImportRow, error) {
	for {
		cells, err := r.csv.Read()
		if errors.Is(err, io.EOF) {
			return model.ImportRow{}, io.EOF
		}
		if err != nil {
			return model.ImportRow{}, syntaxError(err)
		}
		if blank(cells) {
			continue
		}
		if r.rows++; r.rows > r.maxRows {
			return model.ImportRow{}, r.tooManyRows()
		}
		line, _ := r.csv.FieldPos(0)
		return r.row(cells, line), nil
	}
}

// tooManyRows counts what is left, without looking at it, and refuses.
func (r *reader) tooManyRows() error {
	for {
		cells, err := r.csv.Read()
		switch {
		case errors.Is(err, io.EOF):
			return errs.New(commonv1.Reason_BATCH_TOO_LARGE, "the file has %d rows, at most %d are taken: import several files", r.rows, r.maxRows).
				With("limit", itoa(r.maxRows)).With("count", itoa(r.rows)).Violation("csv", "has too many rows")
		case err != nil:
			return syntaxError(err)
		case !blank(cells):
			r.rows++
		}
	}
}

func blank(cells []string) bool {
	for _, c := range cells {
		if strings.TrimSpace(c) != "" {
			return false
		}
	}
	return true
}

func (r *reader) row(cells []string, line int) model.ImportRow {
	row := model.ImportRow{Number: r.rows, Line: line}
	for i, text := range cells {
		if i >= len(r.header) {
			break
		}
		if into := cell(&row.Cells, r.header[i]); into != nil {
			*into = strings.Clone(sheet.Unguard(strings.TrimSpace(text)))
		}
	}
	var err error
	if len(cells) != len(r.header) {
		err = csvInvalid("line %d has %d cells, the header has %d", line, len(cells), len(r.header)).With("line", itoa(line))
	} else if row.Warnings, err = checkCells(&row.Cells); err == nil {
		err = r.seen.add(&row)
	}
	if err != nil {
		row.Outcome, row.Error, row.Warnings = model.RowFailed, failure(err, ""), nil
		shorten(&row.Cells)
	}
	return row
}

// shorten cuts cells that are too long, so that a row takes bounded space whatever the file holds.
func shorten(c *model.ImportCells) {
	for _, column := range columns {
		if text := cell(c, column); len(*text) > maxCell {
			*text = strings.ToValidUTF8((*text)[:maxCell], "")
		}
	}
}

// seen are the things that only one row of a file can be for, with the number of the row.
type seen map[string]int

// add refuses a row that is for something that an earlier row is for.
func (s seen) add(row *model.ImportRow) error {
	c := &row.Cells
	keys := []string{columnEmail + ":" + model.EmailKey(c.Email)}
	if c.Email == "" {
		keys[0] = columnRoom + ":" + model.Fold(c.Room)
	}
	if c.Extension != "" {
		keys = append(keys, columnExtension+":"+c.Extension)
	}
	numbers, _, _ := readPhoneNumbers(c.PhoneNumbers)
	for _, n := range numbers {
		keys = append(keys, columnPhoneNumbers+":"+n)
	}
	for _, key := range keys {
		if first, there := s[key]; there {
			column, what, _ := strings.Cut(key, ":")
			return duplicate(column, what, first)
		}
	}
	for _, key := range keys {
		s[key] = row.Number
	}
	return nil
}

func duplicate(column, what string, first int) error {
	return errs.New(commonv1.Reason_DUPLICATE_IN_BATCH, "row %d is for %s %s already", first, strings.ReplaceAll(column, "_", " "), what).
		With("duplicate", what).With("row", itoa(first)).Violation(column, "is the same as in row "+itoa(first))
}
