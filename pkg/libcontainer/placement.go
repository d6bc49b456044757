package libcontainer

import (
	"errors"
	"path"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/pkg/cgroups"
)

// CgroupManager says who makes the cgroups of containers.
type CgroupManager string

// The managers.
const (
	// CgroupFS makes directories: linux.cgroupsPath is a path.
	CgroupFS CgroupManager = ""
	// CgroupSystemd asks the service manager for scopes: linux.cgroupsPath is "slice:prefix:name".
	CgroupSystemd CgroupManager = "systemd"
	// CgroupNone leaves processes in the caller's cgroups. Limits are refused then.
	CgroupNone CgroupManager = "disabled"
)

// place works out where the container's cgroup goes and what it is made with.
func (c *creation) place() error {
	if c.cfg.CgroupManager == CgroupNone {
		return nil
	}
	systemd := c.cfg.CgroupManager == CgroupSystemd
	asked := ""
	if l := c.spec.Linux; l != nil {
		asked = l.CgroupsPath
	}
	where, err := cgroups.Place(asked, c.id, systemd)
	if err != nil {
		return err
	}
	where.Resources, where.Rootless, where.Owner = withDevices(RoomForInit(c.resources())), c.cfg.Rootless, delegate(c.spec)
	where.Annotations, where.Description = c.spec.Annotations, "container "+c.id
	where.UserBus = systemd && c.cfg.Rootless
	if systemd && !where.UserBus {
		where.Path = path.Join("/", slicePath(where.Slice), where.Scope)
	}
	c.where = &where
	return nil
}

// withDevices confines a container whose configuration has no device rules to the devices that every container may
// use, as runc does: engines always write rules, and those of a privileged container allow all.
func withDevices(r *specs.LinuxResources) *specs.LinuxResources {
	var with specs.LinuxResources
	if r != nil {
		with = *r
	}
	if len(with.Devices) == 0 {
		with.Devices = []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}
	}
	return &with
}

// slicePath is where systemd puts a slice: "a-b.slice" is a child of "a.slice".
// Source: systemd.slice(5).
func slicePath(slice string) string {
	if slice == "" {
		return "system.slice"
	}
	name := strings.TrimSuffix(slice, ".slice")
	if name == "-" {
		return ""
	}
	out, parts := "", strings.Split(name, "-")
	for i := range parts {
		out = path.Join(out, strings.Join(parts[:i+1], "-")+".slice")
	}
	return out
}

// delegate is the host's id of the user who gets the cgroup: the program's, if it has a cgroup namespace
// of its own and cgroups mounted writable in it. Source: OCI runtime-spec, config-linux.md, "Cgroup ownership".
func delegate(spec *specs.Spec) *int {
	l := spec.Linux
	if l == nil || spec.Process == nil {
		return nil
	}
	private := false
	for _, ns := range l.Namespaces {
		private = private || ns.Type == specs.CgroupNamespace && ns.Path == ""
	}
	writable := false
	for _, m := range spec.Mounts {
		if path.Clean(m.Destination) == "/sys/fs/cgroup" && (m.Type == "cgroup" || m.Type == "cgroup2") {
			writable = true
			for _, o := range m.Options {
				writable = writable && o != "ro"
			}
		}
	}
	if !private || !writable {
		return nil
	}
	uid := spec.Process.User.UID
	for _, m := range l.UIDMappings {
		if uid >= m.ContainerID && uid-m.ContainerID < m.Size {
			host := int(m.HostID + uid - m.ContainerID)
			return &host
		}
	}
	if len(l.UIDMappings) > 0 {
		return nil
	}
	host := int(uid)
	return &host
}

// makeCgroup makes the cgroup. Where systemd put it is known only afterwards, and the record and what
// is mounted of it have to follow.
func (c *creation) makeCgroup() error {
	if c.where == nil {
		return nil
	}
	cg, err := cgroups.Create(*c.where)
	if err != nil {
		return err
	}
	c.cgroup = cg
	c.back.Add(cg.Remove)
	if cg.Path() == c.made.record.Cgroup {
		return nil
	}
	c.made.record.Cgroup = cg.Path()
	c.handles.Close()
	return errors.Join(c.compile(), c.made.dir.writeRecord(&c.made.record))
}

// cgroupConfig finds the record's cgroup again.
func (r *record) cgroupConfig() cgroups.Config {
	return cgroups.Config{Path: r.Cgroup, Systemd: r.Systemd, UserBus: r.UserBus, Rootless: r.Rootless}
}
