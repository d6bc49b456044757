package compile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

var namespaceFlags = map[specs.LinuxNamespaceType]uintptr{
	specs.UserNamespace: unix.CLONE_NEWUSER, specs.PIDNamespace: unix.CLONE_NEWPID,
	specs.NetworkNamespace: unix.CLONE_NEWNET, specs.MountNamespace: unix.CLONE_NEWNS,
	specs.IPCNamespace: unix.CLONE_NEWIPC, specs.UTSNamespace: unix.CLONE_NEWUTS,
	specs.CgroupNamespace: unix.CLONE_NEWCGROUP,
}

// AllNamespaces are the kinds that a running container's joiner considers.
const AllNamespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWNS |
	unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

func (c *compiler) namespaces() error {
	seen := map[specs.LinuxNamespaceType]bool{}
	for _, ns := range c.spec.Linux.Namespaces {
		if seen[ns.Type] {
			return invalid("linux.namespaces", string(ns.Type), "is listed twice")
		}
		seen[ns.Type] = true
		flag, ok := namespaceFlags[ns.Type]
		if ns.Type == specs.TimeNamespace {
			return errdefs.Unsupported("linux.namespaces", "the embedded runtime cannot make time namespaces yet")
		}
		if !ok {
			return invalid("linux.namespaces", string(ns.Type), "unknown kind")
		}
		if ns.Path == "" {
			c.h.CloneFlags |= flag
			continue
		}
		f, err := openNamespace(ns.Path, flag)
		if err != nil {
			return fmt.Errorf("%s namespace: %w", ns.Type, err)
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
func openNamespace(path string, flag uintptr) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		var file *fs.PathError
		if errors.As(err, &file) {
			err = file.Err
		}
		return nil, &errdefs.Error{Kind: "namespace", Name: path, Class: errdefs.ErrInvalid, Cause: err, Hint: "name a namespace file that exists, as /proc/PID/ns/net"}
	}
	kind, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.NS_GET_NSTYPE, 0)
	if errno != 0 || kind != flag {
		_ = f.Close()
		return nil, invalid("path", path, "is not a namespace of this kind")
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

func (c *compiler) idMaps() error {
	l := c.spec.Linux
	if len(l.UIDMappings)+len(l.GIDMappings) > 0 && !c.hasNamespace(specs.UserNamespace) {
		return invalid("linux.uidMappings", "", "need a user namespace")
	}
	if c.h.CloneFlags&unix.CLONE_NEWUSER == 0 {
		return nil
	}
	if len(l.UIDMappings) == 0 || len(l.GIDMappings) == 0 {
		return invalid("linux.uidMappings", "", "a new user namespace needs uid and gid mappings")
	}
	c.h.UIDMap, c.h.GIDMap = idMap(l.UIDMappings), idMap(l.GIDMappings)
	return nil
}

func idMap(in []specs.LinuxIDMapping) []launch.IDMap {
	out := make([]launch.IDMap, len(in))
	for i, m := range in {
		out[i] = launch.IDMap{Inside: m.ContainerID, Outside: m.HostID, Size: m.Size}
	}
	return out
}
