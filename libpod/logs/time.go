package logs

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
)

// layouts are the dates that people write; without a zone the local one is meant.
var layouts = []string{
	time.RFC3339Nano,
	"2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999",
	"2006-01-02 15:04:05.999999999 -0700 MST",
	"2006-01-02T15:04",
	"2006-01-02 15:04",
	"2006-01-02T15",
	"2006-01-02T15:04Z07:00",
	"2006-01-02T15Z07:00",
	"2006-01-02Z07:00",
	"2006-01-02",
}

// maxUnix bounds seconds since 1970 to the years that RFC 3339 can write (until 9999).
const maxUnix = 253402300799

// ParseTime reads the value of --since and --until, named by option for the error: a date
// (RFC 3339, or a part of it in now's zone), seconds since 1970 with an optional fraction, or a
// duration before now ("10m", "1h30m"). Errors are of class ErrInvalid.
func ParseTime(option, value string, now time.Time) (time.Time, error) {
	if t, ok := parseUnix(value); ok {
		return t, nil
	}
	if d, err := time.ParseDuration(value); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, value, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errdefs.Invalid(option, value,
		"neither a date, nor seconds since 1970, nor a duration").WithHint("write 2006-01-02T15:04:05, 1136214245 or 10m")
}

// parseUnix reads whole seconds and up to nine digits of a fraction, without rounding.
func parseUnix(s string) (time.Time, bool) {
	whole, fraction, dotted := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || sec < 0 || sec > maxUnix || strings.HasPrefix(whole, "+") || strings.HasPrefix(whole, "-") {
		return time.Time{}, false
	}
	if !dotted {
		return time.Unix(sec, 0), true
	}
	if fraction == "" || len(fraction) > 9 {
		return time.Time{}, false
	}
	n, err := strconv.ParseUint(fraction, 10, 32)
	if err != nil {
		return time.Time{}, false
	}
	return time.Unix(sec, int64(n)*int64(math.Pow10(9-len(fraction)))), true
}
