package eventlog

import (
	"slices"
	"strconv"
	"unicode/utf8"
)

// AppendJSON appends the event as JSON. It is written out by hand because encoding/json takes half
// a millisecond to work the type out, which most of our processes would pay for one event.
func (e *Event) AppendJSON(b []byte) []byte {
	b = append(b, '{')
	if e.ContainerExitCode != nil {
		b = append(b, `"ContainerExitCode":`...)
		b = strconv.AppendInt(b, int64(*e.ContainerExitCode), 10)
		b = append(b, ',')
	}
	b = appendField(b, "ID", e.ID)
	b = appendField(b, "Image", e.Image)
	b = appendField(b, "Name", e.Name)
	b = append(b, `"Status":`...)
	b = appendString(b, e.Status)
	b = append(b, `,"time":`...)
	b = strconv.AppendInt(b, e.Time, 10)
	b = append(b, `,"timeNano":`...)
	b = strconv.AppendInt(b, e.TimeNano, 10)
	b = append(b, `,"Type":`...)
	b = append(appendString(b, e.Type), ',')
	b = appendField(b, "health_status", e.HealthStatus)
	b = appendField(b, "Error", e.Error)
	b = append(b, `"Attributes":`...)
	return append(appendMap(b, e.Attributes), '}')
}

// appendField appends a field with a comma behind it, unless it is empty.
func appendField(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return append(appendString(append(appendString(b, name), ':'), value), ',')
}

func appendMap(b []byte, m map[string]string) []byte {
	if m == nil {
		return append(b, "null"...)
	}
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	b = append(b, '{')
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(append(appendString(b, k), ':'), m[k])
	}
	return append(b, '}')
}

// appendString appends a JSON string; bytes that are no text become U+FFFD.
func appendString(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ':
			b = append(b, '\\', 'u', '0', '0', digits[r>>4], digits[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
