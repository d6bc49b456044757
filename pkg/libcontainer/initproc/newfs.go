package initproc

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/manager-project/manager/pkg/libcontainer/plan"
	"golang.org/x/sys/unix"
)

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
	mount, err := in.instance(m, options, target)
	if err != nil {
		if errors.Is(err, unix.EPERM) && m.FSType == "sysfs" {
			return in.hostSys(m, target)
		}
		return err
	}
	return in.keep(mount, m)
}

// instance makes and attaches the file system, in the newest way that serves.
func (in *initializer) instance(m *plan.Mount, options []plan.Pair, target *os.File) (int, error) {
	mount, err := in.instanceWith(m, options, target)
	if m.FSType == "devpts" && errors.Is(err, unix.EINVAL) {
		// The group of terminals may have no number in the user namespace: without it they belong to
		// their user's.
		if rest := without(options, "gid"); len(rest) < len(options) {
			return in.instanceWith(m, rest, target)
		}
	}
	return mount, err
}

func (in *initializer) instanceWith(m *plan.Mount, options []plan.Pair, target *os.File) (int, error) {
	place := int(target.Fd())
	if !mountCalls() || m.Flags != 0 || tooLong(options) {
		return in.mountCall(m, options, place)
	}
	mount, err := openFS(m, options)
	if errors.Is(err, unix.ENOSYS) {
		return in.mountCall(m, options, place)
	}
	if err != nil {
		return -1, err
	}
	if m.CopyUp {
		if err := copyUp(place, mount); err != nil {
			_ = unix.Close(mount)
			return -1, err
		}
	}
	return in.attachAt(tree{fd: mount}, place, m.Target)
}

// tooLong says that a value is beyond the bound of fsconfig(2).
func tooLong(options []plan.Pair) bool {
	for _, o := range options {
		if len(o.Value) >= 256 {
			return true
		}
	}
	return false
}

func without(options []plan.Pair, key string) []plan.Pair {
	var out []plan.Pair
	for _, o := range options {
		if o.Key != key {
			out = append(out, o)
		}
	}
	return out
}

// relabel gives the root of a new file system its label, where that is no option.
func relabel(mount int, m *plan.Mount) error {
	if m.Label == "" {
		return nil
	}
	root, err := unix.Openat(mount, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(root) }()
	if err := unix.Fsetxattr(root, "security.selinux", []byte(m.Label), 0); err != nil {
		return explain("mount", m.Target, failure("", "", err).Errno, fmt.Sprintf("SELinux context %s: %v", m.Label, err))
	}
	return nil
}

// keep sets what is left to set on a new mount, and holds it if it is needed again.
func (in *initializer) keep(mount int, m *plan.Mount) error {
	if err := relabel(mount, m); err != nil {
		return err
	}
	for _, p := range m.Propagation {
		if err := propagate(mount, p); err != nil {
			return err
		}
	}
	if m.RecSet|m.RecClear != 0 {
		// Nothing is below a new mount.
		if err := setAttr(mount, m.RecSet, m.RecClear, false); err != nil {
			return err
		}
	}
	switch {
	case m.FSType == "tmpfs" && m.Set&unix.MOUNT_ATTR_RDONLY != 0:
		in.readonly = append(in.readonly, mount)
	case m.IsKernel():
		in.kernel.Add(m.Target, mount)
		if m.FSType == "proc" && in.proc < 0 && (m.Set|m.RecSet)&unix.MOUNT_ATTR_RDONLY == 0 {
			in.proc = mount
		}
	case m.FSType == "devpts":
		in.devpts = mount
	default:
		return unix.Close(mount)
	}
	return nil
}

// firstAttr are the attributes that a new mount starts with: mount points in a read-only tmpfs are
// still to be made.
func firstAttr(m *plan.Mount) uint64 {
	if m.FSType == "tmpfs" {
		return m.Set &^ unix.MOUNT_ATTR_RDONLY
	}
	return m.Set
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
			return -1, fsFailure(fs, m, options, err)
		}
	}
	if err := configure(fs, m, options); err != nil {
		return -1, err
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, fsFailure(fs, m, options, err)
	}
	mount, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, int(firstAttr(m)))
	if err != nil {
		return -1, fsFailure(fs, m, options, err)
	}
	return mount, nil
}

func configure(fs int, m *plan.Mount, options []plan.Pair) (err error) {
	for _, o := range options {
		if o.Value == "" {
			err = unix.FsconfigSetFlag(fs, o.Key)
		} else {
			err = unix.FsconfigSetString(fs, o.Key, o.Value)
		}
		if err != nil {
			return fsFailure(fs, m, options, err)
		}
	}
	return nil
}

// fsFailure adds what the file system itself says about an error. SELinux says nothing: a context that
// its policy does not know is only an invalid argument.
func fsFailure(fs int, m *plan.Mount, options []plan.Pair, err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err
	}
	buf := make([]byte, 512)
	if n, rerr := unix.Read(fs, buf); rerr == nil && n > 2 {
		text := strings.TrimSpace(string(buf[2:n])) // after "e ", "w " or "i "
		return explain("mount", m.Target, errno, fmt.Sprintf("%s (%s)", errno.Error(), text))
	}
	for _, o := range options {
		if plan.IsContext(o.Key) {
			return explain("mount", m.Target, errno, fmt.Sprintf("%s (with the SELinux context %s)", errno.Error(), o.Value))
		}
	}
	return err
}

// superFlags are the options of a whole file system that mount(2) wants as flags.
var superFlags = map[string]uintptr{
	"ro": unix.MS_RDONLY, "sync": unix.MS_SYNCHRONOUS, "dirsync": unix.MS_DIRSYNC,
	"lazytime": unix.MS_LAZYTIME, "mand": unix.MS_MANDLOCK,
}

// legacyOptions are flags and data of mount(2).
func legacyOptions(m *plan.Mount, options []plan.Pair) (uintptr, string) {
	flags := uintptr(m.Flags)
	var data []string
	for _, o := range options {
		switch f, ok := superFlags[o.Key]; {
		case ok && o.Value == "":
			flags |= f
		case plan.IsContext(o.Key):
			data = append(data, o.Key+`="`+o.Value+`"`)
		case o.Value == "":
			data = append(data, o.Key)
		default:
			data = append(data, o.Key+"="+o.Value)
		}
	}
	return flags, strings.Join(data, ",")
}

// mountCall makes the instance with mount(2): for options that fsconfig has no name or no room for, and
// where the newer calls are missing.
func (in *initializer) mountCall(m *plan.Mount, options []plan.Pair, place int) (int, error) {
	flags, data := legacyOptions(m, options)
	attr := firstAttr(m)
	call := func(place int) error {
		return unix.Mount(m.Source, procFD(place), m.FSType, flags|uintptr(attrToFlags(attr)), data)
	}
	err := call(place)
	if errors.Is(err, unix.EBUSY) && m.FSType == "cgroup2" {
		err = in.callOnCover(call, place, m.Target)
	}
	if err != nil {
		return -1, err
	}
	mount, err := in.reopen(place, m.Target)
	if err != nil {
		return -1, err
	}
	if m.CopyUp {
		err = copyUp(place, mount)
	}
	if err == nil && attr&unix.MOUNT_ATTR_NOSYMFOLLOW != 0 { // not among mount(2)'s before 5.10
		err = setAttr(mount, unix.MOUNT_ATTR_NOSYMFOLLOW, 0, false)
	}
	if err != nil {
		_ = unix.Close(mount)
		return -1, err
	}
	return mount, nil
}

// callOnCover makes a mount on top of an empty one: mount(2) refuses a file system on a mount of its own,
// and a bind of the host's /sys brings the cgroups with it.
func (in *initializer) callOnCover(call func(place int) error, place int, target string) error {
	if err := unix.Mount("tmpfs", procFD(place), "tmpfs", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=755"); err != nil {
		return err
	}
	cover, err := in.reopen(place, target)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(cover) }()
	return call(cover)
}

// hostSys binds the host's sysfs where a new instance is refused: in a user namespace whose network
// namespace is another's.
func (in *initializer) hostSys(m *plan.Mount, target *os.File) error {
	t, err := cloneTree(unix.AT_FDCWD, "/sys", unix.AT_RECURSIVE)
	if err != nil {
		return err
	}
	mount, err := in.attachAt(t, int(target.Fd()), m.Target)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(mount) }()
	if err := setAttr(mount, m.Set|m.RecSet, 0, true); err != nil {
		return err
	}
	for _, p := range m.Propagation {
		if err := propagate(mount, p); err != nil {
			return err
		}
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
