package mailsink

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds on what the sink keeps in memory. On disk it keeps everything.
const (
	maxMails     = 50_000
	maxMailBytes = 512 << 20
)

// fileTime orders file names by time.
const fileTime = "20060102T150405.000000000"

// key is what makes two deliveries the same mail.
type key struct{ to, messageID string }

// Mailbox keeps mails: the newest in memory, and all of them in a folder where it has one. It is safe for concurrent use.
type Mailbox struct {
	dir string
	now func() time.Time

	mu    sync.Mutex
	mails []*Mail // oldest first
	known map[key]*Mail
	bytes int
	// evicted counts mails that memory had no room for any more, duplicates deliveries of mails that were there already.
	evicted, duplicates int
}

// newMailbox opens a mailbox. With a folder it begins with the mails that are in it.
func newMailbox(dir string) (*Mailbox, error) {
	b := &Mailbox{dir: dir, now: time.Now, known: map[key]*Mail{}}
	if dir == "" {
		return b, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("opening the mail folder: %w", err)
	}
	return b, b.load()
}

// load reads the newest mails of the folder. A file that is no mail, such as one cut short by a crash, is left alone.
func (b *Mailbox) load() error {
	files, err := filepath.Glob(filepath.Join(b.dir, "*.eml"))
	if err != nil {
		return fmt.Errorf("listing the mail folder: %w", err)
	}
	slices.Sort(files)
	files = files[max(0, len(files)-maxMails):]
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("reading a kept mail: %w", err)
		}
		stamp, _, _ := strings.Cut(filepath.Base(file), "-")
		taken, err := time.Parse(fileTime, stamp)
		if err != nil {
			continue
		}
		m, err := parse(raw)
		if err != nil {
			continue
		}
		env, _ := parseEnvelope(raw)
		m.From, m.To, m.Time, m.Deliveries = env.from, env.to, taken, 1
		b.keep(m)
	}
	return nil
}

// deliver takes a mail to one person. It returns an error only where the mail cannot be kept.
func (b *Mailbox) deliver(from, to string, raw []byte) error {
	m, err := parse(raw)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if old := b.known[m.key(to)]; old != nil && m.MessageID != "" {
		old.Deliveries++
		b.duplicates++
		return nil
	}
	m.From, m.To, m.Time, m.Deliveries = from, to, b.now().UTC(), 1
	if err := b.write(m, raw); err != nil {
		return err
	}
	b.keep(m)
	return nil
}

func (m *Mail) key(to string) key { return key{strings.ToLower(to), m.MessageID} }

// keep adds m and lets the oldest go where there is no room.
func (b *Mailbox) keep(m *Mail) {
	b.mails = append(b.mails, m)
	b.known[m.key(m.To)] = m
	b.bytes += m.size
	for len(b.mails) > maxMails || b.bytes > maxMailBytes {
		old := b.mails[0]
		b.mails[0] = nil
		b.mails = b.mails[1:]
		b.bytes -= old.size
		b.evicted++
		delete(b.known, old.key(old.To))
	}
}

// write puts the mail into the folder, as a file that mail programs open. The name orders by time and is never used twice.
func (b *Mailbox) write(m *Mail, raw []byte) error {
	if b.dir == "" {
		return nil
	}
	env := envelope{from: m.From, to: m.To}
	data := append(env.header(), raw...)
	for n := 0; ; n++ {
		name := filepath.Join(b.dir, fmt.Sprintf("%s-%d.eml", m.Time.Format(fileTime), n))
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if os.IsExist(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("keeping the mail: %w", err)
		}
		_, err = f.Write(data)
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return fmt.Errorf("keeping the mail: %w", err)
		}
		return nil
	}
}

// Mails lists copies of the mails in memory, newest first. With to, only those to that address, in whatever case. limit bounds how
// many; 0 for all.
func (b *Mailbox) Mails(to string, limit int) []Mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := []Mail{}
	for _, m := range slices.Backward(b.mails) {
		if to != "" && !strings.EqualFold(to, m.To) {
			continue
		}
		out = append(out, *m)
		if limit > 0 && len(out) == limit {
			break
		}
	}
	return out
}

// Stats says how many mails are in memory, how many were let go from it, and how many deliveries were of mails that were there already.
func (b *Mailbox) Stats() (kept, evicted, duplicates int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.mails), b.evicted, b.duplicates
}

// envelope is what SMTP says beside the mail itself. It is kept in the two header fields that delivery agents use for it.
type envelope struct{ from, to string }

func (e envelope) header() []byte {
	return fmt.Appendf(nil, "Return-Path: <%s>\r\nDelivered-To: %s\r\n", oneLine(e.from), oneLine(e.to))
}

func parseEnvelope(raw []byte) (envelope, bool) {
	lines := strings.SplitN(string(raw[:min(len(raw), 4096)]), "\r\n", 3)
	if len(lines) < 3 {
		return envelope{}, false
	}
	from, ok := strings.CutPrefix(lines[0], "Return-Path: ")
	to, ok2 := strings.CutPrefix(lines[1], "Delivered-To: ")
	return envelope{from: strings.Trim(from, "<>"), to: to}, ok && ok2
}

func oneLine(s string) string { return strings.NewReplacer("\r", "", "\n", "").Replace(s) }
