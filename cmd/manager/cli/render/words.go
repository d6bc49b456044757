package render

import (
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/manager-project/manager/libpod/define"
)

// Age is how long ago t was, in words: "2 minutes ago". The zero time is "".
func Age(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return Span(now.Sub(t)) + " ago"
}

// Span is a duration in words: "2 minutes".
func Span(d time.Duration) string {
	if d < 0 {
		d = 0
	}
	return units.HumanDuration(d)
}

// Size is a number of bytes with a decimal unit: "4.27MB".
func Size(bytes int64) string { return units.HumanSizeWithPrecision(float64(bytes), 3) }

// SpacedSize is Size with a blank before the unit, as lists of images print it.
func SpacedSize(bytes int64) string {
	s := Size(bytes)
	i := strings.IndexFunc(s, func(r rune) bool { return r != '.' && r != '-' && (r < '0' || r > '9') })
	if i < 0 {
		return s
	}
	return s[:i] + " " + s[i:]
}

// ID shortens an id unless full is asked for.
func ID(id string, full bool) string {
	if full {
		return id
	}
	return define.ShortID(id)
}

// Cut shortens a text to length runes, the last three dots.
func Cut(s string, length int) string {
	r := []rune(s)
	if len(r) <= length {
		return s
	}
	return string(r[:length-3]) + "..."
}
