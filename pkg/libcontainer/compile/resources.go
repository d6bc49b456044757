package compile

import (
	"errors"
	"strconv"

	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/errdefs"
)

// resources checks the limits without touching the kernel, in the words of the other fields.
func (c *compiler) resources() error {
	err := cgroups.Validate(c.spec.Linux.Resources)
	var wrong *errdefs.Error
	if !errors.As(err, &wrong) {
		return err
	}
	got, unquoted := strconv.Unquote(wrong.Name)
	if unquoted != nil {
		got = wrong.Name
	}
	return invalid(wrong.Op, got, "%w", wrong.Cause)
}
