// Package paging gives list methods keyset pages: a page token holds the sort key of the last item shown, so that the next page
// is one seek in an index however far it is from the beginning, and items that come or go meanwhile shift nothing.
//
// A token belongs to the list that made it: it carries a fingerprint of the request's other arguments (parent, filter, order,
// …), and a request that differs from the one before is refused with PAGE_TOKEN_INVALID (AIP-158). The page size may change
// from page to page. Tokens are opaque to callers but not secret and not signed: a cursor is only ever a place in a list that
// the caller may read anyway, so a forged one shows nothing more. They survive restarts and are understood by every replica.
package paging

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

const (
	// DefaultSize is the number of items on a page when the request says nothing.
	DefaultSize = 100
	// MaxSize is the largest number of items on a page; a request for more gets this many (AIP-158).
	MaxSize = 1000
	// maxToken bounds the length of a token in bytes; the requests' own rules are not looser.
	maxToken = 2048

	version  = 1
	sumBytes = 12
)

// Request is a list request in the form of AIP-158.
type Request interface {
	proto.Message
	// GetPageSize returns the number of items wanted; 0 means DefaultSize.
	GetPageSize() int32
	// GetPageToken returns the token of the page before; empty for the first page.
	GetPageToken() string
}

// Page is what a list method reads: at most Size items that follow After. C is the sort key of an item, a struct (or string,
// …) that encoding/json writes and reads without loss; its values must identify one item, so a name needs the id beside it.
type Page[C any] struct {
	// Size is the number of items on the page, 1 to MaxSize.
	Size int
	// After is the key of the last item of the page before; nil on the first page.
	After *C

	sum [sumBytes]byte
}

// Parse reads page_size and page_token of a list request. The error is PAGE_TOKEN_INVALID.
func Parse[C any](req Request) (Page[C], error) {
	sum, err := fingerprint(req)
	if err != nil {
		return Page[C]{}, err
	}
	p := Page[C]{Size: size(req.GetPageSize()), sum: sum}
	token := req.GetPageToken()
	if token == "" {
		return p, nil
	}
	after, err := decode[C](token, sum)
	if err != nil {
		return Page[C]{}, errs.New(commonv1.Reason_PAGE_TOKEN_INVALID,
			"the page token was not made by this list with these arguments; start again without one").Wrap(err)
	}
	p.After = after
	return p, nil
}

// From is the sort key that the page begins behind; the zero value for the first page, for lists in which that is before all keys.
func (p Page[C]) From() (key C) {
	if p.After != nil {
		key = *p.After
	}
	return key
}

// Limit is how many items to ask the database for: one more than fit, which tells whether there is another page.
func (p Page[C]) Limit() int { return p.Size + 1 }

// Cut makes the answer out of the up to Limit items found: those that fit on the page, and the token of the next page, empty
// when this is the last. key gives the sort key of an item. The error is that of a key that encoding/json cannot write, which
// is a fault of the program.
func Cut[T, C any](p Page[C], found []T, key func(T) C) (items []T, nextPageToken string, err error) {
	if len(found) <= p.Size {
		return found, "", nil
	}
	items = found[:p.Size:p.Size]
	nextPageToken, err = encode(key(items[p.Size-1]), p.sum)
	return items, nextPageToken, err
}

func size(asked int32) int {
	switch {
	case asked <= 0:
		return DefaultSize
	case asked > MaxSize:
		return MaxSize
	}
	return int(asked)
}

// fingerprint sums up all arguments of req but the page's own.
func fingerprint(req Request) (sum [sumBytes]byte, err error) {
	rest := proto.Clone(req)
	m := rest.ProtoReflect()
	for _, name := range []protoreflect.Name{"page_size", "page_token"} {
		if f := m.Descriptor().Fields().ByName(name); f != nil {
			m.Clear(f)
		}
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(rest)
	if err != nil {
		return sum, fmt.Errorf("sum up list request: %w", err)
	}
	h := sha256.New()
	_, _ = io.WriteString(h, string(m.Descriptor().FullName())+"\x00")
	_, _ = h.Write(b)
	copy(sum[:], h.Sum(nil))
	return sum, nil
}

// A token is base64url of: version, fingerprint, key as JSON.
func encode[C any](key C, sum [sumBytes]byte) (string, error) {
	var b bytes.Buffer
	b.WriteByte(version)
	b.Write(sum[:])
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(key); err != nil {
		return "", fmt.Errorf("write page token: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

func decode[C any](token string, sum [sumBytes]byte) (*C, error) {
	if len(token) > maxToken {
		return nil, errors.New("too long")
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	switch {
	case err != nil:
		return nil, fmt.Errorf("not base64url: %w", err)
	case len(b) <= 1+sumBytes:
		return nil, errors.New("too short")
	case b[0] != version:
		return nil, errors.New("another version")
	case !bytes.Equal(b[1:1+sumBytes], sum[:]):
		return nil, errors.New("other arguments")
	}
	text := b[1+sumBytes:]
	if !utf8.Valid(text) || hasNUL(text) {
		return nil, errors.New("not text")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	key := new(C)
	if err := d.Decode(key); err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than a key")
	}
	return key, nil
}

// hasNUL says whether a string of a JSON text has a NUL in it: databases refuse them, and no honest key has one.
func hasNUL(text []byte) bool {
	d := json.NewDecoder(bytes.NewReader(text))
	for {
		t, err := d.Token()
		if err != nil {
			return false // the end, or what decoding will refuse
		}
		if s, ok := t.(string); ok && strings.ContainsRune(s, 0) {
			return true
		}
	}
}
