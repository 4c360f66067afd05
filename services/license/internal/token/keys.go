package token

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// lookAgain is how old what was read of the key file may become before it is looked at again.
const lookAgain = time.Second

// key is one key and the id that tokens name it by: the beginning of its hash, so that nobody has to choose one.
type key struct {
	id     string
	secret []byte
}

func newKey(secret []byte) key {
	sum := sha256.Sum256(secret)
	return key{id: hex.EncodeToString(sum[:8]), secret: secret}
}

// ring is the keys of a file, which is read again when it has changed. A file that is wrong or away leaves what was in force.
type ring struct {
	path string

	mu     sync.Mutex
	looked time.Time
	seen   os.FileInfo
	keys   []key
	signer jose.Signer
}

func openRing(path string) (*ring, error) {
	r := &ring{path: path, looked: time.Now()}
	if path == "" {
		secret := make([]byte, minKeySize)
		if _, err := rand.Read(secret); err != nil {
			return nil, fmt.Errorf("random token key: %w", err)
		}
		return r, r.use([]key{newKey(secret)})
	}
	var err error
	if r.seen, err = os.Stat(path); err != nil {
		return nil, fmt.Errorf("token keys: %w", err)
	}
	return r, r.read()
}

// use puts keys in force. The first signs.
func (r *ring) use(keys []key) error {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: keys[0].secret}, (&jose.SignerOptions{}).WithHeader("kid", keys[0].id))
	if err != nil {
		return fmt.Errorf("token signer: %w", err)
	}
	r.keys, r.signer = keys, signer
	return nil
}

func (r *ring) read() error {
	text, err := os.ReadFile(r.path)
	if err != nil {
		return fmt.Errorf("token keys: %w", err)
	}
	var keys []key
	for _, line := range strings.Fields(string(text)) {
		secret, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(secret) < minKeySize {
			return fmt.Errorf("token keys: line %d of the file is not base64 of at least %d bytes", len(keys)+1, minKeySize)
		}
		keys = append(keys, newKey(secret))
	}
	if len(keys) == 0 {
		return errors.New("token keys: the file holds no key")
	}
	return r.use(keys)
}

// current returns the keys in force and the signer of the first.
func (r *ring) current() ([]key, jose.Signer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.path == "" || time.Since(r.looked) < lookAgain {
		return r.keys, r.signer
	}
	r.looked = time.Now()
	info, err := os.Stat(r.path)
	if err == nil && os.SameFile(info, r.seen) && info.ModTime().Equal(r.seen.ModTime()) && info.Size() == r.seen.Size() {
		return r.keys, r.signer
	}
	if err == nil {
		err = r.read()
	}
	if err != nil {
		slog.Warn("keys of links cannot be read; those from before stay in force", "file", r.path, "error", err)
		return r.keys, r.signer
	}
	r.seen = info
	return r.keys, r.signer
}
