package libcontainer

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/pkg/cgroups"
)

// initTasks is how many tasks the init may need while it builds the container: it is a Go
// program, whose runtime begins about five threads and dies when it cannot. Each of them
// counts in the container's cgroup until the user's program, a single task, takes its place.
const initTasks = 64

// tight says that a limit leaves the init no room.
func tight(r *specs.LinuxResources) bool {
	return r != nil && r.Pids != nil && r.Pids.Limit != nil && *r.Pids.Limit >= 0 && *r.Pids.Limit < initTasks
}

// RoomForInit is what a cgroup is made with: the limits, but room for the init.
func RoomForInit(r *specs.LinuxResources) *specs.LinuxResources {
	if !tight(r) {
		return r
	}
	roomy, limit := *r, int64(initTasks)
	roomy.Pids = &specs.LinuxPids{Limit: &limit}
	return &roomy
}

// Tighten sets the real limit while the init waits to become the program. What is there
// already may stay; only new tasks are refused.
func Tighten(cg *cgroups.Cgroup, r *specs.LinuxResources) error {
	if !tight(r) {
		return nil
	}
	return cg.Set(&specs.LinuxResources{Pids: r.Pids})
}
