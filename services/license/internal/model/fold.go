package model

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Bounds of folded texts in bytes. Names of 201 characters and e-mail addresses of 254 bytes stay below them unless they are made
// of the few characters that NFKC spells out; without bounds, those would burst the databases' limit on an index entry
// (2,704 bytes on PostgreSQL), which a name and all that is searched must fit into together.
const (
	maxFolded      = 900
	maxFoldedEmail = 300
)

// Fold brings text into the form in which names are compared, ordered and searched: compatibility forms made one (NFKC), case
// folded, runs of white space made one blank, none at the ends. The result has at most 900 bytes; of a longer one the end is
// replaced by a checksum, so that different names stay different.
func Fold(s string) string { return fold(s, maxFolded) }

// EmailKey is the form in which e-mail addresses are compared, without regard to case. It has at most 300 bytes, as Fold has 900.
func EmailKey(address string) string { return fold(address, maxFoldedEmail) }

func fold(s string, limit int) string {
	folded := norm.NFKC.String(cases.Fold().String(strings.Join(strings.Fields(norm.NFKC.String(s)), " ")))
	if len(folded) <= limit {
		return folded
	}
	sum := sha256.Sum256([]byte(folded))
	tail := "#" + hex.EncodeToString(sum[:16])
	return strings.ToValidUTF8(folded[:limit-len(tail)], "") + tail
}

// UserSearchText is what a person is found by in the directory: any part of it.
func UserSearchText(displayName, email string) string {
	return Fold(displayName) + " " + EmailKey(email)
}

// QueryWords splits a search query into folded words. Control characters separate words, as blanks do: databases refuse some.
func QueryWords(query string) []string {
	return strings.Fields(Fold(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, query)))
}

// PhoneUserSearchText is what a phone user is found by: the words of name and e-mail address, folded, each with a blank before and
// after. Punctuation separates words, so that "Anne-Marie" is found by "marie" and "ana@example.com" by "example".
func PhoneUserSearchText(displayName, email string) string {
	return " " + strings.Join(searchWords(Fold(displayName)+" "+EmailKey(email)), " ") + " "
}

// SearchPhrase is the text that PhoneUserSearchText contains when one of its words begins with word, a folded word of a query.
// A word with punctuation inside stands for several words in a row, and punctuation at its end for the end of a word.
// False means that the word cannot occur.
func SearchPhrase(word string) (string, bool) {
	words := searchWords(word)
	if len(words) == 0 {
		return "", false
	}
	phrase := " " + strings.Join(words, " ")
	if !strings.HasSuffix(word, words[len(words)-1]) {
		phrase += " "
	}
	return phrase, true
}

func searchWords(folded string) []string {
	return strings.FieldsFunc(folded, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsPunct(r) || unicode.IsControl(r) || r == '+'
	})
}

// NumberPrefix returns the digits of a query word that may be the beginning of an extension or direct number. plus says that the
// word is written with "+" and so can only be a direct number.
func NumberPrefix(word string) (digits string, plus, ok bool) {
	digits, plus = strings.CutPrefix(word, "+")
	for _, r := range digits {
		if r < '0' || r > '9' {
			return "", false, false
		}
	}
	return digits, plus, digits != "" || plus
}
