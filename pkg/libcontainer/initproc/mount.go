package initproc

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
	"golang.org/x/sys/unix"
)

// mounts makes the plan's mounts in their order.
func (in *initializer) mounts() *launch.Failure {
	for i := range in.Mounts {
		m := &in.Mounts[i]
		err := in.mount(m)
		if m.Optional && (errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV)) {
			continue
		}
		if err != nil {
			return failure("mount", m.Target, err)
		}
	}
	return nil
}

func (in *initializer) mount(m *plan.Mount) error {
	switch m.Kind {
	case plan.MountBind:
		return in.bind(m)
	case plan.MountFS:
		return in.newFS(m)
	case plan.MountRemount:
		return in.remountTarget(m)
	case plan.MountLink:
		return in.link(m)
	default:
		return fmt.Errorf("unknown kind of mount %q", m.Kind)
	}
}

// bind clones a tree of the host and attaches it.
func (in *initializer) bind(m *plan.Mount) error {
	tree := in.file(m.File)
	if m.File == 0 {
		flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
		if m.Recursive {
			flags |= unix.AT_RECURSIVE
		}
		var err error
		if tree, err = unix.OpenTree(unix.AT_FDCWD, m.Source, flags); err != nil {
			return sourceFailure(m, err)
		}
	}
	defer func() { _ = unix.Close(tree) }()
	var st unix.Stat_t
	if err := unix.Fstat(tree, &st); err != nil {
		return err
	}
	target, err := in.target(m, st.Mode&unix.S_IFMT == unix.S_IFDIR)
	if err != nil {
		return err
	}
	defer func() { _ = target.Close() }()
	if err := attach(tree, int(target.Fd())); err != nil {
		return err
	}
	return in.attributes(tree, m)
}

func sourceFailure(m *plan.Mount, err error) error {
	f := failure("mount source", m.Source, err)
	f.Detail = f.Errno.Error() + " (to be mounted on " + m.Target + ")"
	return f
}

// attributes sets flags and propagation of an attached mount.
func (in *initializer) attributes(tree int, m *plan.Mount) error {
	if m.RecSet|m.RecClear != 0 {
		if err := setAttr(tree, m.RecSet, m.RecClear, true); err != nil {
			return err
		}
	}
	if m.Set|m.Clear != 0 {
		if err := setAttr(tree, m.Set, m.Clear, false); err != nil {
			return err
		}
	}
	for _, p := range m.Propagation {
		if err := propagate(tree, p); err != nil {
			return err
		}
	}
	return nil
}

// target opens, and makes if needed, the place to mount on.
func (in *initializer) target(m *plan.Mount, dir bool) (*os.File, error) {
	if m.FSType == "proc" || m.FSType == "sysfs" {
		// Masks and labels rely on these being where they seem to be.
		f, err := in.root.OpenPath(m.Target, unix.O_NOFOLLOW)
		if err == nil {
			var st unix.Stat_t
			if err := unix.Fstat(int(f.Fd()), &st); err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
				return f, nil
			}
			_ = f.Close()
			return nil, explain("mount", m.Target, 0, m.FSType+" must be mounted on ordinary directory")
		}
		if !errors.Is(err, unix.ENOENT) {
			return nil, err
		}
	}
	if dir {
		return in.root.MkdirAll(m.Target, 0o755)
	}
	return in.root.Touch(m.Target, 0o644)
}

// newFS makes a new file system instance and attaches it.
func (in *initializer) newFS(m *plan.Mount) error {
	options := m.Options
	if m.InheritMode {
		options = append(options, plan.Pair{Key: "mode", Value: in.inheritedMode(m.Target)})
	}
	target, err := in.target(m, true)
	if err != nil {
		return err
	}
	defer func() { _ = target.Close() }()
	for _, o := range options {
		if len(o.Value) >= 256 { // the bound of fsconfig(2)
			return in.legacyMount(m, options, target)
		}
	}
	mount, err := openFS(m, options)
	if err != nil {
		return err
	}
	if m.CopyUp {
		if err := copyUp(int(target.Fd()), mount); err != nil {
			return err
		}
	}
	if err := attach(mount, int(target.Fd())); err != nil {
		return err
	}
	return in.keep(mount, m)
}

// keep sets what is left to set on a new mount, and holds it if it is needed again.
func (in *initializer) keep(mount int, m *plan.Mount) error {
	for _, p := range m.Propagation {
		if err := propagate(mount, p); err != nil {
			return err
		}
	}
	switch {
	case m.FSType == "tmpfs" && m.Set&unix.MOUNT_ATTR_RDONLY != 0:
		in.readonly = append(in.readonly, mount)
	case m.FSType == "proc" && in.proc < 0 && m.Set&unix.MOUNT_ATTR_RDONLY == 0:
		in.proc = mount
	case m.FSType == "devpts":
		in.devpts = mount
	default:
		return unix.Close(mount)
	}
	return nil
}

// openFS makes a detached instance.
func openFS(m *plan.Mount, options []plan.Pair) (int, error) {
	fs, err := unix.Fsopen(m.FSType, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer func() { _ = unix.Close(fs) }()
	if m.Source != "" {
		if err := unix.FsconfigSetString(fs, "source", m.Source); err != nil {
			return -1, fsFailure(fs, m, err)
		}
	}
	for _, o := range options {
		if o.Value == "" {
			err = unix.FsconfigSetFlag(fs, o.Key)
		} else {
			err = unix.FsconfigSetString(fs, o.Key, o.Value)
		}
		if err != nil && plan.IsContext(o.Key) {
			f := failure("mount", m.Target, err)
			f.Detail = fmt.Sprintf("SELinux context %s: %v", o.Value, err)
			return -1, f
		}
		if err != nil {
			return -1, fsFailure(fs, m, err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, fsFailure(fs, m, err)
	}
	attr := m.Set
	if m.FSType == "tmpfs" {
		attr &^= unix.MOUNT_ATTR_RDONLY // its mount points are still to be made
	}
	mount, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, int(attr))
	if err != nil {
		return -1, fsFailure(fs, m, err)
	}
	return mount, nil
}

// fsFailure adds what the file system itself says about an error.
func fsFailure(fs int, m *plan.Mount, err error) error {
	buf := make([]byte, 512)
	n, rerr := unix.Read(fs, buf)
	var errno syscall.Errno
	if rerr != nil || n <= 2 || !errors.As(err, &errno) {
		return err
	}
	text := strings.TrimSpace(string(buf[2:n])) // after "e ", "w " or "i "
	return explain("mount", m.Target, errno, fmt.Sprintf("%s (%s)", errno.Error(), text))
}

// legacyMount uses mount(2) for options that are too long for fsconfig.
func (in *initializer) legacyMount(m *plan.Mount, options []plan.Pair, target *os.File) error {
	data := make([]string, len(options))
	for i, o := range options {
		data[i] = o.Key
		switch {
		case plan.IsContext(o.Key):
			data[i] += `="` + o.Value + `"`
		case o.Value != "":
			data[i] += "=" + o.Value
		}
	}
	if err := unix.Mount(m.Source, procFD(int(target.Fd())), m.FSType, 0, strings.Join(data, ",")); err != nil {
		return err
	}
	mount, err := in.root.OpenPath(m.Target, unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer func() { _ = mount.Close() }()
	return in.attributes(int(mount.Fd()), m)
}

// remountTarget changes the flags of what is mounted at the target.
func (in *initializer) remountTarget(m *plan.Mount) error {
	f, err := in.root.OpenPath(m.Target, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return in.attributes(int(f.Fd()), m)
}

// link makes a symbolic link at the target; one that exists stays.
func (in *initializer) link(m *plan.Mount) error {
	dir, name, err := in.root.Parent(m.Target, 0o755)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	if err := unix.Symlinkat(m.Source, int(dir.Fd()), name); err != nil && err != unix.EEXIST {
		return err
	}
	return nil
}

// inheritedMode is the mode of the directory that a tmpfs covers.
func (in *initializer) inheritedMode(target string) string {
	f, err := in.root.OpenPath(target, unix.O_DIRECTORY)
	if err != nil {
		return "1777"
	}
	defer func() { _ = f.Close() }()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return "1777"
	}
	return fmt.Sprintf("%o", st.Mode&0o7777)
}
