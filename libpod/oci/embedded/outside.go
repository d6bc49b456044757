package embedded

import (
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/intelrdt"
	"github.com/manager-project/manager/pkg/libcontainer/netdev"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// outside does what is done to a container from the outside while its init waits.
func outside(spec *specs.Spec, id string, pid int) error {
	if r := spec.Linux.IntelRdt; r != nil {
		root, err := intelrdt.Root()
		if err == nil {
			err = joinClass(root, id, r, pid)
		}
		if err != nil {
			return err
		}
	}
	return netdev.Move(pid, spec.Linux.NetDevices)
}

// joinClass puts the init into a class of service that is there. What would have to be undone at the end is refused,
// for nothing of it is kept here.
func joinClass(root, id string, r *specs.LinuxIntelRdt, pid int) error {
	g, err := intelrdt.Find(root, id, r)
	if err != nil {
		return err
	}
	if g.Made || g.Monitor != "" || g.Fresh() {
		return errdefs.Unsupported("linux.intelRdt", "containers of manager have no class of service of their own; name one that exists, or use manager-runtime")
	}
	return g.Add(pid)
}
