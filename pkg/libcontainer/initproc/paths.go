package initproc

import (
	"errors"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
	"golang.org/x/sys/unix"
)

// readonlyPaths binds each path read-only over itself, with everything mounted below it.
func (in *initializer) readonlyPaths() *launch.Failure {
	for _, p := range in.ReadonlyPaths {
		f, err := in.root.OpenPath(p, 0)
		if skipPath(err) {
			continue
		}
		if err == nil {
			err = bindReadonly(int(f.Fd()))
			_ = f.Close()
		}
		if err != nil {
			return failure("read-only path", p, err)
		}
	}
	return nil
}

func bindReadonly(fd int) error {
	tree, err := unix.OpenTree(fd, "", unix.AT_EMPTY_PATH|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(tree) }()
	if err := attach(tree, fd); err != nil {
		return err
	}
	err = setAttr(tree, unix.MOUNT_ATTR_RDONLY, 0, true)
	if errors.Is(err, unix.ENOSYS) {
		err = setAttr(tree, unix.MOUNT_ATTR_RDONLY, 0, false)
	}
	return err
}

func skipPath(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)
}

// maskedPaths covers files with the host's null device and directories with one empty, read-only
// tmpfs that all of them share.
func (in *initializer) maskedPaths() *launch.Failure {
	m := masks{label: in.MountLabel}
	defer m.close()
	for _, p := range in.MaskedPaths {
		f, err := in.root.OpenPath(p, 0)
		if skipPath(err) {
			continue
		}
		if err == nil {
			err = m.cover(int(f.Fd()))
			_ = f.Close()
		}
		if err != nil {
			return failure("masked path", p, err)
		}
	}
	return nil
}

// masks holds what is mounted over masked paths; descriptors are 0 until needed.
type masks struct {
	null, empty int
	label       string
}

func (m *masks) close() {
	for _, fd := range []int{m.null, m.empty} {
		if fd > 0 {
			_ = unix.Close(fd)
		}
	}
}

func (m *masks) cover(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return m.coverDir(fd)
	}
	if m.null == 0 {
		null, err := hostNull()
		if err != nil {
			return err
		}
		m.null = null
		return attach(null, fd)
	}
	return attachCopy(m.null, fd)
}

func (m *masks) coverDir(fd int) error {
	if m.empty > 0 {
		return attachCopy(m.empty, fd)
	}
	options := []plan.Pair{{Key: "nr_blocks", Value: "1"}, {Key: "nr_inodes", Value: "1"}, {Key: "mode", Value: "755"}}
	if m.label != "" {
		options = append(options, plan.Pair{Key: "context", Value: m.label})
	}
	empty, err := openFS(&plan.Mount{
		FSType: "tmpfs", Source: "tmpfs",
		Set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC,
	}, options)
	if err != nil {
		return err
	}
	m.empty = empty
	if err := setAttr(empty, unix.MOUNT_ATTR_RDONLY, 0, false); err != nil && !errors.Is(err, unix.ENOSYS) {
		return err
	}
	if err := attach(empty, fd); err != nil {
		return err
	}
	return setAttr(empty, unix.MOUNT_ATTR_RDONLY, 0, false)
}

// attachCopy mounts another clone of an attached mount.
func attachCopy(mount, fd int) error {
	tree, err := unix.OpenTree(mount, "", unix.AT_EMPTY_PATH|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(tree) }()
	return attach(tree, fd)
}
