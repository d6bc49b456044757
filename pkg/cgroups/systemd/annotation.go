package systemd

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"

	"github.com/manager-project/manager/pkg/errdefs"
)

// annotationPrefix marks annotations of the OCI configuration that set properties of the unit.
const annotationPrefix = "org.systemd.property."

// FromAnnotations are the properties that annotations ask for, in the order of their names. Values
// are in the text form of GVariant: 'control-group', true, uint64 5. A name that ends in Sec is
// turned into the one in microseconds that D-Bus has. A malformed one is ErrInvalid.
func FromAnnotations(annotations map[string]string) ([]Property, error) {
	var out []Property
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		name, ok := strings.CutPrefix(key, annotationPrefix)
		if !ok {
			continue
		}
		if !propertyName(name) {
			return nil, errdefs.Invalid("annotation", key, "%q is not the name of a property", name)
		}
		value, err := parseValue(annotations[key])
		if err != nil {
			return nil, errdefs.Invalid("annotation "+key, annotations[key], "want a value like 'text', true or uint64 5: %w", err)
		}
		if base, ok := strings.CutSuffix(name, "Sec"); ok && !strings.HasSuffix(name, "USec") {
			us, ok := microseconds(value.Value())
			if !ok {
				return nil, errdefs.Invalid("annotation "+key, annotations[key], "want a number of seconds")
			}
			name, value = base+"USec", dbus.MakeVariant(us)
		}
		out = append(out, Property{name, value})
	}
	return out, nil
}

// The bounds of a value. The parser's time grows with the power of how deep dictionaries lie in each
// other: ten of them take it ten seconds. No property is deeper than an array of structures of arrays.
const (
	maxValue   = 4096
	maxNesting = 4
)

// parseValue reads the text form of GVariant, within bounds.
func parseValue(s string) (dbus.Variant, error) {
	if len(s) > maxValue {
		return dbus.Variant{}, fmt.Errorf("it is longer than %d bytes", maxValue)
	}
	if nesting(s) > maxNesting {
		return dbus.Variant{}, fmt.Errorf("it is nested more than %d deep", maxNesting)
	}
	return dbus.ParseVariant(s, dbus.Signature{})
}

// nesting is how deep brackets lie in each other outside of quotes.
func nesting(s string) int {
	deepest, depth := 0, 0
	var quote byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case strings.IndexByte("[{(<", c) >= 0:
			depth++
			deepest = max(deepest, depth)
		case strings.IndexByte("]})>", c) >= 0:
			depth--
		}
	}
	return deepest
}

// propertyName says that a name is made of letters and digits and begins with a letter.
func propertyName(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if (c < 'a' || c > 'z') && (i == 0 || s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return len(s) >= 3
}

// microseconds turns any number of seconds into the type of a USec property.
func microseconds(v any) (uint64, bool) {
	const second = 1e6
	var f float64
	switch n := v.(type) {
	case byte:
		f = float64(n)
	case int16:
		f = float64(n)
	case uint16:
		f = float64(n)
	case int32:
		f = float64(n)
	case uint32:
		f = float64(n)
	case int64:
		f = float64(n)
	case uint64:
		f = float64(n)
	case float64:
		f = n
	default:
		return 0, false
	}
	f *= second
	if math.IsNaN(f) || f < 0 || f >= math.MaxInt64 {
		return 0, false
	}
	return uint64(f), true
}
