package compile

import (
	"path"

	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// cgroupMount shows the container its own cgroups at the target, in the layout of the host: one
// unified tree, or a tmpfs with a mount for each version 1 hierarchy. With a cgroup namespace
// fresh instances are mounted, whose root is the container's cgroup; without one, the
// container's directories are bound.
func (c *compiler) cgroupMount(field string, m *specs.Mount, o *mountOptions, target string) error {
	if c.layout == nil {
		l, err := cgroups.ReadLayout()
		if err != nil {
			return err
		}
		c.layout = l
	}
	l := c.layout
	private := c.h.CloneFlags&unix.CLONE_NEWCGROUP != 0
	add := func(mnt plan.Mount) {
		mnt.Set, mnt.Clear, mnt.Propagation = o.set, 0, o.propagation
		c.p.Mounts = append(c.p.Mounts, mnt)
	}
	tree := func(dir, target, fstype string, options ...plan.Pair) {
		if private {
			add(plan.Mount{Kind: plan.MountFS, FSType: fstype, Source: "cgroup", Target: target, Options: options})
			return
		}
		add(plan.Mount{Kind: plan.MountBind, Source: path.Join(dir, c.opts.CgroupPath), Target: target, Optional: true})
	}
	if m.Type == "cgroup2" && l.Unified == "" {
		return errdefs.Unsupported(field+".type", "this host has no unified cgroup hierarchy")
	}
	if len(l.V1) == 0 || m.Type == "cgroup2" {
		if l.Unified != "" {
			tree(l.Unified, target, "cgroup2")
		}
		return nil
	}
	add(plan.Mount{
		Kind: plan.MountFS, FSType: "tmpfs", Source: "tmpfs", Target: target,
		Options: []plan.Pair{{Key: "mode", Value: "755"}},
	})
	for _, h := range l.V1 {
		tree(h.Dir, path.Join(target, h.Name), "cgroup", h.Options()...)
		for _, alias := range h.Aliases() {
			add(plan.Mount{Kind: plan.MountLink, Source: h.Name, Target: path.Join(target, alias)})
		}
	}
	if l.Unified != "" {
		tree(l.Unified, path.Join(target, "unified"), "cgroup2")
	}
	return nil
}
