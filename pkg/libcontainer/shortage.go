package libcontainer

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
)

// shortage names the limit that a process ran into on its way to become the user's program: the kernel says only that it
// cannot make a process now, or nothing, when it kills one for memory. Other errors are returned as they are. cg is the
// container's, or nil.
func shortage(cg *cgroups.Cgroup, err error) error {
	var f *launch.Failure
	silent := errors.As(err, &f) && f.Silent
	processes, memory := errors.Is(err, unix.EAGAIN), silent || errors.Is(err, unix.ENOMEM)
	if !processes && !memory {
		return err
	}
	var s cgroups.Stats
	if cg != nil {
		if now, err := cg.Stats(); err == nil {
			s = *now
		}
	}
	hint := ""
	switch {
	case silent && s.Memory.OOMKills > 0 || memory && !silent && s.Memory.Usage.Failcnt+s.Memory.Swap.Failcnt > 0:
		hint = fmt.Sprintf("the container's memory limit of %d bytes was reached: raise it", s.Memory.Usage.Limit)
	case processes && s.Pids.Limit > 0:
		hint = fmt.Sprintf("the container's pids limit is %d: raise it, or the user's own (ulimit -u)", s.Pids.Limit)
	case processes:
		hint = "the user may have no more processes: raise the limit (ulimit -u)"
	default:
		return err
	}
	return &errdefs.Error{Class: errdefs.ErrUnavailable, Cause: err, Hint: hint}
}
