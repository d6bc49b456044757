package libpod

import (
	"fmt"

	"github.com/sirupsen/logrus"
)

// warn logs what went wrong beside the command's own work.
func (r *Runtime) warn(format string, args ...any) { logrus.Warn(fmt.Sprintf(format, args...)) }
