package systemd

import (
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
		value, err := dbus.ParseVariant(annotations[key], dbus.Signature{})
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
