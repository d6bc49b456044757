package initproc

import (
	"errors"
	"os"

	"github.com/manager-project/manager/pkg/fsroot"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
	"golang.org/x/sys/unix"
)

// readonlyPaths binds each path read-only over itself, with everything mounted below it.
func (in *initializer) readonlyPaths() *launch.Failure {
	for _, p := range in.ReadonlyPaths {
		f, err := in.openCovered(p)
		if skipPath(err) {
			continue
		}
		if err == nil {
			err = in.bindReadonly(int(f.Fd()), p)
			_ = f.Close()
		}
		if err != nil {
			return failure("read-only path", p, err)
		}
	}
	return nil
}

func (in *initializer) bindReadonly(fd int, path string) error {
	t, err := cloneTree(fd, "", unix.AT_RECURSIVE)
	if err != nil {
		return err
	}
	mount, err := in.attachAt(t, fd, path)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(mount) }()
	err = setAttr(mount, unix.MOUNT_ATTR_RDONLY, 0, true)
	if errors.Is(err, unix.ENOSYS) {
		err = setAttr(mount, unix.MOUNT_ATTR_RDONLY, 0, false)
	}
	return err
}

// openCovered opens what is to be covered.
func (in *initializer) openCovered(p string) (*os.File, error) {
	mount, rest, ok := in.kernel.Find(p)
	if !ok {
		return in.root.OpenPath(p, 0)
	}
	dir, err := openDir(mount)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	return fsroot.FromFile(dir).OpenPath(rest, 0)
}

// closeKernel closes handles on procfs and sysfs but for the one that is ours.
func (in *initializer) closeKernel(mounts []int) {
	for _, fd := range mounts {
		if fd != in.proc {
			_ = unix.Close(fd)
		}
	}
}

func skipPath(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)
}

// maskedPaths covers files with the host's null device and directories with one empty, read-only
// tmpfs that all of them share.
func (in *initializer) maskedPaths() *launch.Failure {
	var m masks
	defer m.close()
	for _, p := range in.MaskedPaths {
		f, err := in.openCovered(p)
		if skipPath(err) {
			continue
		}
		if err == nil {
			err = m.cover(in, int(f.Fd()), p)
			_ = f.Close()
		}
		if err != nil {
			return failure("masked path", p, err)
		}
	}
	return nil
}

// masks holds what is mounted over masked paths, once it was needed.
type masks struct{ null, empty *tree }

func (m *masks) close() {
	for _, t := range []*tree{m.null, m.empty} {
		if t != nil {
			_ = unix.Close(t.fd)
		}
	}
}

func (m *masks) cover(in *initializer, fd int, path string) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return m.coverDir(in, fd, path)
	}
	if m.null != nil {
		return attachCopy(m.null.fd, fd)
	}
	null, err := hostNull()
	if err != nil {
		return err
	}
	m.null = &null
	return null.attach(fd)
}

// coverDir mounts an empty tmpfs without room for anything.
func (m *masks) coverDir(in *initializer, fd int, path string) error {
	if m.empty != nil {
		return attachCopy(m.empty.fd, fd)
	}
	fs := &plan.Mount{
		FSType: "tmpfs", Source: "tmpfs", Target: path,
		Set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC,
	}
	empty, err := openDir(fd)
	if err != nil {
		return err
	}
	defer func() { _ = empty.Close() }()
	options := []plan.Pair{{Key: "nr_blocks", Value: "1"}, {Key: "nr_inodes", Value: "1"}, {Key: "mode", Value: "755"}}
	if in.MountLabel != "" {
		options = append(options, plan.Pair{Key: "context", Value: in.MountLabel})
	}
	mount, err := in.instance(fs, options, empty)
	if err != nil {
		return err
	}
	m.empty = &tree{fd: mount}
	return setAttr(mount, unix.MOUNT_ATTR_RDONLY, 0, false)
}

// openDir is a file of its own for an opened directory.
func openDir(fd int) (*os.File, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	return os.NewFile(uintptr(dup), "directory"), err
}

// attachCopy mounts another clone of an attached mount.
func attachCopy(mount, fd int) error {
	t, err := cloneTree(mount, "", 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(t.fd) }()
	return t.attach(fd)
}
