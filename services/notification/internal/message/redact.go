package message

import (
	"regexp"
	"strings"
)

// Redacted stands where a token was.
const Redacted = "REDACTED"

var tokenValue = regexp.MustCompile(`(?i)([?&#;]token=)[^&#;\s]*`)

// RedactLink returns link with the values of all parameters called "token" replaced by "REDACTED", in its query and in its
// fragment. A link without such a parameter loses everything after its path, since a secret may be there under another name.
func RedactLink(link string) string {
	if redacted := tokenValue.ReplaceAllString(link, "${1}"+Redacted); redacted != link {
		return redacted
	}
	if i := strings.IndexAny(link, "?#"); i >= 0 {
		return link[:i+1] + Redacted
	}
	return link
}
