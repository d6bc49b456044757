package monitor

import (
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
