// Package sheet writes CSV files for people who open them in spreadsheets: in bounded memory, and so that no cell is taken for a
// formula.
package sheet

import (
	"bytes"
	"encoding/csv"
	"strings"
	"unicode/utf8"
)

// pieceSize is how large a piece of a file becomes before it is sent, in bytes.
const pieceSize = 256 << 10

// Writer writes CSV and sends it piece by piece, each of whole lines. Every cell is guarded.
type Writer struct {
	buf  bytes.Buffer
	csv  *csv.Writer
	send func(piece []byte) error
}

// NewWriter returns a Writer that hands pieces of about 256 KiB to send, to which they belong.
func NewWriter(send func(piece []byte) error) *Writer {
	w := &Writer{send: send}
	w.csv = csv.NewWriter(&w.buf)
	return w
}

// Write adds a line. The error is that of sending.
func (w *Writer) Write(cells []string) error {
	guarded := make([]string, len(cells))
	for i, cell := range cells {
		guarded[i] = Guard(cell)
	}
	if err := w.csv.Write(guarded); err != nil {
		return err
	}
	if w.csv.Flush(); w.buf.Len() < pieceSize {
		return w.csv.Error()
	}
	return w.Flush()
}

// Flush sends what is not sent yet.
func (w *Writer) Flush() error {
	if w.buf.Len() == 0 {
		return nil
	}
	piece := bytes.Clone(w.buf.Bytes())
	w.buf.Reset()
	return w.send(piece)
}

// guard is what makes a spreadsheet take a cell for text.
const guard = "'"

// Guard puts an apostrophe before a cell that a spreadsheet would take for a formula: one that begins with =, +, -, @, a tab or an end
// of line. A lone "-" and what has nothing but digits, "+" and ";" (direct numbers) stay as they are: they compute
// nothing. Unguard undoes it.
// See https://owasp.org/www-community/attacks/CSV_Injection.
func Guard(cell string) string {
	if formula(strings.TrimLeft(cell, guard)) {
		return guard + cell
	}
	return cell
}

// Unguard takes the apostrophe away that Guard has put before a cell.
func Unguard(cell string) string {
	if strings.HasPrefix(cell, guard) && formula(strings.TrimLeft(cell, guard)) {
		return cell[len(guard):]
	}
	return cell
}

// formula says whether a spreadsheet might compute a cell. Some take the full-width forms for the signs too.
func formula(cell string) bool {
	first, _ := utf8.DecodeRuneInString(cell)
	return cell != "" && cell != "-" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", first) && strings.Trim(cell, "+0123456789;") != ""
}
