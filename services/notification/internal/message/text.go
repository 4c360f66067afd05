package message

import (
	"strings"
	"unicode"
)

// SingleLine makes typed text fit for a header or a sentence: control characters (line breaks among them) and runs of white
// space become one space, characters that change the direction of the text around them are dropped, and it ends after limit
// characters (0: no limit).
func SingleLine(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r) || r == '\u2028' || r == '\u2029':
			return ' '
		case isDirectional(r) || r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	s = strings.Join(strings.Fields(s), " ")
	if limit <= 0 {
		return s
	}
	for i := range s {
		if limit == 0 {
			return strings.TrimSpace(s[:i])
		}
		limit--
	}
	return s
}

// isDirectional reports the directional embeddings, overrides and isolates of the Unicode bidirectional algorithm (UAX #9,
// section 2), with which a name could rearrange the words that follow it. The marks that right-to-left names use stay.
func isDirectional(r rune) bool {
	return (r >= '\u202A' && r <= '\u202E') || (r >= '\u2066' && r <= '\u2069')
}
