package monitor

import (
	"errors"
	"io"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

// DefaultDetachKeys is the sequence that ends an attachment unless another was asked for.
const DefaultDetachKeys = "ctrl-p,ctrl-q"

// maxDetachKeys bounds a sequence; nobody types a longer one.
const maxDetachKeys = 32

// ParseDetachKeys reads a sequence of keys separated by commas: a single character, or "ctrl-"
// and one of a-z @ [ \ ] ^ _. The result is the bytes a terminal sends. "" means that detaching by
// keys is disabled and gives an empty result. Errors are of class ErrInvalid.
func ParseDetachKeys(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	var keys []byte
	for _, word := range strings.Split(s, ",") {
		k, ok := parseKey(word)
		if !ok {
			return nil, errdefs.Invalid("--detach-keys", s, "%q is neither one character nor ctrl- with one of a-z @ [ \\ ] ^ _", word)
		}
		keys = append(keys, k)
	}
	if len(keys) > maxDetachKeys {
		return nil, errdefs.Invalid("--detach-keys", s, "more than %d keys", maxDetachKeys)
	}
	return keys, nil
}

func parseKey(word string) (byte, bool) {
	if len(word) == 1 && word[0] < 0x80 {
		return word[0], true
	}
	rest, found := strings.CutPrefix(strings.ToLower(word), "ctrl-")
	if !found || len(rest) != 1 {
		return 0, false
	}
	c := rest[0]
	switch {
	case c >= 'a' && c <= 'z':
		return c - 'a' + 1, true
	case c == '@', c >= '[' && c <= '_':
		return c & 0x1f, true
	}
	return 0, false
}

// matcher finds the detach keys in a stream that arrives in pieces.
type matcher struct {
	keys []byte
	// seen counts the keys that were matched and are held back.
	seen int
}

// filter appends to out what of p is for the container, and says whether the keys were complete.
// What follows them is dropped.
func (m *matcher) filter(out, p []byte) ([]byte, bool) {
	if len(m.keys) == 0 {
		return append(out, p...), false
	}
	for _, b := range p {
		for m.seen > 0 && m.keys[m.seen] != b {
			// Not the sequence: let go of the first held key and look whether the rest,
			// with b, is a beginning.
			var keep int
			for keep = m.seen - 1; keep > 0; keep-- {
				if string(m.keys[m.seen-keep:m.seen]) == string(m.keys[:keep]) {
					break
				}
			}
			out = append(out, m.keys[:m.seen-keep]...)
			m.seen = keep
		}
		if m.keys[m.seen] != b {
			out = append(out, b)
			continue
		}
		m.seen++
		if m.seen == len(m.keys) {
			m.seen = 0
			return out, true
		}
	}
	return out, false
}

// rest is what was held back, at the end of the stream.
func (m *matcher) rest() []byte {
	held := m.keys[:m.seen]
	m.seen = 0
	return held
}

// ErrDetached is the end of a DetachReader at whose source the detach keys were typed.
var ErrDetached = errors.New("detached by keys")

// DetachReader passes its source on until the detach keys appear, which it takes out.
type DetachReader struct {
	source  io.Reader
	keys    matcher
	ready   []byte
	err     error
	scratch [4096]byte
}

// NewDetachReader reads from source; keys are those of ParseDetachKeys, none never detach.
func NewDetachReader(source io.Reader, keys []byte) *DetachReader {
	return &DetachReader{source: source, keys: matcher{keys: keys}}
}

// Read implements io.Reader. The error is ErrDetached once the keys were read.
func (r *DetachReader) Read(p []byte) (int, error) {
	for len(r.ready) == 0 && r.err == nil {
		n, err := r.source.Read(r.scratch[:])
		var detached bool
		r.ready, detached = r.keys.filter(nil, r.scratch[:n])
		switch {
		case detached:
			r.err = ErrDetached
		case err != nil:
			r.ready = append(r.ready, r.keys.rest()...)
			r.err = err
		}
	}
	if len(r.ready) == 0 {
		return 0, r.err
	}
	n := copy(p, r.ready)
	r.ready = r.ready[n:]
	return n, nil
}
