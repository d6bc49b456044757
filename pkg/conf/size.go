package conf

import (
	"fmt"

	"github.com/manager-project/manager/pkg/spec"
)

// Size is a number of bytes: a number, or a text with a unit as "1m".
type Size int64

// UnmarshalTOML takes either form.
func (s *Size) UnmarshalTOML(value any) error {
	switch value := value.(type) {
	case int64:
		*s = Size(value)
	case string:
		n, err := spec.ParseBytes("size", value)
		if err != nil {
			return fmt.Errorf("%q is not a size, as \"1m\"", value)
		}
		*s = Size(n)
	default:
		return fmt.Errorf("%v is not a size, as \"1m\"", value)
	}
	if *s < 0 {
		return fmt.Errorf("%v is below 0", value)
	}
	return nil
}
