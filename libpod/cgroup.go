package libpod

import (
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/rootless"
	"github.com/manager-project/manager/pkg/spec"
)

// Where containers without --cgroup-parent have their cgroups: a directory of ours, or a slice of systemd.
const (
	cgroupParent = "/manager"
	systemSlice  = "machine.slice"
	userSlice    = "user.slice"
)

// The cgroup managers.
const (
	managerCgroupfs = "cgroupfs"
	managerSystemd  = "systemd"
)

// cgroupManager is who makes the cgroups of new containers: --cgroup-manager, then containers.conf, then systemd
// where it runs with the unified hierarchy and, for a user, has a service manager of the user's.
func (r *Runtime) cgroupManager() (string, error) {
	origin, name := "--cgroup-manager", r.options.CgroupManager
	if name == "" {
		origin, name = "containers.conf: [engine] cgroup_manager", stringOf(r.conf.Engine.CgroupManager)
	}
	missing := noSystemd()
	switch {
	case name == managerCgroupfs, name == "" && missing != "":
		return managerCgroupfs, nil
	case name != "" && name != managerSystemd:
		return "", errdefs.Invalid(origin, name, "no such cgroup manager").WithHint("use cgroupfs or systemd")
	case missing != "":
		return "", errdefs.Unsupported(origin+" systemd", "%s", missing).WithHint("use cgroupfs")
	}
	return managerSystemd, nil
}

// noSystemd says why systemd cannot be asked for scopes; "" when it can.
func noSystemd() string {
	switch {
	case !exists("/run/systemd/system"):
		return "systemd does not run here"
	case cgroups.Mode() != cgroups.Unified:
		return "the controllers are on cgroup version 1, where manager makes cgroups itself"
	case rootless.Active() && !exists(filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "systemd/private")):
		return "this user has no service manager: there was no login, and lingering is off (loginctl enable-linger)"
	}
	return ""
}

// cgroupPath is the container's cgroup as the runtimes are told of it: a path below the hierarchies' mount points,
// "slice:prefix:name" for a scope of systemd, or "" for none: a user to whom nothing was delegated runs containers
// in the cgroup that he is in. Where it goes with --cgroups=split is known at the start only: see splitCgroup.
func (c *container) cgroupPath() string {
	l := &c.cfg.Limits
	switch {
	case l.Disabled, l.Split:
		return ""
	case l.Systemd:
		slice := systemSlice
		if rootless.Active() {
			slice = userSlice
		}
		return first(l.CgroupParent, slice) + ":manager:" + c.row.ID
	}
	p := path.Join("/", first(l.CgroupParent, cgroupParent), "manager-"+c.row.ID)
	if rootless.Active() && !cgroups.CanMake(p) {
		return ""
	}
	return p
}

// splitCgroup divides the cgroup that this process is in, and returns where in it the container's goes.
func (c *container) splitCgroup() (string, error) {
	own, err := cgroups.Split()
	if err != nil {
		return "", fmt.Errorf("--cgroups split: %w", err)
	}
	return path.Join(own, "manager-"+c.row.ID), nil
}

// ownsCgroupParent says that the cgroup's parent is ours, to be taken away with its last container.
func (c *container) ownsCgroupParent() bool {
	return c.cfg.Limits.CgroupParent == "" && !c.cfg.Limits.Systemd && !c.cfg.Limits.Split
}

// cgroupFacts tells decisions what limits can be set in a cgroup below the parent, "" for the default one.
func (r *Runtime) cgroupFacts(h *spec.Host, parent string) error {
	layout, err := cgroups.ReadLayout()
	if err != nil {
		return err
	}
	manager, err := r.cgroupManager()
	if err != nil {
		return err
	}
	h.CgroupV2, h.SystemdCgroups = layout.Mode() == cgroups.Unified, layout.Systemd()
	h.CgroupManagerSystemd = manager == managerSystemd
	switch {
	case !rootless.Active():
		h.Controllers = layout.Controllers()
	case h.CgroupManagerSystemd:
		h.Controllers = layout.DelegatedControllers(rootless.UID())
	case cgroups.CanMake(path.Join("/", first(parent, cgroupParent), "probe")):
		h.Controllers = layout.Controllers()
	default:
		h.Controllers = map[string]bool{}
	}
	return nil
}
