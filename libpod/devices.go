package libpod

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
	"tags.cncf.io/container-device-interface/pkg/cdi"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/lookup"
	"github.com/manager-project/manager/pkg/spec"
)

// maxDevices bounds the nodes that one directory may bring.
const maxDevices = 4096

// deviceNodes reads the host's nodes that a container gets: those asked for, directories of
// them included, and all of /dev when it is privileged.
func deviceNodes(s *spec.Security) ([]spec.DeviceNode, error) {
	var nodes []spec.DeviceNode
	if s.Privileged {
		all, err := devicesBelow("/dev", "/dev", "rwm")
		if err != nil {
			return nil, err
		}
		nodes = all
	}
	for _, d := range s.Devices {
		more, err := devicesOf(d)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, more...)
	}
	return nodes, nil
}

func devicesOf(d spec.Device) ([]spec.DeviceNode, error) {
	info, err := os.Stat(d.Host)
	if err != nil {
		return nil, noDevice(d.Host, err)
	}
	if info.IsDir() {
		return devicesBelow(d.Host, d.Container, d.Permissions)
	}
	node, ok, err := deviceNode(d.Host, d.Container, d.Permissions)
	if err == nil && !ok {
		err = errors.New("not a device")
	}
	if err != nil {
		return nil, noDevice(d.Host, err)
	}
	return []spec.DeviceNode{node}, nil
}

func noDevice(path string, err error) error {
	return &errdefs.Error{Op: "--device", Name: path, Class: errdefs.ErrInvalid, Cause: err, Hint: "name a device node, or a directory of them"}
}

// devicesBelow walks a directory. Terminals, shared memory and message queues are the
// container's own, whatever the host has there.
func devicesBelow(host, container, permissions string) ([]spec.DeviceNode, error) {
	var nodes []spec.DeviceNode
	err := filepath.WalkDir(host, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
				return nil
			}
			return err
		}
		if e.IsDir() {
			switch p {
			case "/dev/pts", "/dev/shm", "/dev/fd", "/dev/mqueue", "/dev/.lxc", "/dev/.lxd-mounts", "/dev/.udev":
				return fs.SkipDir
			}
			return nil
		}
		if e.Type()&fs.ModeDevice == 0 || p == "/dev/console" || p == "/dev/ptmx" || strings.HasPrefix(p, "/dev/tty") && host == "/dev" {
			return nil
		}
		if len(nodes) >= maxDevices {
			return errdefs.New(errdefs.ErrUnavailable, "directory", host, "more than %d devices", maxDevices)
		}
		node, ok, err := deviceNode(p, path.Join(container, strings.TrimPrefix(p, host)), permissions)
		if ok {
			nodes = append(nodes, node)
		}
		return err
	})
	return nodes, err
}

// deviceNode reads one node; ok is false when it is no device, or has gone.
func deviceNode(host, container, permissions string) (node spec.DeviceNode, ok bool, err error) {
	var st unix.Stat_t
	if err := unix.Stat(host, &st); err != nil {
		if errors.Is(err, unix.ENOENT) {
			return node, false, nil
		}
		return node, false, err
	}
	kind := ""
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFBLK:
		kind = "b"
	case unix.S_IFCHR:
		kind = "c"
	default:
		return node, false, nil
	}
	mode := os.FileMode(st.Mode & 0o7777)
	uid, gid := st.Uid, st.Gid
	return spec.DeviceNode{
		LinuxDevice: specs.LinuxDevice{
			Path: container, Type: kind, Major: int64(unix.Major(st.Rdev)), Minor: int64(unix.Minor(st.Rdev)), FileMode: &mode, UID: &uid, GID: &gid,
		},
		Host: host, Permissions: permissions,
	}, true, nil
}

// applyCDI edits a spec for devices of the Container Device Interface.
func (r *Runtime) applyCDI(s *specs.Spec, names []string) error {
	var o []cdi.Option
	dirs := r.options.CDISpecDirs
	if len(dirs) == 0 {
		dirs = r.conf.Engine.CDISpecDirs.Values
	}
	if len(dirs) > 0 {
		o = append(o, cdi.WithSpecDirs(dirs...))
	}
	cache, err := cdi.NewCache(append(o, cdi.WithAutoRefresh(false))...)
	if err != nil {
		return err
	}
	if _, err := cache.InjectDevices(s, names...); err != nil {
		return &errdefs.Error{Op: "--device", Name: strings.Join(names, ","), Class: errdefs.ErrNotFound, Cause: err, Hint: "check the CDI specs in " + strings.Join(cache.GetSpecDirectories(), " and ")}
	}
	return nil
}

// hostUsers are the host's users that --hostuser makes known inside.
func hostUsers(names []string) ([]lookup.HostUser, error) {
	var users []lookup.HostUser
	for _, name := range names {
		u, err := user.Lookup(name)
		if err != nil {
			return nil, &errdefs.Error{Op: "--hostuser", Name: name, Class: errdefs.ErrInvalid, Cause: err, Hint: "name a user of this host"}
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		users = append(users, lookup.HostUser{Name: u.Username, UID: uint32(uid), GID: uint32(gid), Home: u.HomeDir})
	}
	return users, nil
}
