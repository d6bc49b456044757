package libcontainer

import (
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

// maxID bounds an id in bytes: it becomes a file name.
const maxID = 255

// ValidateID accepts ids of letters, digits and "_+-." that are safe as file names.
func ValidateID(id string) error {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-."
	if id == "" || id == "." || id == ".." || len(id) > maxID || strings.Trim(id, allowed) != "" {
		return errdefs.New(errdefs.ErrInvalid, "container", id, "invalid container ID format")
	}
	return nil
}
