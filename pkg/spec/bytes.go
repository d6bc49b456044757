package spec

import (
	units "github.com/docker/go-units"

	"github.com/manager-project/manager/pkg/errdefs"
)

// ParseBytes reads a size with an optional unit b, k, m, g, t or p of base 1024 (also
// "512MiB", "1.5g"). The result is in bytes and never negative. Errors are of class invalid.
func ParseBytes(option, word string) (int64, error) {
	n, err := units.RAMInBytes(word)
	if err != nil || n < 0 {
		return 0, errdefs.Invalid(option, word, "not a size").WithHint("write a number of bytes, or one with b, k, m or g, as 512m")
	}
	return n, nil
}
