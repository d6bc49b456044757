package compile

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

var namespaceFlags = map[specs.LinuxNamespaceType]uintptr{
	specs.UserNamespace: unix.CLONE_NEWUSER, specs.PIDNamespace: unix.CLONE_NEWPID,
	specs.NetworkNamespace: unix.CLONE_NEWNET, specs.MountNamespace: unix.CLONE_NEWNS,
	specs.IPCNamespace: unix.CLONE_NEWIPC, specs.UTSNamespace: unix.CLONE_NEWUTS,
	specs.CgroupNamespace: unix.CLONE_NEWCGROUP, specs.TimeNamespace: unix.CLONE_NEWTIME,
}

// AllNamespaces are the kinds that a running container's joiner considers.
const AllNamespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWNS |
	unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWTIME

func (c *compiler) namespaces() error {
	seen := map[specs.LinuxNamespaceType]bool{}
	for i, ns := range c.spec.Linux.Namespaces {
		field := fmt.Sprintf("linux.namespaces[%d]", i)
		flag, ok := namespaceFlags[ns.Type]
		if !ok {
			return invalid(field+".type", string(ns.Type), "unknown kind")
		}
		if seen[ns.Type] {
			return invalid(field+".type", string(ns.Type), "is listed twice")
		}
		seen[ns.Type] = true
		if ns.Path == "" {
			c.h.CloneFlags |= flag
			continue
		}
		f, err := openNamespace(field+".path", ns.Path, flag)
		if err != nil {
			return err
		}
		ref := launch.NamespaceRef{Index: c.h.add(f) - 1, Flag: flag}
		if flag == unix.CLONE_NEWUSER { // it gives the right to join the others
			c.h.Enter = append([]launch.NamespaceRef{ref}, c.h.Enter...)
		} else {
			c.h.Enter = append(c.h.Enter, ref)
		}
	}
	if c.h.CloneFlags&unix.CLONE_NEWNS == 0 {
		return errdefs.Unsupported("linux.namespaces", "a container without a mount namespace of its own cannot be made")
	}
	c.p.Loopback = c.h.CloneFlags&unix.CLONE_NEWNET != 0
	return c.idMaps()
}

// openNamespace opens a namespace file and checks its kind.
func openNamespace(field, path string, flag uintptr) (*os.File, error) {
	if !filepath.IsAbs(path) {
		return nil, invalid(field, path, "is not absolute")
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, &errdefs.Error{Op: field, Class: errdefs.ErrInvalid, Cause: err, Hint: "name a namespace file that exists, as /proc/PID/ns/net"}
	}
	kind, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.NS_GET_NSTYPE, 0)
	if errno != 0 || kind != flag {
		_ = f.Close()
		return nil, invalid(field, path, "is not a namespace of this kind")
	}
	return f, nil
}

// hasNamespace says that the container does not share the runtime's namespace of the kind.
func (c *compiler) hasNamespace(t specs.LinuxNamespaceType) bool {
	for _, ns := range c.spec.Linux.Namespaces {
		if ns.Type == t {
			return true
		}
	}
	return false
}

// namespacePath is the file of a namespace that is joined, or "".
func (c *compiler) namespacePath(t specs.LinuxNamespaceType) string {
	for _, ns := range c.spec.Linux.Namespaces {
		if ns.Type == t {
			return ns.Path
		}
	}
	return ""
}

func (c *compiler) idMaps() error {
	l := c.spec.Linux
	for _, m := range []struct {
		field string
		list  []specs.LinuxIDMapping
	}{{"linux.uidMappings", l.UIDMappings}, {"linux.gidMappings", l.GIDMappings}} {
		if len(m.list) > 0 && !c.hasNamespace(specs.UserNamespace) {
			return invalid(m.field, "", "need a user namespace")
		}
		if err := checkMaps(m.field, m.list); err != nil {
			return err
		}
		if c.h.CloneFlags&unix.CLONE_NEWUSER != 0 && len(m.list) == 0 {
			return invalid(m.field, "", "are missing: a new user namespace needs uid and gid mappings")
		}
	}
	if c.h.CloneFlags&unix.CLONE_NEWUSER == 0 {
		return nil
	}
	c.h.UIDMap, c.h.GIDMap = idMap(l.UIDMappings), idMap(l.GIDMappings)
	return nil
}

// maxMapLines is the kernel's bound. Source: user_namespaces(7).
const maxMapLines = 340

// checkMaps refuses mappings that the kernel would: empty ranges, ranges beyond 32 bits, overlaps.
func checkMaps(field string, list []specs.LinuxIDMapping) error {
	if len(list) > maxMapLines {
		return invalid(field, "", "%d ranges, the kernel takes %d", len(list), maxMapLines)
	}
	const end = 1 << 32
	for i, m := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		switch {
		case m.Size == 0:
			return invalid(at+".size", "", "is 0")
		case uint64(m.ContainerID)+uint64(m.Size) > end:
			return invalid(at+".containerID", "", "%d and %d more are beyond 32 bits", m.ContainerID, m.Size)
		case uint64(m.HostID)+uint64(m.Size) > end:
			return invalid(at+".hostID", "", "%d and %d more are beyond 32 bits", m.HostID, m.Size)
		}
		for j, o := range list[:i] {
			if overlap(m.ContainerID, o.ContainerID, m.Size, o.Size) {
				return invalid(at+".containerID", "", "overlaps with %s[%d]", field, j)
			}
			if overlap(m.HostID, o.HostID, m.Size, o.Size) {
				return invalid(at+".hostID", "", "overlaps with %s[%d]", field, j)
			}
		}
	}
	return nil
}

func overlap(a, b, sizeA, sizeB uint32) bool {
	return uint64(a) < uint64(b)+uint64(sizeB) && uint64(b) < uint64(a)+uint64(sizeA)
}

func idMap(in []specs.LinuxIDMapping) []launch.IDMap {
	out := make([]launch.IDMap, len(in))
	for i, m := range in {
		out[i] = launch.IDMap{Inside: m.ContainerID, Outside: m.HostID, Size: m.Size}
	}
	return out
}
