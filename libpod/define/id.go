package define

import (
	"crypto/rand"
	"encoding/hex"
)

// IDLength is the length of a full container id in hexadecimal digits.
const IDLength = 64

// ShortIDLength is the length of the id that lists print.
const ShortIDLength = 12

// NewID makes a random full id.
func NewID() string {
	var b [IDLength / 2]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand documents it
	return hex.EncodeToString(b[:])
}

// ValidName reports whether s can name a container or a volume.
// It begins with a letter or digit and goes on with those, '_', '.' and '-'.
func ValidName(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case i > 0 && (c == '_' || c == '.' || c == '-'):
		default:
			return false
		}
	}
	return s != "" && len(s) <= 253
}

// ShortID cuts an id to what lists print.
func ShortID(id string) string {
	if len(id) > ShortIDLength {
		return id[:ShortIDLength]
	}
	return id
}
