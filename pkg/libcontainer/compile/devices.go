package compile

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/manager-project/manager/pkg/libcontainer/plan"
	specs "github.com/opencontainers/runtime-spec/specs-go"
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
	bind := c.hasNamespace(specs.UserNamespace) || c.opts.BindDevices
	hostDev := c.hostDev()
	listed := map[string]bool{}
	numbers := map[string]string{}
	for i := range c.spec.Linux.Devices {
		field := fmt.Sprintf("linux.devices[%d]", i)
		d := &c.spec.Linux.Devices[i]
		out, err := compileDevice(field, d, bind)
		if err != nil {
			return err
		}
		if listed[out.Path] {
			return invalid(field+".path", d.Path, "is listed twice")
		}
		listed[out.Path] = true
		if d.Type != "p" {
			key := fmt.Sprintf("%d %d:%d", out.Mode&unix.S_IFMT, out.Major, out.Minor)
			if first := numbers[key]; first != "" {
				c.warn("%s: %s is the same device as %s", field, out.Path, first)
			}
			numbers[key] = out.Path
		}
		if hostDev && strings.HasPrefix(out.Path, "/dev/") {
			c.warn("%s: /dev is a bind mount, in which nothing is made", field)
			continue
		}
		c.p.Devices = append(c.p.Devices, *out)
	}
	if hostDev {
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

func compileDevice(field string, d *specs.LinuxDevice, bind bool) (*plan.Device, error) {
	kind, ok := deviceTypes[d.Type]
	path := filepath.Clean(d.Path)
	switch {
	case !ok:
		return nil, invalid(field+".type", d.Type, "want c, b, u or p")
	case !filepath.IsAbs(d.Path):
		return nil, invalid(field+".path", d.Path, "is not absolute")
	case strings.IndexByte(d.Path, 0) >= 0:
		return nil, invalid(field+".path", d.Path, "has a NUL byte")
	case path == "/" || path == "/dev" || path == "/proc" || strings.HasPrefix(path, "/proc/"):
		return nil, invalid(field+".path", d.Path, "is no place for a device")
	case d.FileMode != nil && *d.FileMode > 0o177777:
		return nil, invalid(field+".fileMode", strconv.FormatUint(uint64(*d.FileMode), 10), "want permission bits as a decimal number")
	}
	out := &plan.Device{Path: path, Mode: kind | 0o666}
	if kind != unix.S_IFIFO {
		if err := checkNumbers(field, d.Major, d.Minor); err != nil {
			return nil, err
		}
		out.Major, out.Minor = uint32(d.Major), uint32(d.Minor)
		out.Bind = bind
		out.Source = hostNode(out)
	}
	if d.FileMode != nil {
		out.Mode = kind | uint32(d.FileMode.Perm())
	}
	if d.UID != nil {
		out.UID = *d.UID
	}
	if d.GID != nil {
		out.GID = *d.GID
	}
	return out, nil
}

// hostNode finds the host's node of a device that has another name in the container; "" if it has the
// same or none.
func hostNode(d *plan.Device) string {
	if !d.Bind || isNode(d.Path, d) {
		return ""
	}
	class := "char"
	if d.Mode&unix.S_IFMT == unix.S_IFBLK {
		class = "block"
	}
	b, err := os.ReadFile(fmt.Sprintf("/sys/dev/%s/%d:%d/uevent", class, d.Major, d.Minor))
	if err != nil {
		return ""
	}
	for _, line := range strings.Split(string(b), "\n") {
		if name, ok := strings.CutPrefix(line, "DEVNAME="); ok && isNode("/dev/"+name, d) {
			return "/dev/" + name
		}
	}
	return ""
}

func isNode(path string, d *plan.Device) bool {
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil && st.Mode&unix.S_IFMT == d.Mode&unix.S_IFMT && st.Rdev == unix.Mkdev(d.Major, d.Minor)
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

func checkNumbers(field string, major, minor int64) error {
	if major < 0 || major >= 1<<32 {
		return invalid(field+".major", strconv.FormatInt(major, 10), "want a device number")
	}
	if minor < 0 || minor >= 1<<32 {
		return invalid(field+".minor", strconv.FormatInt(minor, 10), "want a device number")
	}
	return nil
}
