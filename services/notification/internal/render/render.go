// Package render makes the texts of a mail out of what a caller says about it.
//
// The templates lie in templates/<language>: for each kind of message one for plain text, which also defines the "subject",
// and one for HTML, which fills the "page" of parts.html.tmpl. A further language is a further folder with all of these files.
package render

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"net/url"
	"path"
	"strings"
	texttemplate "text/template"
	"time"

	"github.com/switchboard-phone/switchboard/services/notification/internal/message"
)

//go:embed templates
var files embed.FS

// DefaultLanguage is used where a language is not known, or has no templates.
const DefaultLanguage = "en"

// How much of a typed name is used, in characters.
const maxName = 120

// Content is what a mail says. Names are typed by people: they are made into single lines and escaped where they stand.
type Content struct {
	Kind message.Kind
	// Language is a folder of templates; empty means DefaultLanguage.
	Language string
	// Name is the person's name; may be empty.
	Name string
	// Organisation is the name of the account; may be empty.
	Organisation string
	// Extension is the person's extension number; not used in an invitation.
	Extension string
	// Link is an absolute http or https URL, with its token.
	Link string
	// LinkExpiry is until when the link works; zero when that is not known.
	LinkExpiry time.Time
}

// Texts are the texts of one mail.
type Texts struct {
	// Subject is a single line.
	Subject string
	// Text and HTML are the two forms of the mail.
	Text string
	HTML string
	// Readable is Text with the token of the link redacted, for those who look at what was sent.
	Readable string
}

// Renderer makes mails. It is safe for concurrent use.
type Renderer struct {
	languages map[string]map[message.Kind]templates
}

type templates struct {
	text *texttemplate.Template
	html *htmltemplate.Template
}

// values is what the templates see.
type values struct {
	Subject, Name, Organisation, Extension, Link, LinkExpiry string
}

// New reads the templates. It fails when a language lacks the template of a kind.
func New() (*Renderer, error) {
	languages, err := fs.ReadDir(files, "templates")
	if err != nil {
		return nil, fmt.Errorf("read mail templates: %w", err)
	}
	r := &Renderer{languages: map[string]map[message.Kind]templates{}}
	for _, l := range languages {
		kinds := map[message.Kind]templates{}
		for _, k := range []message.Kind{message.Welcome, message.Invitation, message.Confirmed} {
			if kinds[k], err = parse(path.Join("templates", l.Name()), k); err != nil {
				return nil, fmt.Errorf("mail template %s of language %s: %w", k, l.Name(), err)
			}
		}
		r.languages[l.Name()] = kinds
	}
	return r, nil
}

func parse(dir string, kind message.Kind) (templates, error) {
	name := strings.ToLower(string(kind))
	text, err := texttemplate.New(name+".txt.tmpl").Option("missingkey=error").
		ParseFS(files, path.Join(dir, "parts.txt.tmpl"), path.Join(dir, name+".txt.tmpl"))
	if err != nil {
		return templates{}, err
	}
	html, err := htmltemplate.New("page").Option("missingkey=error").
		ParseFS(files, path.Join(dir, "parts.html.tmpl"), path.Join(dir, name+".html.tmpl"))
	if err != nil {
		return templates{}, err
	}
	if text.Lookup("subject") == nil || html.Lookup("content") == nil {
		return templates{}, errors.New("it must define a subject and a content")
	}
	return templates{text: text, html: html}, nil
}

// Render makes the texts of a mail. It fails for a kind without template and for a link that CheckLink refuses.
func (r *Renderer) Render(c Content) (Texts, error) {
	kinds, ok := r.languages[c.Language]
	if !ok {
		kinds = r.languages[DefaultLanguage]
	}
	t, ok := kinds[c.Kind]
	if !ok {
		return Texts{}, fmt.Errorf("no mail template for kind %q", c.Kind)
	}
	if err := CheckLink(c.Link); err != nil {
		return Texts{}, err
	}
	v := values{
		Name:         message.SingleLine(c.Name, maxName),
		Organisation: message.SingleLine(c.Organisation, maxName),
		Extension:    message.SingleLine(c.Extension, maxName),
		Link:         c.Link,
	}
	if !c.LinkExpiry.IsZero() {
		v.LinkExpiry = c.LinkExpiry.UTC().Format("2 January 2006, 15:04 UTC")
	}
	return t.execute(v)
}

func (t templates) execute(v values) (Texts, error) {
	subject, err := t.execText("subject", v)
	if err != nil {
		return Texts{}, err
	}
	v.Subject = message.SingleLine(subject, 0)
	out := Texts{Subject: v.Subject}
	if out.Text, err = t.execText(t.text.Name(), v); err != nil {
		return Texts{}, err
	}
	var html bytes.Buffer
	if err := t.html.ExecuteTemplate(&html, "page", v); err != nil {
		return Texts{}, fmt.Errorf("render HTML: %w", err)
	}
	out.HTML = html.String()
	v.Link = message.RedactLink(v.Link)
	out.Readable, err = t.execText(t.text.Name(), v)
	return out, err
}

func (t templates) execText(name string, v values) (string, error) {
	var b strings.Builder
	if err := t.text.ExecuteTemplate(&b, name, v); err != nil {
		return "", fmt.Errorf("render text: %w", err)
	}
	return b.String(), nil
}

// CheckLink says what is wrong with a link that shall stand in a mail: it must be an absolute http or https URL with a host, in
// one piece and in the characters that a URL may have, so that it reads the same in text and in HTML.
func CheckLink(link string) error {
	for _, c := range link {
		if c <= ' ' || c >= 0x7f || strings.ContainsRune("\"<>\\^`{|}", c) {
			return errors.New("the link holds a character that a URL may not have; percent-encode it")
		}
	}
	u, err := url.Parse(link)
	if err != nil {
		return errors.New("the link cannot be parsed as a URL")
	}
	if (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return errors.New("the link must be an absolute http or https URL")
	}
	return nil
}
