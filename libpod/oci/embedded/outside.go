package embedded

import (
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/netdev"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// outside does what is done to a container from the outside while its init waits.
func outside(spec *specs.Spec, pid int) error {
	return netdev.Move(pid, spec.Linux.NetDevices)
}

// refuseUnkept refuses what would have to be undone at the end, for which nothing is kept here.
func refuseUnkept(spec *specs.Spec) error {
	if spec.Linux.IntelRdt != nil {
		return errdefs.Unsupported("linux.intelRdt", "containers of manager have no class of service; use manager-runtime")
	}
	return nil
}
