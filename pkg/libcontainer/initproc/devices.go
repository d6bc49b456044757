package initproc

import (
	"errors"
	"os"
	"path"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
	"golang.org/x/sys/unix"
)

// makeDevices makes the device nodes, or binds the host's where nodes may not be made.
func (in *initializer) makeDevices() *launch.Failure {
	for i := range in.Devices {
		d := &in.Devices[i]
		var err error
		if d.Bind {
			err = in.bindDevice(d)
		} else if err = in.makeDevice(d); errors.Is(err, unix.EPERM) && d.Mode&unix.S_IFMT != unix.S_IFIFO {
			err = in.bindDevice(d) // an outer sandbox lets nobody make nodes
		}
		if err != nil {
			return failure("device", d.Path, err)
		}
	}
	return nil
}

// makeDevice makes the node, or accepts one that is the same device; anything else at the path
// is an error. What is chowned is the opened, checked node and never a name.
func (in *initializer) makeDevice(d *plan.Device) error {
	dir, name, err := in.root.Parent(d.Path, 0o755)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	rdev := unix.Mkdev(d.Major, d.Minor)
	err = unix.Mknodat(int(dir.Fd()), name, d.Mode, int(rdev))
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != d.Mode&unix.S_IFMT || st.Mode&unix.S_IFMT != unix.S_IFIFO && st.Rdev != rdev {
		return explain("device", d.Path, unix.EEXIST, "another file is at this path")
	}
	if st.Uid != d.UID || st.Gid != d.GID {
		if err := unix.Fchownat(fd, "", int(d.UID), int(d.GID), unix.AT_EMPTY_PATH); err != nil {
			return err
		}
	}
	return nil
}

// bindDevice mounts the host's node, checked to be the device that is meant.
func (in *initializer) bindDevice(d *plan.Device) error {
	source := d.Source
	if source == "" {
		source = d.Path
	}
	t, err := cloneTree(unix.AT_FDCWD, source, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: source, Err: err}
	}
	defer func() { _ = unix.Close(t.fd) }()
	if err := isDevice(t.fd, d.Mode, d.Major, d.Minor); err != nil {
		return explain("device", d.Path, unix.ENODEV, "the host's "+source+" is another device")
	}
	f, err := in.root.Touch(d.Path, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return t.attach(int(f.Fd()))
}

// isDevice checks an opened file to be the device.
func isDevice(fd int, mode, major, minor uint32) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != mode&unix.S_IFMT || st.Rdev != unix.Mkdev(major, minor) {
		return unix.ENODEV
	}
	return nil
}

// hostNull opens a clone of the host's /dev/null, checked by type and number: the
// container's own is never trusted.
func hostNull() (tree, error) {
	t, err := cloneTree(unix.AT_FDCWD, os.DevNull, 0)
	if err != nil {
		return t, err
	}
	if err := isDevice(t.fd, unix.S_IFCHR, 1, 3); err != nil {
		_ = unix.Close(t.fd)
		return t, err
	}
	return t, nil
}

// devLinks makes the customary links in /dev. An image's own files there stay, but for ptmx,
// which must be the container's.
func (in *initializer) devLinks() *launch.Failure {
	if !in.DevLinks {
		return nil
	}
	dev, err := in.root.MkdirAll("/dev", 0o755)
	if err != nil {
		return failure("device link", "/dev", err)
	}
	defer func() { _ = dev.Close() }()
	fd := int(dev.Fd())
	for _, l := range [][2]string{
		{"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"}, {"/proc/self/fd/2", "stderr"},
	} {
		if err := unix.Symlinkat(l[0], fd, l[1]); err != nil && !errors.Is(err, unix.EEXIST) {
			return failure("device link", path.Join("/dev", l[1]), err)
		}
	}
	err = unix.Symlinkat("pts/ptmx", fd, "ptmx")
	if errors.Is(err, unix.EEXIST) {
		if err = unix.Unlinkat(fd, "ptmx", 0); err == nil {
			err = unix.Symlinkat("pts/ptmx", fd, "ptmx")
		}
	}
	return failure("device link", "/dev/ptmx", err)
}
