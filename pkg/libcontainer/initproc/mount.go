package initproc

import (
	"errors"
	"fmt"
	"os"
	"strings"

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
	if m.Kind == plan.MountBind || m.Kind == plan.MountFS {
		in.closeKernel(in.kernel.Hide(m.Target))
	}
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
	t := tree{fd: in.file(m.File)}
	if m.File == 0 {
		var flags uint
		if m.Recursive {
			flags |= unix.AT_RECURSIVE
		}
		if m.NoFollowSource {
			flags |= unix.AT_SYMLINK_NOFOLLOW
		}
		var err error
		if t, err = cloneTree(unix.AT_FDCWD, m.Source, flags); err != nil {
			return sourceFailure(m, err)
		}
	}
	var st unix.Stat_t
	err := unix.Fstat(t.fd, &st)
	if err == nil && m.Target == "/proc" && isProc(t.fd) != nil {
		err = explain("mount", m.Target, 0, "only proc can be mounted here")
	}
	var target *os.File
	if err == nil {
		target, err = in.target(m, st.Mode&unix.S_IFMT == unix.S_IFDIR)
	}
	if err != nil {
		_ = unix.Close(t.fd)
		return err
	}
	defer func() { _ = target.Close() }()
	mount, err := in.attachAt(t, int(target.Fd()), m.Target)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(mount) }()
	return in.attributes(mount, m)
}

func sourceFailure(m *plan.Mount, err error) error {
	f := failure("mount source", m.Source, err)
	f.Detail = f.Errno.Error() + " (to be mounted on " + m.Target + ")"
	return f
}

// attributes sets flags and propagation of an attached mount.
func (in *initializer) attributes(mount int, m *plan.Mount) error {
	if m.RecSet|m.RecClear != 0 {
		if err := setAttr(mount, m.RecSet, m.RecClear, true); err != nil {
			return err
		}
	}
	if m.Set|m.Clear != 0 {
		if err := setAttr(mount, m.Set, m.Clear, false); err != nil {
			return err
		}
	}
	for _, p := range m.Propagation {
		if err := propagate(mount, p); err != nil {
			return err
		}
	}
	return nil
}

// target opens, and makes if needed, the place to mount on.
func (in *initializer) target(m *plan.Mount, dir bool) (*os.File, error) {
	f, err := in.place(m, dir)
	if err != nil || strings.HasPrefix(m.Target, "/proc/") {
		return f, err // below /proc, the compiler let through what may be covered
	}
	if isProc(int(f.Fd())) == nil {
		// A link of the image led there.
		_ = f.Close()
		return nil, explain("mount", m.Target, 0, "cannot be mounted because it is inside /proc")
	}
	return f, nil
}

func (in *initializer) place(m *plan.Mount, dir bool) (*os.File, error) {
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
	if m.NoFollowTarget {
		if f, err := in.root.OpenPath(m.Target, unix.O_NOFOLLOW); !errors.Is(err, unix.ENOENT) {
			return f, err
		}
	}
	if dir {
		return in.root.MkdirAll(m.Target, 0o755)
	}
	return in.root.Touch(m.Target, 0o644)
}

// remountTarget changes what is mounted at the target: its flags, and with options the file system's.
func (in *initializer) remountTarget(m *plan.Mount) error {
	f, err := in.root.OpenPath(m.Target, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if len(m.Options) > 0 {
		if err := reconfigure(int(f.Fd()), m); err != nil {
			return err
		}
	}
	return in.attributes(int(f.Fd()), m)
}

// reconfigure gives a mounted file system other options (fspick, Linux 5.2).
func reconfigure(mount int, m *plan.Mount) error {
	fs, err := unix.Fspick(mount, "", unix.FSPICK_CLOEXEC|unix.FSPICK_EMPTY_PATH)
	if errors.Is(err, unix.ENOSYS) {
		return reconfigureCall(mount, m)
	}
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fs) }()
	if err := configure(fs, m, m.Options); err != nil {
		return err
	}
	if err := unix.FsconfigReconfigure(fs); err != nil {
		return fsFailure(fs, m, m.Options, err)
	}
	return nil
}

// reconfigureCall is reconfigure by mount(2), which forgets the mount's own flags: they are set again.
func reconfigureCall(mount int, m *plan.Mount) error {
	own, err := mountFlags(mount, 0, 0)
	if err != nil {
		return err
	}
	flags, data := legacyOptions(m, m.Options)
	if err := unix.Mount("", procFD(mount), "", flags|unix.MS_REMOUNT, data); err != nil {
		return err
	}
	return unix.Mount("", procFD(mount), "", uintptr(own|unix.MS_REMOUNT|unix.MS_BIND), "")
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
