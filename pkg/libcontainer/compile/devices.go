package compile

import (
	"path/filepath"

	"github.com/manager-project/manager/pkg/libcontainer/plan"
	"golang.org/x/sys/unix"
)

// defaultDevices are in every container. Source: OCI runtime-spec, config-linux.md, "Default Devices".
var defaultDevices = []struct {
	path         string
	major, minor uint32
}{
	{"/dev/null", 1, 3},
	{"/dev/zero", 1, 5},
	{"/dev/full", 1, 7},
	{"/dev/random", 1, 8},
	{"/dev/urandom", 1, 9},
	{"/dev/tty", 5, 0},
}

var deviceTypes = map[string]uint32{"c": unix.S_IFCHR, "u": unix.S_IFCHR, "b": unix.S_IFBLK, "p": unix.S_IFIFO}

func (c *compiler) devices() error {
	// In a user namespace no node can be made: the host's are bound.
	bind := c.hasNamespace("user")
	listed := map[string]bool{}
	for _, d := range c.spec.Linux.Devices {
		kind, ok := deviceTypes[d.Type]
		if !ok {
			return invalid("linux.devices", d.Type, "unknown type of device (%s)", d.Path)
		}
		if !filepath.IsAbs(d.Path) {
			return invalid("linux.devices", d.Path, "is not absolute")
		}
		out := plan.Device{Path: filepath.Clean(d.Path), Mode: kind | 0o666, Major: uint32(d.Major), Minor: uint32(d.Minor), Bind: bind && kind != unix.S_IFIFO}
		if d.FileMode != nil {
			out.Mode = kind | uint32(d.FileMode.Perm())
		}
		if d.UID != nil {
			out.UID = *d.UID
		}
		if d.GID != nil {
			out.GID = *d.GID
		}
		listed[out.Path] = true
		c.p.Devices = append(c.p.Devices, out)
	}
	if c.hostDev() {
		return nil
	}
	c.p.DevLinks = true
	for _, d := range defaultDevices {
		if !listed[d.path] {
			c.p.Devices = append(c.p.Devices, plan.Device{Path: d.path, Mode: unix.S_IFCHR | 0o666, Major: d.major, Minor: d.minor, Bind: bind})
		}
	}
	return nil
}

// hostDev says that /dev itself is a bind mount, in which nothing is to be made.
func (c *compiler) hostDev() bool {
	for _, m := range c.p.Mounts {
		if m.Target == "/dev" {
			return m.Kind == plan.MountBind
		}
	}
	return false
}
