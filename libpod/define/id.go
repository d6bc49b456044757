package define

import (
	"crypto/rand"
	"encoding/hex"
	"regexp"
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

var nameRegexp = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// ValidName reports whether s can name a container or a volume.
func ValidName(s string) bool { return len(s) <= 253 && nameRegexp.MatchString(s) }

// ShortID cuts an id to what lists print.
func ShortID(id string) string {
	if len(id) > ShortIDLength {
		return id[:ShortIDLength]
	}
	return id
}
