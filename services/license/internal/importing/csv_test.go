package importing

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// readAll reads a file of up to 1,000 rows.
func readAll(file []byte) ([]model.ImportRow, error) {
	r, err := newReader(file, 1000)
	if err != nil {
		return nil, err
	}
	var rows []model.ImportRow
	for {
		row, err := r.next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
}

// refusal reads a row's error.
func refusal(t *testing.T, r *model.ImportRow) *errs.Error {
	t.Helper()
	require.Equal(t, model.RowFailed, r.Outcome)
	var st statuspb.Status
	require.NoError(t, proto.Unmarshal(r.Error, &st))
	e, ok := errs.From(status.FromProto(&st).Err())
	require.True(t, ok)
	return e
}

func TestReadRows(t *testing.T) {
	t.Parallel()
	full := model.ImportCells{
		Email: "ana@example.com", Site: "Lisbon", Package: "World", Template: "Sales", Extension: "0101", PhoneNumbers: "+351210000001;+351210000002",
	}
	line := "ana@example.com,Lisbon,World,Sales,0101,+351210000001;+351210000002"
	header := "email,site,package,template,extension,phone_numbers"
	for name, c := range map[string]struct {
		file string
		want []model.ImportCells
		line []int
	}{
		"plain":           {header + "\n" + line + "\n", []model.ImportCells{full}, []int{2}},
		"no end of line":  {header + "\n" + line, []model.ImportCells{full}, []int{2}},
		"byte order mark": {"\uFEFF" + header + "\n" + line + "\n", []model.ImportCells{full}, []int{2}},
		"CRLF":            {header + "\r\n" + line + "\r\n", []model.ImportCells{full}, []int{2}},
		"case and blanks": {" Email , SITE,package,template,extension,Phone_Numbers\n  ana@example.com ,Lisbon , World,Sales,0101,+351210000001;+351210000002\n", []model.ImportCells{full}, []int{2}},
		"any order":       {"room,site\nAtrium,Lisbon\n", []model.ImportCells{{Room: "Atrium", Site: "Lisbon"}}, []int{2}},
		"quotes":          {"room,site\n\"Say \"\"hi\"\", all\",\"Lisbon, north\"\n", []model.ImportCells{{Room: `Say "hi", all`, Site: "Lisbon, north"}}, []int{2}},
		"line break in a cell": {
			"room,site\n\"Long\nroom\",Lisbon\nAtrium,Porto\n",
			[]model.ImportCells{{Room: "Long\nroom", Site: "Lisbon"}, {Room: "Atrium", Site: "Porto"}}, []int{2, 4},
		},
		"lines without anything": {
			"room,site\n\n  , \nAtrium,\n,\n", []model.ImportCells{{Room: "Atrium"}}, []int{4},
		},
		"result file":        {"email,outcome,reason,message,warnings\nana@example.com,FAILED,NOT_FOUND,\"who?\",\n", []model.ImportCells{{Email: "ana@example.com"}}, []int{2}},
		"delimiter at end":   {"email,site,\nana@example.com,Lisbon,\n", []model.ImportCells{{Email: "ana@example.com", Site: "Lisbon"}}, []int{2}},
		"clear":              {"email,package,template,phone_numbers\nana@example.com,-,-,-\n", []model.ImportCells{{Email: "ana@example.com", Package: "-", Template: "-", PhoneNumbers: "-"}}, []int{2}},
		"several scripts":    {"email,site\nанна@example.com,東京\n", []model.ImportCells{{Email: "анна@example.com", Site: "東京"}}, []int{2}},
		"header after blank": {"\n\nemail\nana@example.com\n", []model.ImportCells{{Email: "ana@example.com"}}, []int{4}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows, err := readAll([]byte(c.file))
			require.NoError(t, err)
			require.Len(t, rows, len(c.want))
			for i, r := range rows {
				require.Equal(t, model.RowPending, r.Outcome, "%s", r.Error)
				require.Equal(t, c.want[i], r.Cells)
				require.Equal(t, i+1, r.Number)
				require.Equal(t, c.line[i], r.Line)
				require.Empty(t, r.Warnings)
			}
		})
	}
}

func TestFileRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file     string
		reason   commonv1.Reason
		metadata map[string]string
		message  string
	}{
		"empty":               {"", commonv1.Reason_CSV_INVALID, nil, "empty"},
		"only a mark":         {"\uFEFF", commonv1.Reason_CSV_INVALID, nil, "empty"},
		"unknown column":      {"email,extenson\n", commonv1.Reason_CSV_INVALID, map[string]string{"line": "1", "column": "extenson", "suggestion": "extension"}, "did you mean extension?"},
		"written differently": {"E-mail,Phone Numbers\n", commonv1.Reason_CSV_INVALID, map[string]string{"line": "1", "column": "E-mail", "suggestion": "email"}, "did you mean email?"},
		"nothing near":        {"email,salary\n", commonv1.Reason_CSV_INVALID, map[string]string{"line": "1", "column": "salary"}, "the columns are email, room,"},
		"column twice":        {"email,site,Site\n", commonv1.Reason_CSV_INVALID, map[string]string{"line": "1", "column": "site"}, "twice"},
		"neither":             {"site,package\n", commonv1.Reason_CSV_INVALID, map[string]string{"line": "1"}, "neither a column email nor a column room"},
		"semicolons":          {"email;site\nana@example.com;Lisbon\n", commonv1.Reason_CSV_INVALID, map[string]string{"line": "1", "column": "email;site"}, "semicolons"},
		"tabs":                {"email\tsite\n", commonv1.Reason_CSV_INVALID, map[string]string{"line": "1", "column": "email\tsite"}, "tabs"},
		"not UTF-8":           {"email\nana@example.com\nJos\xe9@example.com\n", commonv1.Reason_CSV_INVALID, map[string]string{"line": "3", "column": "4"}, "0xE9"},
		"UTF-16":              {"\xff\xfee\x00m\x00", commonv1.Reason_CSV_INVALID, nil, "UTF-16"},
		"NUL":                 {"email\nana\x00@example.com\n", commonv1.Reason_CSV_INVALID, map[string]string{"line": "2", "column": "4"}, "NUL"},
		"CR alone":            {"email\rana@example.com\r", commonv1.Reason_CSV_INVALID, nil, "CR alone"},
		"quote inside":        {"email\nana\"@example.com\n", commonv1.Reason_CSV_INVALID, map[string]string{"line": "2", "column": "4"}, "quote inside"},
		"quote not closed":    {"email\n\"ana@example.com\nbea@example.com\n", commonv1.Reason_CSV_INVALID, map[string]string{"line": "2"}, "not closed"},
		"text after a quote":  {"email\n\"ana\"@example.com\n", commonv1.Reason_CSV_INVALID, map[string]string{"line": "2", "column": "5"}, "follows the closing one"},
		"too many rows": {
			"room\n" + strings.Repeat("x\n", 1500), commonv1.Reason_BATCH_TOO_LARGE, map[string]string{"limit": "1000", "count": "1500"}, "1500 rows",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := readAll([]byte(c.file))
			e, ok := errs.From(err)
			require.True(t, ok, "%v", err)
			require.Equal(t, c.reason, e.Reason())
			require.Equal(t, c.metadata, e.Metadata())
			require.Contains(t, e.Message(), c.message)
		})
	}
}

func TestRowRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		row    string
		reason commonv1.Reason
		column string
	}{
		"too few cells":      {"ana@example.com", commonv1.Reason_CSV_INVALID, ""},
		"too many cells":     {"ana@example.com,,,,,,,", commonv1.Reason_CSV_INVALID, ""},
		"nobody":             {",,Lisbon,,,,", commonv1.Reason_FIELD_INVALID, "email"},
		"two":                {"ana@example.com,Atrium,,,,,", commonv1.Reason_FIELD_INVALID, "room"},
		"e-mail cleared":     {"-,,,,,,", commonv1.Reason_FIELD_INVALID, "email"},
		"site cleared":       {"ana@example.com,,-,,,,", commonv1.Reason_FIELD_INVALID, "site"},
		"extension cleared":  {"ana@example.com,,,,,-,", commonv1.Reason_FIELD_INVALID, "extension"},
		"extension too long": {"ana@example.com,,,,,12345678901,", commonv1.Reason_EXTENSION_INVALID, "extension"},
		"extension a word":   {"ana@example.com,,,,,abc,", commonv1.Reason_EXTENSION_INVALID, "extension"},
		"number a word":      {"ana@example.com,,,,,,call me", commonv1.Reason_NUMBER_INVALID, "phone_numbers"},
		"number too long":    {"ana@example.com,,,,,,+1234567890123456", commonv1.Reason_NUMBER_INVALID, "phone_numbers"},
		"number as quantity": {"ana@example.com,,,,,,3.51E+11", commonv1.Reason_NUMBER_INVALID, "phone_numbers"},
		"too many numbers": {
			"ana@example.com,,,,,," + numbers(21), commonv1.Reason_BATCH_TOO_LARGE, "phone_numbers",
		},
		"long cell":       {"ana@example.com,," + strings.Repeat("é", 600) + ",,,,", commonv1.Reason_FIELD_INVALID, "site"},
		"e-mail twice":    {"BEA@example.com,,,,,,", commonv1.Reason_DUPLICATE_IN_BATCH, "email"},
		"extension twice": {"ana@example.com,,,,,777,", commonv1.Reason_DUPLICATE_IN_BATCH, "extension"},
		"number twice":    {"ana@example.com,,,,,,351210000077", commonv1.Reason_DUPLICATE_IN_BATCH, "phone_numbers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := strings.Join(columns, ",") + "\nbea@example.com,,,,,777,+351210000077\n" + c.row + "\ncia@example.com,,,,,,\n"
			rows, err := readAll([]byte(file))
			require.NoError(t, err)
			require.Len(t, rows, 3)
			require.Equal(t, model.RowPending, rows[0].Outcome)
			require.Equal(t, model.RowPending, rows[2].Outcome, "the row after it is not touched")
			e := refusal(t, &rows[1])
			require.Equal(t, c.reason, e.Reason(), e.Message())
			if c.column != "" {
				require.Len(t, e.Violations(), 1)
				require.Equal(t, c.column, e.Violations()[0].GetField())
			}
			for _, column := range columns {
				require.LessOrEqual(t, len(*cell(&rows[1].Cells, column)), maxCell)
			}
		})
	}
}

func numbers(n int) string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("+351210%06d", i))
	}
	return strings.Join(out, ";")
}

func TestPhoneNumbersOfASpreadsheet(t *testing.T) {
	t.Parallel()
	rows, err := readAll([]byte("email,phone_numbers\nana@example.com,351210000001; +351210000002;;+351210000002\n"))
	require.NoError(t, err)
	require.Equal(t, model.RowPending, rows[0].Outcome)
	require.Equal(t, []string{`351210000001 has no "+" in front: read as +351210000001`, "+351210000002 is named twice"}, rows[0].Warnings)
	read, _, err := readPhoneNumbers(rows[0].Cells.PhoneNumbers)
	require.NoError(t, err)
	require.Equal(t, []string{"+351210000001", "+351210000002"}, read)
}

func TestClosest(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"extenson": "extension", "phoneNumbers": "phone_numbers", "phone number": "phone_numbers", "mail": "email", "rom": "room",
		"templat": "template", "packag": "package", "name": "", "": "", "extension number": "",
	} {
		require.Equal(t, want, closest(text, columns), text)
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("email,site,package,template,extension,phone_numbers\r\nana@example.com,Lisbon,-,,0101,+351210000001;351210000002\r\n"))
	f.Add([]byte("\uFEFFroom\n\"a\n\"\"b\"\"\"\n-\n"))
	f.Add([]byte("email,room\n,\n-,-\n\xff"))
	f.Add([]byte("email;x\n\x00"))
	f.Add([]byte("email,\n\"\",\r"))
	f.Fuzz(func(t *testing.T, file []byte) {
		rows, err := readAll(file)
		if err != nil {
			reason := errs.Reason(err)
			if reason != commonv1.Reason_CSV_INVALID && reason != commonv1.Reason_BATCH_TOO_LARGE {
				t.Fatalf("refused with %v: %v", reason, err)
			}
		}
		for i := range rows {
			r := &rows[i]
			if r.Number != i+1 || r.Line < 1 || r.Line > 1+bytes.Count(file, []byte("\n")) {
				t.Fatalf("row %d is numbered %d, line %d", i+1, r.Number, r.Line)
			}
			if (r.Outcome == model.RowFailed) != (len(r.Error) > 0) {
				t.Fatalf("row %d: outcome %q, error %q", i+1, r.Outcome, r.Error)
			}
			for _, column := range columns {
				text := *cell(&r.Cells, column)
				if len(text) > maxCell || text != strings.TrimSpace(text) || strings.ContainsRune(text, 0) || text != strings.ToValidUTF8(text, "") {
					t.Fatalf("row %d: cell %q", i+1, text)
				}
			}
			if _, _, err := readPhoneNumbers(r.Cells.PhoneNumbers); err != nil && r.Outcome != model.RowFailed {
				t.Fatalf("row %d: %v", i+1, err)
			}
		}
	})
}

func FuzzPhoneNumbers(f *testing.F) {
	for _, text := range []string{"", "-", ";", "+351210000001", "351210000001;+351210000002", "+1;+1", "4.4E+11", "00351210000001", "+351 21 000 0001", "+٣٥١٢١٠٠٠٠٠٠١"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		numbers, _, err := readPhoneNumbers(text)
		if err != nil {
			return
		}
		for _, n := range numbers {
			if !phoneNumberPattern.MatchString(n) {
				t.Fatalf("%q gives %q", text, n)
			}
		}
		again, warnings, err := readPhoneNumbers(strings.Join(numbers, ";"))
		if err != nil || len(warnings) > 0 || !slices.Equal(numbers, again) {
			t.Fatalf("%q gives %q, then %q, %q, %v", text, numbers, again, warnings, err)
		}
	})
}
