package libpod

import (
	"path"

	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/rootless"
)

// cgroupParent is where containers without --cgroup-parent have their cgroups.
const cgroupParent = "/manager"

// cgroupPath is the container's cgroup below the hierarchies' mount points, "" for none: a user to whom nothing
// was delegated runs containers in the cgroup that he is in.
func (c *container) cgroupPath() string {
	if c.cfg.Limits.Disabled {
		return ""
	}
	p := path.Join("/", first(c.cfg.Limits.CgroupParent, cgroupParent), "manager-"+c.row.ID)
	if rootless.Active() && !cgroups.CanMake(p) {
		return ""
	}
	return p
}

// controllersHere are the cgroup controllers whose limits can be set.
func controllersHere(layout *cgroups.Layout) map[string]bool {
	if rootless.Active() && !cgroups.CanMake(path.Join(cgroupParent, "probe")) {
		return map[string]bool{}
	}
	return layout.Controllers()
}
